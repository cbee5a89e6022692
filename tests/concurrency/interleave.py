"""Run a call and let another act at one of its statements: two connections, one order at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.db import OperationalError, connections

from durable.storage.transaction import is_retriable
from tests.cases import PATIENCE

#: how long (milliseconds) the act waits for a lock, which the call may hold for longer than that
LOCK_TIMEOUT = 10


class Refused(BaseException):
    """The act met a lock of the call. Not an ``Exception``: nothing repeats what it interrupts."""


class Outcome(NamedTuple):
    """What came of a call into which another acted."""

    statements: int  # that the call has sent
    result: Any
    error: BaseException | None
    refused: bool  # the act had to wait for the call's end


class Opponent:
    """A second connection, in a thread of its own, which never waits for a lock."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._pool.submit(self._prepare).result(PATIENCE)

    def _prepare(self) -> None:
        connection = connections["default"]
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute(f"SET lock_timeout = {LOCK_TIMEOUT}")
            else:
                cursor.execute(f"PRAGMA busy_timeout = {LOCK_TIMEOUT}")

    def act(self, act: Callable[[], Any]) -> BaseException | None:
        """Let ``act`` run over there to its end; what it raised."""
        return self._pool.submit(self._act, act).result(PATIENCE)

    def _act(self, act: Callable[[], Any]) -> BaseException | None:
        try:
            with connections["default"].execute_wrapper(_refusing):
                act()
        except (Refused, Exception) as error:
            return error
        return None

    def close(self) -> None:
        """Close the connection."""
        self._pool.submit(connections.close_all).result(PATIENCE)
        self._pool.shutdown()


@contextmanager
def opponent() -> Iterator[Opponent]:
    """An opponent for the length of the block."""
    other = Opponent()
    try:
        yield other
    finally:
        other.close()


def _refusing(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    try:
        return execute(sql, params, many, context)
    except OperationalError as error:
        if is_retriable(error):
            raise Refused(sql) from error
        raise


class Cut:
    """Before the statement ``at`` (from 1 on) of this thread, the other acts."""

    def __init__(self, other: Opponent, act: Callable[[], Any], at: int | None) -> None:
        self._other, self._act, self._at = other, act, at
        self.statements = 0
        self.error: BaseException | None = None
        self.refused = False

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        """A Django execute wrapper."""
        self.statements += 1
        if self.statements == self._at:
            self.error = self._other.act(self._act)
            self.refused = isinstance(self.error, Refused)
        return execute(sql, params, many, context)


def interleaved(
    other: Opponent, call: Callable[[], Any], act: Callable[[], Any], at: int | None
) -> tuple[Outcome, BaseException | None]:
    """The outcome of ``call``, and the error of ``act``.

    ``act`` runs before statement ``at`` of the call (``None``: not at all). Where it meets a lock
    of the call, it runs again after the call.
    """
    cut = Cut(other, act, at)
    result: Any = None
    error: BaseException | None = None
    with connections["default"].execute_wrapper(cut):
        try:
            result = call()
        except Exception as raised:
            error = raised
    acted = cut.error
    if cut.refused:
        acted = other.act(act)
    return Outcome(cut.statements, result, error, cut.refused), acted


def after(function: Any, act: Callable[[], Any]) -> Any:
    """``function``, and ``act`` before it returns for the first time."""
    acted: list[bool] = []

    def call(*args: Any, **kwargs: Any) -> Any:
        found = function(*args, **kwargs)
        if not acted:
            acted.append(True)
            act()
        return found

    return call
