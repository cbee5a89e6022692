"""Remove what no execution takes with it: delivered events, past slots, workers that are gone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, Q, QuerySet

from durable import clock, conf
from durable.engine.operators.prune import by_retention, remove
from durable.models import Event, Execution, Firing, Mailbox, Outcome, Worker
from durable.states import EventStatus
from durable.storage import sizes
from durable.storage.transaction import in_transaction, lock

AT_ONCE = 500  # rows that one transaction removes

#: how long the rows of stopped workers stay where no retention is set: nobody's data is in them
WORKERS_FOR = timedelta(days=30)


class Swept(NamedTuple):
    """How many rows were (or would be) removed."""

    events: int
    firings: int
    workers: int


def sweep(older_than: timedelta | None = None, *, dry_run: bool = False) -> Swept:
    """Remove what is older than that; without it, what ``RETENTION`` says.

    Firings follow the retention of their schedule's workflow. What somebody may still need stays:
    an event that is kept for a key, a slot that waits or whose execution is unfinished, a worker
    that holds something.
    """
    if older_than is not None:
        sizes.age("older_than", older_than)
    swept = Swept(
        sum(_remove(rows, dry_run) for rows in _events(older_than)),
        sum(_remove(rows, dry_run) for rows in _firings(older_than)),
        _remove(_workers(older_than), dry_run),
    )
    if not dry_run:
        _remove(_mailboxes(), dry_run)
    return swept


def _general(older_than: timedelta | None) -> timedelta | None:
    if older_than is None and conf.get("RETENTION") is not None:
        return conf.duration("RETENTION")
    return older_than


def _events(older_than: timedelta | None) -> list[QuerySet[Any]]:
    """Published events of which copies lie in inboxes, or that nobody will ever get."""
    age = _general(older_than)
    if age is None:
        return []
    over = Q(status=EventStatus.DELIVERED) | Q(status=EventStatus.KEPT, key="")
    return [Event.objects.filter(over, execution__isnull=True, created_at__lte=clock.now() + -age)]


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
    while count := _remove_some(rows):
        removed += count
    return removed


@in_transaction
def _remove_some(rows: QuerySet[Any]) -> int:
    """One portion; what somebody has locked is left for the next time."""
    found = list(lock(rows.order_by("pk"), skip_locked=True).values_list("pk", flat=True)[:AT_ONCE])
    if found:
        remove(rows.model._base_manager.filter(pk__in=found))
    return len(found)
