"""The transaction of an atomic step, begun with the body's first statement, if there is one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from django.db import Error, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from durable.errors import Abandoned, TransactionBroken, TransactionEnded


class Watch:
    """Sees each statement of an attempt; refuses them once the attempt has been given up.

    ``gate`` is held while a statement, or the transaction's end, is under way: another thread that
    gets it knows that nothing is.
    """

    def __init__(self) -> None:
        self.sent = False
        self.abandoned = False
        self.gate = threading.RLock()

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        """Django's execute wrapper: run a statement unless the attempt was given up."""
        with self.gate:
            self.check()
            self.sent = True
            return execute(sql, params, many, context)

    def check(self) -> None:
        """Raise ``Abandoned`` if the attempt has been given up."""
        if self.abandoned:
            raise Abandoned("this attempt was given up: its statements are refused")

    def __enter__(self) -> None:
        """Watch all of this thread's connections."""
        self._wrappers = [connection.execute_wrappers for connection in connections.all()]
        for wrappers in self._wrappers:
            wrappers.append(self)

    def __exit__(self, *exc_info: object) -> None:
        for wrappers in self._wrappers:
            wrappers.remove(self)


class StepTransaction:
    """``with StepTransaction(connection, watch) as tx``: commit at the end, roll back if it raises.

    ``tx.touched`` is true if the body needs the commit: it sent statements (through Django or on
    the driver's connection) or registered hooks with ``transaction.on_commit``.
    """

    def __init__(self, connection: BaseDatabaseWrapper, watch: Watch) -> None:
        self._connection, self._watch = connection, watch
        self._outermost = not connection.in_atomic_block
        self._atomic: Any = transaction.atomic(using=connection.alias)
        self._stack = ExitStack()

    def __enter__(self) -> StepTransaction:
        if self._outermost and self._connection.vendor == "sqlite":
            self._begin_late()
        self._atomic.__enter__()
        self._watch.sent = False
        self._hooks = len(self._connection.run_on_commit)
        return self

    def __exit__(self, *exc_info: Any) -> None:
        try:
            with self._watch.gate:
                if exc_info[0] is None and self._watch.abandoned:
                    given_up = Abandoned("this attempt was given up before its commit")
                    self._atomic.__exit__(Abandoned, given_up, None)
                    raise given_up
                self._atomic.__exit__(*exc_info)
        finally:
            self._stack.close()

    @property
    def touched(self) -> bool:
        """Whether the body sent statements or registered hooks that need this commit."""
        return (
            self._watch.sent
            or len(self._connection.run_on_commit) > self._hooks
            or (self._outermost and self._is_open())
        )

    def check(self) -> None:
        """Raise if the body has ended or broken this transaction: no checkpoint may go into it."""
        conn = self._connection
        if self._outermost and self._watch.sent and not self._is_open():
            raise TransactionEnded(
                "the step committed, rolled back or closed the transaction that it runs in; "
                "use atomic=False for a step that manages transactions itself"
            )
        if conn.needs_rollback or self._is_broken():
            raise TransactionBroken(
                "a database error was caught inside the step's transaction, which can't be "
                "committed any more; wrap the statement that may fail in transaction.atomic()"
            )

    def _is_open(self) -> bool:
        raw = self._connection.connection
        if raw is None:
            return False
        if self._connection.vendor == "postgresql":
            return bool(raw.info.transaction_status != 0)  # anything but IDLE
        return bool(raw.in_transaction)

    def _is_broken(self) -> bool:
        raw = self._connection.connection
        return (
            self._connection.vendor == "postgresql"
            and raw is not None
            and raw.info.transaction_status == 3  # INERROR
        )

    def _begin_late(self) -> None:
        """SQLite: send BEGIN IMMEDIATE with the first statement, not at entry.

        A body without SQL then never holds the database's one write lock.
        """
        conn: Any = self._connection
        conn.ensure_connection()
        conn._start_transaction_under_autocommit = lambda: None
        self._stack.callback(conn.__dict__.pop, "_start_transaction_under_autocommit", None)
        begun = False

        def begin(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            nonlocal begun
            if not begun:
                with conn.wrap_database_errors:
                    conn.connection.execute("BEGIN IMMEDIATE")
                begun = True  # only now: a body that catches "locked" must not write outside
                self._watch.check()
            return execute(sql, params, many, context)

        # innermost: the watch refuses before anything begins
        self._stack.enter_context(conn.execute_wrapper(begin))


def restore(connection: BaseDatabaseWrapper) -> bool:
    """Reset a connection after a body ran in autocommit; False if a reset was necessary.

    A body may leave a transaction open or switch autocommit off; what it left is rolled back.
    """
    if _is_sane(connection):
        return True
    connection.in_atomic_block = False
    connection.savepoint_ids = []
    connection.needs_rollback = False
    connection.run_on_commit = []
    connection.closed_in_transaction = False
    try:
        connection.close()
    except Error:
        connection.connection = None
    return False


def _is_sane(connection: BaseDatabaseWrapper) -> bool:
    raw = connection.connection
    if connection.in_atomic_block:
        return False
    if raw is None:
        return True
    try:
        if connection.vendor == "postgresql":
            # IDLE, or a connection that is gone
            return raw.info.transaction_status in (0, 4) and connection.get_autocommit()
        return not raw.in_transaction and connection.get_autocommit()
    except Exception:  # closed under Django's hands
        return False
