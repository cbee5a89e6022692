"""Arm one of the engine's failpoints: kill the process, raise, or cut the connection there."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

from durable.storage import failpoints

#: ``point:action:n``, in a child process: at the n-th time that it is reached
VARIABLE = "DURABLE_TEST_FAILPOINT"


class Injected(Exception):
    """An error that no code expects."""


def kill() -> None:
    """What the power switch does to this process."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail() -> None:
    """An error that no code expects."""
    raise Injected("at a failpoint")


def refuse() -> None:
    """An error of the database's kind, without any loss of connection."""
    raise OperationalError("injected at a failpoint")


def cut() -> None:
    """Take this thread's connection to the server away; the next statement on it fails."""
    raw: Any = connection.connection
    if raw is None:
        return
    with socket.fromfd(raw.fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.shutdown(socket.SHUT_RDWR)


ACTIONS: dict[str, Callable[[], None]] = {"kill": kill, "fail": fail, "refuse": refuse, "cut": cut}


class Trap:
    """Does ``action`` at the ``n``-th time that ``point`` is reached, and only then."""

    def __init__(self, point: str, action: str, n: int = 1) -> None:
        if point not in failpoints.ALL:
            raise ValueError(f"no failpoint is called {point!r}")
        self._point, self._action, self._left = point, ACTIONS[action], n
        self._lock = threading.Lock()

    @property
    def sprung(self) -> bool:
        """Whether it happened."""
        return self._left <= 0

    def __call__(self, point: str) -> None:
        if point != self._point:
            return
        with self._lock:
            self._left -= 1
            mine = self._left == 0
        if mine:
            self._action()


@contextmanager
def armed(point: str, action: str, n: int = 1) -> Iterator[Trap]:
    """Arm a point in this process for the length of the block."""
    trap = failpoints.armed = Trap(point, action, n)
    try:
        yield trap
    finally:
        failpoints.armed = None


def once(
    wanted: Callable[[BaseDatabaseWrapper], bool], action: Callable[[BaseDatabaseWrapper], None]
) -> Any:
    """Let ``action`` stand in for the first COMMIT on a connection that is ``wanted``."""
    plain, sprung = BaseDatabaseWrapper._commit, []

    def commit(self: BaseDatabaseWrapper) -> Any:
        if not sprung and wanted(self):
            sprung.append(self)
            return action(self)
        return plain(self)

    return mock.patch.object(BaseDatabaseWrapper, "_commit", commit)


def wrote_by(name: str) -> Callable[[BaseDatabaseWrapper], bool]:
    """Whether the COMMIT is made in a thread of this name."""
    return lambda conn: name in threading.current_thread().name


def lose_the_answer(conn: BaseDatabaseWrapper) -> None:
    """Commit, and then lose the connection before the answer comes."""
    conn.connection.commit()
    _lose(conn)


def lose_the_request(conn: BaseDatabaseWrapper) -> None:
    """Lose the connection before the COMMIT reaches the server."""
    _lose(conn)


def _lose(conn: BaseDatabaseWrapper) -> None:
    if conn.vendor == "postgresql":
        cut()
        with conn.wrap_database_errors:
            conn.connection.execute("SELECT 1")
    else:
        if conn.connection.in_transaction:
            conn.connection.rollback()
        raise OperationalError("disk I/O error")


def arm_from_environment() -> None:
    """Arm the point that a child process was told of."""
    if spec := os.environ.get(VARIABLE):
        point, action, n = spec.split(":")
        failpoints.armed = Trap(point, action, int(n))
