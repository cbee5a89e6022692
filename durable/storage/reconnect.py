"""Go on after the database went away: wait for it, and say what a lost connection has undone."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar

from django.db import Error, InterfaceError, OperationalError

from durable import conf
from durable.storage.transaction import connection, is_retriable

P = ParamSpec("P")
R = TypeVar("R")

LONGEST_PAUSE = 1.0  # seconds

#: how the codes of errors begin that end by themselves, or once an operator has done something
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

#: the one refusal of a statement by psycopg that has no code; a lost server has none either
TOO_MANY_VALUES = "number of parameters must be between"


def is_unavailable(error: BaseException) -> bool:
    """Whether the database can't be reached, or takes no writes, for now.

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
    """Whether ``error`` comes of the loss of a connection, transaction included.

    ``used`` are the driver's connections that the transaction may have had (or ``None`` where
    there was none): Django may have opened another one by now.
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
    """``call()``, repeated while the database is unavailable, for as long as a lease lasts.

    Whether a call that failed was committed is not known: a write must be guarded by a fence
    and a position, so that the repetition of one that is in changes nothing.
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
    """``persist`` for each call of a function whose repetition changes nothing that is in."""

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


def reconnect() -> None:
    """Have a connection that works, if the one that there was does not."""
    conn = connection()
    if conn.in_atomic_block:
        return
    if conn.connection is not None and not conn.is_usable():
        disconnect()
    persist(conn.ensure_connection)
