"""What many tests share: two kinds of test, how an execution ended, threads with connections."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, TypeVar

from django.db import connections, transaction
from django.test import TestCase, TransactionTestCase

from durable.models import Execution

R = TypeVar("R")

PATIENCE = 120.0  # seconds that a thread of a test may take before the test gives up


class Outcomes:
    """How an execution may end, said in one line."""

    def assertFailed(self: Any, execution: Execution, type: str, words: str = "") -> dict[str, Any]:
        """The execution failed with this type of error, whose message has these words."""
        execution.refresh_from_db()
        self.assertEqual(execution.status, "failed", execution.error)
        error: dict[str, Any] = execution.error
        self.assertEqual(error["type"], type, error["message"])
        self.assertIn(words, error["message"])
        return error

    def assertBlocked(self: Any, execution: Execution, type: str, *words: str) -> None:
        """The execution is blocked, and says so with these words."""
        execution.refresh_from_db()
        self.assertEqual(execution.status, "blocked", execution.error)
        self.assertEqual(execution.error["type"], type, execution.error)
        for word in words:
            self.assertIn(word, execution.error["message"])


class WorkflowTestCase(Outcomes, TestCase):
    """A test in a transaction."""


class ThreadedTestCase(Outcomes, TransactionTestCase):
    """A test whose commits are real, so that other threads and connections see them."""


class Elsewhere:
    """Another thread with a connection of its own, which does one thing after the other."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)

    def begin(self, call: Callable[[], R]) -> Future[R]:
        """Do ``call`` over there, without waiting for it."""
        return self._pool.submit(call)

    def __call__(self, call: Callable[[], R]) -> R:
        """Do ``call`` over there; its result, or its exception."""
        return self.begin(call).result(PATIENCE)

    def close(self) -> None:
        """Roll back what is open, and close the connection."""
        self._pool.submit(connections.close_all)
        self._pool.shutdown()


@contextmanager
def elsewhere() -> Iterator[Elsewhere]:
    """A second connection, in a thread of its own."""
    other = Elsewhere()
    try:
        yield other
    finally:
        other.close()


@contextmanager
def open_transaction(other: Elsewhere) -> Iterator[None]:
    """A transaction over there that stays open for the length of the block, then commits."""
    atomic = transaction.atomic()
    other(atomic.__enter__)
    try:
        yield
    finally:
        other(lambda: atomic.__exit__(None, None, None))


def blocked_by_a_lock() -> int:
    """How many other connections to this database wait for a lock (PostgreSQL)."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        (count,) = cursor.fetchone()
    return int(count)


def until(true: Callable[[], object]) -> None:
    """Wait for what another thread is about to do, no longer than ``PATIENCE``."""
    end, pause = time.monotonic() + PATIENCE, threading.Event()
    while not true():
        if time.monotonic() > end:
            raise AssertionError("it did not come to pass")
        pause.wait(0.005)


@contextmanager
def impatient() -> Iterator[None]:
    """Within, who waits for a lock for more than a second gets an error (PostgreSQL)."""
    connection = connections["default"]
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '1s'")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")


@contextmanager
def team(size: int) -> Iterator[Callable[..., list[Any]]]:
    """Several connections, each in a thread: do calls at the same moment, again and again."""
    with ExitStack() as stack:
        members = [stack.enter_context(elsewhere()) for _ in range(size)]

        def at_once(*calls: Callable[[], Any]) -> list[Any]:
            """Results, or exceptions, of the calls."""
            barrier = threading.Barrier(len(calls))

            def run(call: Callable[[], Any]) -> Any:
                try:
                    connections["default"].ensure_connection()
                    barrier.wait(PATIENCE)
                    return call()
                except Exception as error:
                    return error

            begun = [
                member.begin(partial(run, call))
                for member, call in zip(members, calls, strict=True)
            ]
            return [one.result(PATIENCE) for one in begun]

        yield at_once


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Do all calls at the same moment, each on its own connection: results, or exceptions."""
    with team(len(calls)) as at_once:
        return at_once(*calls)
