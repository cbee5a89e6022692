"""Fill the tables with copies of rows that the engine has written."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import connection

from durable.models import CorrelationKey, Event, Execution, StepRun, Wait

#: an id that is the same but for its last eight digits, so that copies lie beside each other
_COPIED = {
    "postgresql": "(left({id}::text, 28) || lpad(to_hex(n), 8, '0'))::uuid",
    "sqlite": "substr({id}, 1, 24) || printf('%%08x', n)",
}
_NUMBERS = {
    "postgresql": "SELECT generate_series(%s, %s) AS n",
    "sqlite": "SELECT %s AS n UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 <= %s",
}


def copy(sample: UUID, share: float, first: int, end: int) -> None:
    """Copy a root with its waits, attempts, events and keys: this share of that many executions.

    On PostgreSQL their times of creation lie between those of other samples' copies.
    """
    for model in (Execution, Wait, StepRun, Event, CorrelationKey):
        _copy(model, sample, share, int(share * first), int(share * end) - 1)


def _copy(model: Any, sample: UUID, share: float, first: int, last: int) -> None:
    of_sample = "id" if model is Execution else "execution_id"
    new, columns = _COPIED[connection.vendor], [one.column for one in model._meta.concrete_fields]
    copied = {"id", of_sample, "root_id", "wait_id"}
    own = {one: new.format(id=f"sample.{one}") for one in copied}
    if model is Execution and connection.vendor == "postgresql":
        own["created_at"] = f"sample.created_at - n / {share} * interval '1 ms'"
    if model is CorrelationKey:
        own["key"] = "sample.key || n"
    values = [own.get(one, f'sample."{one}"') for one in columns]
    names = ", ".join(f'"{one}"' for one in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE numbers AS ({_NUMBERS[connection.vendor]}) "
            f"INSERT INTO {model._meta.db_table} ({names}) SELECT {', '.join(values)} "
            f"FROM {model._meta.db_table} AS sample, numbers WHERE sample.{of_sample} = %s",
            [first, last, model._meta.pk.get_db_prep_value(sample, connection)],
        )


def analyze() -> None:
    """Have the planner know the tables as they are."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
