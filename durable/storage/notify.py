"""Wake listening workers with NOTIFY, as a hint only: polling finds all work without it.

A NOTIFY costs as much as the insert beside it: PostgreSQL commits transactions that notify one
after another, and each wakes a worker for a look. So one notification stands for many:

* in a transaction for all of it: it goes with the commit;
* in a loop of starts outside of transactions (the next begins when the last has ended) it says
  ``MORE``: it stands for all that this process commits in the next ``STANDS_FOR`` seconds. A worker
  that hears ``MORE`` looks at once, and again when that time is over. A start that takes longer to
  commit notifies after all.
"""

from __future__ import annotations

import time
from typing import Any

from django.db import transaction

from durable import clock
from durable.conf import database
from durable.storage.transaction import connection, of_its_own

CHANNEL = "durable_work"
MORE = "more"

STANDS_FOR = 0.01  # seconds, from before the notification is sent
IN_A_ROW = 0.002  # seconds between the end of a start and the begin of the next one in a loop

#: seconds before a transaction that found no listener looks for one again
MEMORY = 1.0

#: looks for a listener and notifies it in one statement; nothing of it is cached over transactions,
#: so a worker that has just started is notified
_HINT = """
(SELECT pg_notify('{channel}', '{payload}')::text IS NOT NULL FROM durable_worker
 WHERE listening AND stopped_at IS NULL AND expires_at > {now} LIMIT 1)
"""


class Hint:
    """A notification that a statement on PostgreSQL carries: ``sql`` is true if a worker hears it.

    ``given`` is to be called when the statement has succeeded.
    """

    def __init__(self, conn: Any) -> None:
        self.sql, self.params = "false", list[Any]()
        self._conn, self._begun = conn, time.monotonic()
        #: the statement is a transaction by itself
        self._alone = not conn.in_atomic_block and conn.get_autocommit()
        self._silent = _row.covers(self._begun) if self._alone else _has_asked(conn)
        self._more = self._alone and _row.goes_on(self._begun)
        if not self._silent:
            now, self.params = clock.now_sql(conn)
            payload = MORE if self._more else ""
            self.sql = _HINT.format(channel=CHANNEL, payload=payload, now=now)

    def given(self, *, heard: bool) -> None:
        """Remember what stands for others of this transaction, or of this loop."""
        if self._alone:
            if self._silent and not _row.covered():
                hint()
            elif not self._silent:
                _row.said(self._begun if heard and self._more else None)
            _row.ended(self._begun)
        elif not self._silent:
            _remember(self._conn, heard=heard)


class _Row:
    """The starts of this process that follow on each other; threads may see a moment's delay."""

    def __init__(self) -> None:
        self._until = 0.0  # until when what commits is looked at without a notification
        self._end = 0.0  # when the last start was over
        self._took = 0.0  # how long it took

    def goes_on(self, begun: float) -> bool:
        """Whether a start that begins now belongs to a loop."""
        return begun - self._end < IN_A_ROW

    def covers(self, begun: float) -> bool:
        """Whether a start that begins now will probably commit in time to need no notification."""
        return begun + 2 * self._took < self._until

    def covered(self) -> bool:
        """Whether what has been committed until now needs no notification."""
        return time.monotonic() < self._until

    def said(self, more_from: float | None) -> None:
        """A worker has heard, before its statement was sent at ``more_from``, of more to come."""
        if more_from is not None:
            self._until = max(self._until, more_from + STANDS_FOR)

    def ended(self, begun: float) -> None:
        """A start is over."""
        self._end = time.monotonic()
        self._took = self._end - begun


_row = _Row()


def hint() -> None:
    """Notify with this transaction's commit, once, if a live worker listens (PostgreSQL only)."""
    conn: Any = connection()
    if conn.vendor != "postgresql" or _has_asked(conn):
        return
    now, present = clock.now_sql(conn)
    with conn.cursor() as cursor:
        asked = _HINT.format(channel=CHANNEL, payload="", now=now)
        cursor.execute(f"SELECT {asked}", present or None)
        (heard,) = cursor.fetchone()
    _remember(conn, heard=bool(heard))


def _remember(conn: Any, *, heard: bool) -> None:
    """Remember for the rest of the transaction: a worker is notified, or nobody listens."""
    if not conn.in_atomic_block:
        return
    if heard:
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
