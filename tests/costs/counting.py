"""Count what all threads send to the database, and what the database reads for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

#: the beginnings of statements that may change something
WRITES = ("INSERT", "UPDATE", "DELETE", "WITH")
#: virtual machine instructions of SQLite between two calls of the counter
STRIDE = 50


@dataclass
class Cost:
    """What was sent to the database, by every thread that is counted."""

    statements: list[str] = field(default_factory=list)
    commits: int = 0  # transactions with a write, those of one statement among them

    @property
    def writes(self) -> list[str]:
        """The statements that may have changed something."""
        return [sql for sql in self.statements if sql.startswith(WRITES)]


@contextmanager
def counted(is_counted: Callable[[str], bool] = lambda sql: True) -> Iterator[Cost]:
    """Count the statements of all connections for which ``is_counted``, and their commits."""
    cost, lock, dirty = Cost(), threading.Lock(), set[int]()
    execute, commit = CursorWrapper.execute, BaseDatabaseWrapper._commit

    def executing(self: Any, sql: Any, params: Any = None) -> Any:
        result = execute(self, sql, params)
        text = str(sql).strip()
        if is_counted(text):
            with lock:
                cost.statements.append(text)
                if not text.startswith(WRITES):
                    pass
                elif self.db.in_atomic_block:
                    dirty.add(id(self.db))
                else:
                    cost.commits += 1
        return result

    def committing(self: Any) -> Any:
        with lock:
            if id(self) in dirty:
                dirty.discard(id(self))
                cost.commits += 1
        return commit(self)

    with (
        mock.patch.object(CursorWrapper, "execute", executing),
        mock.patch.object(BaseDatabaseWrapper, "_commit", committing),
    ):
        yield cost


@dataclass
class Read:
    """What the database has read for the statements of this thread's connection."""

    #: rows of each table, by index or sequentially (PostgreSQL); instructions under "" (SQLite)
    amounts: dict[str, int] = field(default_factory=dict)


@contextmanager
def reads() -> Iterator[Read]:
    """Count what is read within: rows on PostgreSQL, instructions of its machine on SQLite.

    On PostgreSQL within a transaction, whose own counters are exact.
    """
    read = Read()
    if connection.vendor == "postgresql":
        before = _rows()
        yield read
        for table, rows in _rows().items():
            read.amounts[table] = rows - before.get(table, 0)
        return
    strides = 0

    def count() -> int:
        nonlocal strides
        strides += 1
        return 0

    connection.ensure_connection()
    connection.connection.set_progress_handler(count, STRIDE)
    try:
        yield read
    finally:
        connection.connection.set_progress_handler(None, STRIDE)
    read.amounts[""] = STRIDE * strides


def _rows() -> dict[str, int]:
    """The rows of each table that this transaction has read, sequentially or by index."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) "
            "FROM pg_stat_xact_user_tables WHERE relname LIKE 'durable\\_%'"
        )
        return dict(cursor.fetchall())
