"""Keep the connections of a worker's threads usable: reset, refresh, return and close them."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.cache import InvalidCacheBackendError, caches
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from durable.conf import database
from durable.engine.body.step_transaction import Watch, restore
from durable.errors import DurableError
from durable.storage.reconnect import was_spoken_to


def refresh_connections(*, between_steps: bool = False) -> None:
    """Close connections that broke, or that are older than a CONN_MAX_AGE above zero.

    Zero (Django's default) means "for one request"; a worker thread keeps its connection. Call
    this between two pieces of work: a transaction left open by the last one is rolled back.

    ``between_steps`` the server is not asked whether it has closed the engine's connection, as each
    such question lets all other threads run first: an attempt asks if it needs to know.
    """
    for connection in connections.all(initialized_only=True):
        if connection.connection is None or not restore(connection):
            continue
        max_age = connection.settings_dict["CONN_MAX_AGE"]
        expired = max_age and connection.close_at and time.monotonic() >= connection.close_at
        asked = not (between_steps and connection.alias == database())
        doubtful = connection.errors_occurred or (asked and was_spoken_to(connection))
        if expired or (doubtful and not connection.is_usable()):
            _close(connection)
        connection.errors_occurred = False


def refuse_memory() -> None:
    """``DurableError`` if the engine's tables are in memory (SQLite's default in tests).

    Threads share such a database through its cache, where one thread's lock is an error in another:
    SQLite waits only for locks of files.
    """
    if getattr(connections[database()], "is_in_memory_db", bool)():
        raise DurableError(
            "A worker needs an SQLite database in a file: in memory, its threads don't wait for "
            f"each other's locks. In the settings: DATABASES[{database()!r}]['TEST'] = "
            "{'NAME': BASE_DIR / 'test.sqlite3'}"
        )


def return_to_pool() -> None:
    """Return pooled connections to their pool while this thread needs none."""
    for connection in connections.all(initialized_only=True):
        if is_pooled(connection) and not connection.in_atomic_block:
            _close(connection)


def is_pooled(connection: BaseDatabaseWrapper) -> bool:
    """Whether the connection comes from a pool of this process (``OPTIONS["pool"]``)."""
    return bool(connection.settings_dict["OPTIONS"].get("pool"))


def release_connections() -> None:
    """Close this thread's connections before the thread ends."""
    for connection in connections.all(initialized_only=True):
        _close(connection)


def _close(connection: BaseDatabaseWrapper) -> None:
    try:
        connection.close()
    except Exception:  # too broken even for that
        connection.connection = None


def cut_off(connection: BaseDatabaseWrapper, watch: Watch) -> None:
    """End, from another thread, the statement of a given-up attempt; its locks are released.

    PostgreSQL sees its client vanish. SQLite can't bear its connection closed under a running
    statement: the statement is interrupted, the transaction rolled back, and the connection made
    read-only (the waking thread must not write outside of any transaction).
    """
    raw: Any = connection.connection
    if raw is None:
        return
    try:
        if connection.vendor == "postgresql":
            _hang_up(raw)
        else:
            _disarm(raw, watch)
    except Exception:  # closed meanwhile, as intended
        return


def _hang_up(raw: Any) -> None:
    with socket.fromfd(raw.fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as duplicate:
        try:
            raw.cancel_safe(timeout=1)
        finally:
            duplicate.shutdown(socket.SHUT_RDWR)


def _disarm(raw: Any, watch: Watch) -> None:
    end = time.monotonic() + 1.0
    raw.interrupt()
    while not watch.gate.acquire(timeout=0.01):
        if time.monotonic() > end:  # it waits for a lock, so it holds none; it is refused later
            return
        raw.interrupt()
    try:
        if raw.in_transaction:
            raw.execute("ROLLBACK")
        raw.execute("PRAGMA query_only = ON")
    finally:
        watch.gate.release()


def open_caches() -> None:
    """Create this thread's cache clients, which live in the thread's context.

    Each step runs in a copy of that context; without a client there, each would connect anew.
    """
    for alias in settings.CACHES:
        with suppress(InvalidCacheBackendError):  # its user gets the error
            _ = caches[alias]
