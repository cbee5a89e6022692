"""Tell listening workers that there is work: a hint that shortens their wait, never the truth."""

from __future__ import annotations

import time
from typing import Any

from django.db import transaction

from durable import clock
from durable.conf import database
from durable.storage.transaction import connection, of_its_own

CHANNEL = "durable_work"

#: asks and notifies at once; a process remembers nothing: a worker that has just come up hears it
_HINT = """
SELECT pg_notify('{channel}', '') FROM durable_worker
WHERE listening AND stopped_at IS NULL AND expires_at > {now} LIMIT 1
"""


#: seconds for which a transaction that has found nobody who listens does not ask again
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
    """Whether this transaction has given its hint, or found a moment ago that nobody listens."""
    if not conn.in_atomic_block:
        return False
    block, until = getattr(conn, "_durable_unheard", (None, 0.0))
    if block == conn.atomic_blocks[:1] and time.monotonic() < until:
        return True
    return any(getattr(hook, "__name__", "") == "_said" for _, hook, *_ in conn.run_on_commit)


def _said() -> None:
    """Marks a transaction that has given its hint: no hook is there where nobody listens."""


def from_elsewhere(channel: str) -> None:
    """Notify on a connection that is opened for it, as every other process would."""
    other = of_its_own()
    try:
        with other.cursor() as cursor:
            cursor.execute(f"NOTIFY {channel}")
    finally:
        other.close()
