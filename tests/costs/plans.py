"""How PostgreSQL plans a statement, what it thinks the plan costs, and what a scan would cost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.db import connection

_SET = "SET enable_indexscan = ?; SET enable_indexonlyscan = ?; SET enable_bitmapscan = ?"


class Plan(NamedTuple):
    """The plan of a statement, with its cost if no index could be used."""

    text: str
    by_scan: float

    def reads(self, tables: Sequence[str]) -> bool:
        """Whether the plan looks for rows of one of the tables; an INSERT of values does not."""
        return re.search(rf"Scan .*\bon ({'|'.join(tables)})\b", self.text) is not None

    @property
    def cost(self) -> float:
        """The planner's estimate for the whole statement."""
        return _cost(self.text)


def give_back_pages() -> None:
    """Truncate the tables of executions: plans depend on what a test has rolled back or deleted."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE durable_execution CASCADE")


@contextmanager
def explained(*tables: str) -> Iterator[dict[str, Plan]]:
    """The plan of each statement that names one of ``tables``, when it is first sent, by its SQL.

    On PostgreSQL.
    """
    plans: dict[str, Plan] = {}

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        planned = any(table in sql for table in tables) and sql not in plans
        if planned and not sql.startswith(("EXPLAIN", "SET")):
            with connection.cursor() as cursor:
                plans[sql] = Plan(_plan(cursor, sql, params), _cost_by_scan(cursor, sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        yield plans


def _plan(cursor: Any, sql: str, params: Any) -> str:
    cursor.execute(f"EXPLAIN {sql}", params)
    return "\n".join(row for (row,) in cursor.fetchall())


def _cost(plan: str) -> float:
    found = re.search(r"\.\.([\d.]+) ", plan)
    assert found is not None, plan
    return float(found[1])


def _cost_by_scan(cursor: Any, sql: str, params: Any) -> float:
    cursor.execute(_SET.replace("?", "off"))
    cost = _cost(_plan(cursor, sql, params))
    cursor.execute(_SET.replace("?", "on"))
    return cost
