"""Tell listening workers that there is work: a hint that shortens their wait, never the truth."""

from __future__ import annotations

from django.db import transaction

from durable import clock
from durable.conf import database
from durable.storage.transaction import connection, of_its_own

CHANNEL = "durable_work"

#: asks and notifies at once; nothing is remembered, so a worker that has just come up hears it
_HINT = """
SELECT pg_notify('{channel}', '') FROM durable_worker
WHERE listening AND stopped_at IS NULL AND expires_at > {now} LIMIT 1
"""


def hint() -> None:
    """Notify with this transaction's commit, once, if a live worker listens (PostgreSQL only)."""
    conn = connection()
    if conn.vendor != "postgresql":
        return
    if conn.in_atomic_block and any(
        getattr(hook, "__name__", "") == "_said" for _, hook, *_ in conn.run_on_commit
    ):
        return
    now, present = clock.now_sql(conn)
    with conn.cursor() as cursor:
        cursor.execute(_HINT.format(channel=CHANNEL, now=now), present or None)
    if conn.in_atomic_block:
        transaction.on_commit(_said, using=database())


def _said() -> None:
    """Marks a transaction that has given its hint, or has found nobody who listens."""


def from_elsewhere(channel: str) -> None:
    """Notify on a connection that is opened for it, as every other process would."""
    other = of_its_own()
    try:
        with other.cursor() as cursor:
            cursor.execute(f"NOTIFY {channel}")
    finally:
        other.close()
