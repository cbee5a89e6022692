"""Tell listening workers that there is work: a hint that shortens their wait, never the truth."""

from __future__ import annotations

import time

from django.db import transaction

from durable.conf import database
from durable.models import Worker
from durable.storage.transaction import connection, of_its_own

CHANNEL = "durable_work"

#: how long (seconds) this process believes what it saw of the listeners
MEMORY = 2.0

_seen_at = -MEMORY
_listened = False


def hint() -> None:
    """NOTIFY with this transaction's commit, once, if a live worker listens (PostgreSQL only)."""
    conn = connection()
    if conn.vendor != "postgresql" or not _somebody_listens():
        return
    if conn.in_atomic_block and any(
        getattr(hook, "__name__", "") == "_said" for _, hook, *_ in conn.run_on_commit
    ):
        return
    with conn.cursor() as cursor:
        cursor.execute(f"NOTIFY {CHANNEL}")
    if conn.in_atomic_block:
        transaction.on_commit(_said, using=database())


def _said() -> None:
    """Marks a transaction that has its NOTIFY already."""


def _somebody_listens() -> bool:
    global _seen_at, _listened
    if time.monotonic() - _seen_at >= MEMORY:
        _listened = Worker.objects.live().filter(listening=True).exists()
        _seen_at = time.monotonic()
    return _listened


def forget() -> None:
    """Ask the database again at the next hint."""
    global _seen_at
    _seen_at = -MEMORY


def from_elsewhere(channel: str) -> None:
    """Notify on a connection that is opened for it, as every other process would."""
    other = of_its_own()
    try:
        with other.cursor() as cursor:
            cursor.execute(f"NOTIFY {channel}")
    finally:
        other.close()
