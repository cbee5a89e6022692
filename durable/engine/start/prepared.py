"""Inserts that PostgreSQL parses and plans once for each connection: half the CPU of a start.

Only inserts: a kept plan of a SELECT or an UPDATE may stem from an hour when its table was empty.

Django switches prepared statements off, as a pooler may give each transaction another server
connection. A pooler gives itself away: it invents the process id that it tells its clients at their
connection. So the first statement of a connection is sent as usual, with ``PID`` in its result; the
others are prepared if the server's own answer is the id that the driver knows.
"""

from __future__ import annotations

import functools
from typing import Any

from django.db import ProgrammingError
from django.db.backends.base.base import BaseDatabaseWrapper

PID = "pg_backend_pid()"
FORGOTTEN = "26000"  # the server has no such statement: somebody has sent DISCARD ALL


def execute(conn: BaseDatabaseWrapper, sql: str, params: list[Any]) -> list[Any]:
    """The rows of an INSERT; their last column is ``PID``, on PostgreSQL."""
    conn.close_if_health_check_failed()
    conn.ensure_connection()
    raw: Any = conn.connection
    keeps = getattr(raw, "_durable_keeps_plans", None) if conn.vendor == "postgresql" else False
    # a log of statements (DEBUG) shows them with their values, which only the usual cursor knows
    if not keeps or conn.queries_logged:
        with conn.cursor() as cursor:
            cursor.execute(sql, params)
            found: list[Any] = cursor.fetchall()  # SQLite commits when the last row has been read
        if found and keeps is None:
            raw._durable_keeps_plans = found[0][-1] == raw.info.backend_pid
        return found
    conn.validate_thread_sharing()
    inner = getattr(raw, "_durable_cursor", None)
    if inner is None:
        inner = raw._durable_cursor = _cursor_class()(raw)
    cursor = conn.make_cursor(inner)
    try:
        cursor.execute(sql, params)
    except ProgrammingError as error:
        if getattr(error.__cause__, "sqlstate", None) != FORGOTTEN:
            raise
        raw._durable_keeps_plans = False
        if conn.in_atomic_block:  # it is broken: the next one will do
            raise
        return execute(conn, sql, params)
    return list(cursor.fetchall())


@functools.cache
def _cursor_class() -> type[Any]:
    """Django's cursor with parameters apart from the text, whose statements are prepared."""
    from django.db.backends.postgresql.base import ServerBindingCursor

    class Prepared(ServerBindingCursor):
        connection: Any

        def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
            raw, run = self.connection, getattr(super(), "execute")  # noqa: B009 - no stubs
            usual, raw.prepare_threshold = raw.prepare_threshold, 0
            try:
                return run(query, params, prepare=True, **options)
            finally:
                raw.prepare_threshold = usual

    return Prepared
