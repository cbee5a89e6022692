"""List the distinct workflows and queues of executions, by index jumps, for choices."""

from __future__ import annotations

from django.db import connections

from durable.conf import database
from durable.models import Execution, Role

NAMES = 200  # the most names returned


def distinct(column: str) -> list[str]:
    """The distinct values of an indexed column of executions, read by jumps in the index."""
    connection = connections[database()]
    quote = connection.ops.quote_name
    table, name = quote(Execution._meta.db_table), quote(column)
    roles = f"{quote('role')} IN ('{Role.ROOT.value}', '{Role.CHILD.value}')"
    sql = (
        f"WITH RECURSIVE found(value) AS (SELECT MIN({name}) FROM {table} WHERE {roles} "  # nosec B608
        f"UNION ALL SELECT (SELECT MIN({name}) FROM {table} WHERE {roles} "
        f"AND {name} > found.value) FROM found WHERE found.value IS NOT NULL) "
        f"SELECT value FROM found WHERE value IS NOT NULL LIMIT {NAMES}"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [value for (value,) in cursor.fetchall()]
