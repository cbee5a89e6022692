"""Empty the tables after a test whose commits are real, and leave what ``migrate`` has put there.

Django flushes all tables and then does again what follows a ``migrate``: content types and
permissions are made anew, a third of a second each time.
"""

from __future__ import annotations

from typing import Any

from django.db import connections, transaction
from django.test import TransactionTestCase

#: Tables whose rows come from ``migrate``.
KEPT = {"auth_permission", "django_content_type", "django_migrations"}

_flushed = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]


def _emptied(test: Any) -> None:
    if test.available_apps is not None or test.serialized_rollback:
        _flushed(test)
        return
    for alias in test._databases_names(include_mirrors=False):
        connection = connections[alias]
        with transaction.atomic(using=alias), connection.cursor() as cursor:
            for table in connection.introspection.django_table_names(only_existing=True):
                if table not in KEPT:  # keys are looked at when all is deleted
                    cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")


def install() -> None:
    """Let every ``TransactionTestCase`` end so."""
    TransactionTestCase._fixture_teardown = _emptied  # type: ignore[attr-defined]
