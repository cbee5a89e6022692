"""Wake listening workers with NOTIFY, as a hint only: polling finds all work without it."""

from __future__ import annotations

import time
from typing import Any

from django.db import transaction

from durable import clock
from durable.conf import database
from durable.storage.transaction import connection, of_its_own

CHANNEL = "durable_work"

#: looks for a listener and notifies it in one statement; nothing is cached over transactions, so
#: a worker that has just started is notified
_HINT = """
SELECT pg_notify('{channel}', '') FROM durable_worker
WHERE listening AND stopped_at IS NULL AND expires_at > {now} LIMIT 1
"""


#: seconds before a transaction that found no listener looks for one again
MEMORY = 1.0


def hint() -> None:
    """Notify with this transaction's commit, once, if a live worker listens (PostgreSQL only)."""
    conn: Any = connection()
    if conn.vendor != "postgresql" or _has_asked(conn):
        return
    now, present = clock.now_sql(conn)
    with conn.cursor() as cursor:
        cursor.execute(_HINT.format(channel=CHANNEL, now=now), present or None)
        somebody_listens = cursor.fetchone() is not None
    if not conn.in_atomic_block:
        return
    if somebody_listens:
        transaction.on_commit(_said, using=database())
    else:
        conn._durable_unheard = (conn.atomic_blocks[:1], time.monotonic() + MEMORY)


def _has_asked(conn: Any) -> bool:
    """Whether this transaction has notified already, or found no listener a moment ago."""
    if not conn.in_atomic_block:
        return False
    block, until = getattr(conn, "_durable_unheard", (None, 0.0))
    if block == conn.atomic_blocks[:1] and time.monotonic() < until:
        return True
    return any(getattr(hook, "__name__", "") == "_said" for _, hook, *_ in conn.run_on_commit)


def _said() -> None:
    """An ``on_commit`` hook that marks a transaction as notified; added only if someone listens."""


def from_elsewhere(channel: str) -> None:
    """Notify on a new connection, as another process would."""
    other = of_its_own()
    try:
        with other.cursor() as cursor:
            cursor.execute(f"NOTIFY {channel}")
    finally:
        other.close()
