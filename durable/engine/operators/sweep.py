"""Remove what no execution takes with it: delivered events, past slots, workers that are gone."""

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
from durable.states import EventStatus
from durable.storage import sizes
from durable.storage.transaction import in_transaction, lock

AT_ONCE = 500  # rows that one transaction looks at

#: how long the rows of stopped workers stay where no retention is set: nobody's data is in them
WORKERS_FOR = timedelta(days=30)


class Swept(NamedTuple):
    """How many rows were (or would be) removed."""

    events: int
    firings: int
    workers: int


def sweep(older_than: timedelta | None = None, *, dry_run: bool = False) -> Swept:
    """Remove what is older than that; without it, what ``RETENTION`` and ``KEEP_EVENTS`` say.

    Firings follow the retention of their schedule's workflow. What somebody may still need stays:
    an event that is kept for a key (until its time is over), a slot that waits or whose execution
    is unfinished, a worker that holds something.
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


def expire_events(limit: int) -> int:
    """Remove some of the events that nobody gets any more; how many rows that concerned."""
    return _remove_some(Event.objects.over(), limit)[0]


def _general(older_than: timedelta | None) -> timedelta | None:
    if older_than is None and conf.get("RETENTION") is not None:
        return conf.duration("RETENTION")
    return older_than


def _events(older_than: timedelta | None) -> QuerySet[Any]:
    """Published events whose time is over.

    With an age, also younger ones of which copies lie in inboxes, or that nobody will ever get.
    """
    over = Event.objects.over()
    if older_than is None:
        return over
    used = Q(status=EventStatus.DELIVERED) | Q(status=EventStatus.KEPT, key="")
    old = Event.objects.filter(execution__isnull=True, created_at__lte=clock.now() + -older_than)
    return over | old.filter(used)


def _firings(older_than: timedelta | None) -> Iterable[QuerySet[Any]]:
    """Slots with which nothing more will happen, by the retention of their workflow."""
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
    """Rows that are locked while events meet carriers of their key; made anew when needed."""
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
    """One portion: see ``remove``. What somebody has locked is left for the next time."""
    found = list(lock(rows.order_by("pk"), skip_locked=True).values_list("pk", flat=True)[:at_most])
    return remove(rows.model._base_manager.filter(pk__in=found), ROWS) if found else (0, 0)
