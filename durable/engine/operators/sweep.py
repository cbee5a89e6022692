"""Remove old rows that belong to no execution: delivered events, past slots, stopped workers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, Q, QuerySet

from durable import clock, conf
from durable.engine.operators.prune import by_retention
from durable.engine.operators.remove import AT_ONCE as ROWS
from durable.engine.operators.remove import remove
from durable.models import Event, Execution, Firing, Mailbox, Outcome, Worker
from durable.models.event import kept_for
from durable.states import EventStatus
from durable.storage import sizes
from durable.storage.statement import Statement
from durable.storage.transaction import in_transaction, lock

AT_ONCE = 500  # rows looked at in one transaction

#: how long rows of stopped workers stay without a retention; they hold no user data
WORKERS_FOR = timedelta(days=30)


class Swept(NamedTuple):
    """The numbers of rows that were (or would be) removed."""

    events: int
    firings: int
    workers: int


def sweep(older_than: timedelta | None = None, *, dry_run: bool = False) -> Swept:
    """Remove rows older than ``older_than``, else by ``RETENTION`` and ``KEEP_EVENTS``.

    Firings follow the retention of their schedule's workflow. Rows still in use stay: an event kept
    for a key (until its own time is over), a queued slot, a slot with an unfinished execution, a
    worker that holds executions. ``dry_run`` only counts.
    """
    if older_than is not None:
        sizes.age("older_than", older_than)
    swept = Swept(
        _remove(_events(older_than), dry_run),
        sum(_remove(rows, dry_run) for rows in _firings(older_than)),
        _remove(_workers(older_than), dry_run),
    )
    if not dry_run:
        _remove(_mailboxes(), dry_run)
    return swept


_OVER = Statement(
    lambda keep: Event.objects.over_after(keep).order_by().values_list("pk", flat=True),
    limited=True,
    fixed=("keep",),
)


def expire_events(limit: int) -> int:
    """Remove a portion of the events past their time; return how many rows changed."""
    if not _OVER(keep=kept_for(), limit=1):
        return 0
    return _remove_some(Event.objects.over(), limit)[0]


def _general(older_than: timedelta | None) -> timedelta | None:
    if older_than is None and conf.get("RETENTION") is not None:
        return conf.duration("RETENTION")
    return older_than


def _events(older_than: timedelta | None) -> QuerySet[Any]:
    """Published events past their time.

    With an age, also those older than it that have been delivered to inboxes, or were kept without
    a key and can't be delivered.
    """
    over = Event.objects.over()
    if older_than is None:
        return over
    used = Q(status=EventStatus.DELIVERED) | Q(status=EventStatus.KEPT, key="")
    old = Event.objects.filter(execution__isnull=True, created_at__lte=clock.now() + -older_than)
    return over | old.filter(used)


def _firings(older_than: timedelta | None) -> Iterable[QuerySet[Any]]:
    """Firings with nothing left to happen, older than their workflow's retention."""
    over = Firing.objects.exclude(outcome=Outcome.QUEUED).filter(
        Q(execution__isnull=True) | Q(execution__finished_at__isnull=False)
    )
    return by_retention(over, "schedule__workflow", "fired_at", older_than)


def _workers(older_than: timedelta | None) -> QuerySet[Any]:
    general = _general(older_than)
    age = WORKERS_FOR if general is None else general
    held = Execution.objects.filter(worker=OuterRef("pk"))
    return Worker.objects.filter(~Exists(held), stopped_at__lte=clock.now() + -age)


def _mailboxes() -> QuerySet[Any]:
    """Mailboxes without events; such a row is only a lock for its key, made anew when needed."""
    mail = Event.objects.filter(execution__isnull=True, key=OuterRef("pk"))
    return Mailbox.objects.filter(~Exists(mail))


def _remove(rows: QuerySet[Any], dry_run: bool) -> int:
    if dry_run:
        return rows.count()
    removed = 0
    while True:
        done, deleted = _remove_some(rows, AT_ONCE)
        removed += deleted
        if not done:
            return removed


@in_transaction
def _remove_some(rows: QuerySet[Any], at_most: int) -> tuple[int, int]:
    """Remove one portion (see ``remove``); locked rows are left for the next pass."""
    found = list(lock(rows.order_by("pk"), skip_locked=True).values_list("pk", flat=True)[:at_most])
    return remove(rows.model._base_manager.filter(pk__in=found), ROWS) if found else (0, 0)
