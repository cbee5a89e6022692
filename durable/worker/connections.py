"""The database connections of a worker's threads: sane before each piece of work."""

from __future__ import annotations

import socket
import time
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper


def refresh_connections() -> None:
    """Close connections that broke, or that are older than a CONN_MAX_AGE above zero.

    Zero (Django's default) means "for one request"; a worker thread keeps its connection.
    """
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block or connection.connection is None:
            continue
        max_age = connection.settings_dict["CONN_MAX_AGE"]
        expired = max_age and connection.close_at and time.monotonic() >= connection.close_at
        if expired or (connection.errors_occurred and not connection.is_usable()):
            connection.close()
        connection.errors_occurred = False


def release_connections() -> None:
    """Close this thread's connections: the thread ends."""
    for connection in connections.all(initialized_only=True):
        connection.close()


def cut(connection: BaseDatabaseWrapper) -> None:
    """End, from another thread, whatever a connection is doing; its locks are gone at once.

    PostgreSQL sees its client vanish; SQLite is interrupted and closed (never rolled back: the
    thread that wakes up must not find itself outside of any transaction).
    """
    raw: Any = connection.connection
    if raw is None:
        return
    try:
        if connection.vendor == "postgresql":
            duplicate = socket.fromfd(raw.fileno(), socket.AF_UNIX, socket.SOCK_STREAM)
            raw.cancel_safe(timeout=1)
            duplicate.shutdown(socket.SHUT_RDWR)
            duplicate.close()
        else:
            raw.interrupt()
            raw.close()
    except Exception:  # closed meanwhile: that is what was wanted
        return
