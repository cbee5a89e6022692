"""Survive a database outage: tell it from other errors, wait, reconnect, and repeat the call."""

from __future__ import annotations

import functools
import random
import select
import time
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar

from django.db import Error, InterfaceError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from durable import conf
from durable.storage.transaction import connection, is_retriable

P = ParamSpec("P")
R = TypeVar("R")

LONGEST_PAUSE = 1.0  # seconds

#: prefixes of the error codes that pass by themselves, or after an operator's action
UNAVAILABLE = (
    "08",  # the connection
    "25006",  # a failover is under way: this server takes no writes (any more, or yet)
    "53100",  # the disk is full
    "53300",  # too many connections
    "57",  # the server starts or stops; a statement was cancelled
    "58",  # the disk, the operating system
    "SQLITE_BUSY",
    "SQLITE_CANTOPEN",
    "SQLITE_FULL",
    "SQLITE_IOERR",
    "SQLITE_LOCKED",
    "SQLITE_PROTOCOL",
    "SQLITE_READONLY",
)

#: psycopg's only refusal of a statement without a code; a lost server has no code either
TOO_MANY_VALUES = "number of parameters must be between"


def is_unavailable(error: BaseException) -> bool:
    """Whether the database can't be reached, or accepts no writes, for now.

    False for a statement that will never work (too deep, too large, a missing table): repeating it
    would only hold the slot.
    """
    if is_retriable(error):
        return True
    cause: Any = error.__cause__
    code = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None)
    if code is not None:
        return str(code).startswith(UNAVAILABLE)
    if TOO_MANY_VALUES in str(error):
        return False
    return isinstance(error, (OperationalError, InterfaceError))


def was_cut(error: BaseException, used: Iterable[Any]) -> bool:
    """Whether the loss of a connection, and so of its transaction, caused ``error``.

    ``used`` are the driver's connections that the transaction may have used (``None`` for none), as
    Django may have opened another one since.
    """
    conn = connection()
    if conn.vendor != "postgresql":
        return False
    if conn.connection is not None and not any(raw is not None and raw.closed for raw in used):
        return False
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, (OperationalError, InterfaceError)):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def persist(call: Callable[[], R]) -> R:
    """Repeat ``call()`` while the database is unavailable, for as long as a lease lasts.

    A failed call may have been committed: a write must be guarded by a fence and a position, so
    that repeating a committed one changes nothing.
    """
    end, tries = time.monotonic() + conf.duration("LEASE").total_seconds(), 0
    while True:
        try:
            return call()
        except Error as error:
            if connection().in_atomic_block or not is_unavailable(error):
                raise
            if time.monotonic() >= end:
                raise
            if not is_retriable(error):
                disconnect()
        tries += 1
        longest = min(0.02 * tries * tries, LONGEST_PAUSE)
        time.sleep(random.uniform(longest / 4, longest))  # noqa: TID251


def persistent(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function with ``persist``; repeating a committed call must change nothing."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return persist(lambda: function(*args, **kwargs))

    return run


def disconnect() -> None:
    """Close this thread's connection, however broken; the next statement opens another."""
    conn = connection()
    try:
        conn.close()
    except Error:
        conn.connection = None


def was_spoken_to(conn: BaseDatabaseWrapper) -> bool:
    """Whether the server has sent something unasked, usually that it closed the connection."""
    raw: Any = conn.connection
    if conn.vendor != "postgresql" or raw is None:
        return False
    try:
        poll = select.poll()
        poll.register(raw.fileno(), select.POLLIN)
        return bool(raw.closed or poll.poll(0))
    except Exception:  # closed, or a platform without poll
        return True


def reconnect() -> None:
    """Replace this thread's connection if it no longer works."""
    conn = connection()
    if conn.in_atomic_block:
        return
    if conn.connection is not None and not conn.is_usable():
        disconnect()
    persist(conn.ensure_connection)
