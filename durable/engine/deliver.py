"""Deliver events: from mailboxes to inboxes, from inboxes to waits; wake answered executions.

Workers do this as due work: senders only insert, so their transactions hold no engine lock.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from heapq import merge
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef

from durable.engine.ends.gifts import Gifts
from durable.engine.start.triggers import start_triggered
from durable.models import CorrelationKey, Event, Execution, Mailbox, Wait
from durable.models.given import Among
from durable.states import UNFINISHED, EventStatus, WaitKind, WaitStatus
from durable.storage import lookup, notify
from durable.storage.failpoints import reach
from durable.storage.reconnect import is_unavailable
from durable.storage.share import each
from durable.storage.statement import Statement
from durable.storage.transaction import connection, in_transaction, lock

logger = logging.getLogger("durable.engine")

AT_ONCE = 100
KEYS_AT_ONCE = 1000  # keys without waiting events
COPIES_AT_ONCE = 5000  # copies of one key's events, over all its carriers' inboxes
EVENTS_AT_ONCE = 500  # events of one key, or of all inboxes, in one transaction

EVENT_KINDS = [kind for kind in WaitKind if kind.takes_events]


def deliver_due(limit: int = AT_ONCE) -> int:
    """Deliver a bounded share of the due events; return how many were looked at.

    Keys without waiting events cost two statements, however many there are.
    """
    delivered = _keyed(limit) + _inboxes()
    reach("deliver.after_commit")
    return delivered


# -- published events, under the lock of their mailbox ---------------------------------------


_PUBLISHED = Statement(
    lambda: (
        Event.objects.pending()
        .filter(execution__isnull=True)
        .order_by("created_at")
        .values_list("key", flat=True)
    ),
    limited=True,
)
_FRESH = Statement(
    lambda: CorrelationKey.objects.fresh().values_list("key", flat=True), limited=True
)


def _keyed(limit: int) -> int:
    quiet, keys = 0, set(_PUBLISHED(limit=limit))
    if _FRESH(limit=1):
        quiet = _note_quiet()
        keys |= set(_FRESH(limit=limit))
    return quiet + each(lambda key: sort_mailbox(key), sorted(keys))


@in_transaction
def _note_quiet() -> int:
    """Clear the ``fresh`` mark of keys for which no event waits; return how many.

    One statement reads both: an event committed later is sorted later, and finds these carriers.
    """
    mail = Event.objects.filter(execution__isnull=True)
    kept = mail.filter(key=OuterRef("key"), status=EventStatus.KEPT)
    quiet = CorrelationKey.objects.fresh().filter(~Exists(kept))
    quiet = quiet.exclude(key__in=mail.pending().values("key"))
    found = list(lock(quiet, skip_locked=True).values_list("pk", flat=True)[:KEYS_AT_ONCE])
    return CorrelationKey.objects.filter(pk__in=found).update(fresh=False) if found else 0


@in_transaction
def sort_mailbox(key: str) -> int:
    """Put the events of a key into the inboxes of the executions that carry it.

    New events go to every unfinished carrier. Events kept for lack of a carrier go to the first
    execution that gets the key. An event without a carrier starts the workflows that it triggers.
    """
    Mailbox.objects.bulk_create([Mailbox(key=key)], ignore_conflicts=True)
    if not lock(Mailbox.objects.filter(pk=key), skip_locked=True).exists():
        return 0
    mail = Event.objects.filter(execution__isnull=True, key=key).in_order()
    kept = mail.filter(status=EventStatus.KEPT).exclude(pk__in=mail.over().values("pk"))
    new = list(mail.pending()[:EVENTS_AT_ONCE])
    fresh = list(CorrelationKey.objects.filter(key=key, fresh=True))
    carriers = CorrelationKey.objects.filter(key=key, execution__status__in=UNFINISHED).order_by(
        "id"
    )
    takers = lookup.kept([one.execution_id for one in carriers]) if key else []
    new = new[: max(1, COPIES_AT_ONCE // max(1, len(takers)))]
    newcomers = {one.execution_id for one in fresh}
    first = next((taker for taker in takers if taker in newcomers), None)
    heirs: list[UUID] = []  # triggered executions, which take the events after their own
    left: list[Event] = []  # events without a taker
    if first:
        old = list(kept[: EVENTS_AT_ONCE + 1])
        _copy(old[:EVENTS_AT_ONCE], [first])
        if len(old) > EVENTS_AT_ONCE:
            return EVENTS_AT_ONCE  # the key stays fresh: other kept events come before new ones
    if takers:
        _copy(new, takers)
    for event in () if takers else new:
        if heirs:
            _copy([event], heirs)
        elif started := start_triggered(event):
            Event.objects.filter(pk=event.pk).pass_on()
            if key:  # the started execution is now the key's first carrier
                heirs = started
                _copy([*kept, *left], started[:1])
        else:
            left.append(event)
    # Events and carriers that arrived after the reads above are left for the next pass.
    Event.objects.filter(pk__in=[event.pk for event in new]).keep()
    seen = [one.pk for one in fresh]
    CorrelationKey.objects.filter(pk__in=seen, fresh=True).update(fresh=False)
    return len(new) + len(fresh)


def _copy(events: list[Event], executions: list[UUID]) -> None:
    """Copy ``events`` into the inboxes of ``executions``; without executions do nothing."""
    if not events or not executions:
        return
    Event.objects.bulk_create(
        [
            Event(
                execution_id=pk,
                name=event.name,
                key=event.key,
                payload=event.payload,
                source=event,
                created_at=event.created_at,
            )
            for event in events
            for pk in executions
        ]
    )
    Event.objects.filter(pk__in=[event.pk for event in events]).pass_on()


# -- inboxes, under the lock of the root -------------------------------------------------------


_OLDEST = Statement(
    lambda busy: (
        Event.objects.pending()
        .filter(~Among("execution_id", busy), execution__isnull=False)
        .in_order()
    ),
    limited=True,
)
_OLDEST_OF = Statement(
    lambda root: Event.objects.pending().filter(execution=root).in_order(), limited=True
)
_RECEIVERS = Statement(
    lambda: (
        Event.objects.pending()
        .filter(execution__isnull=False)
        .order_by("created_at")
        .values_list("execution_id", flat=True)
    ),
    limited=True,
)
_LOCKED = Statement(
    lambda ids: (
        lock(Execution.objects.filter(Among("id", ids)), skip_locked=True)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
)
_EVENT_WAITS = Statement(
    lambda roots: (
        Wait.objects.open().filter(Among("root_id", roots), kind__in=EVENT_KINDS).visible()
    )
)
_KEEP = Statement(lambda events: Event.objects.filter(Among("id", events)).keep())


def _inboxes() -> int:
    """Empty inboxes together; if that fails, one by one, so that one of them stops no other."""
    try:
        return empty_inboxes()
    except Exception as error:
        if is_unavailable(error) or connection().in_atomic_block:
            raise
        logger.info("could not empty the inboxes together", exc_info=error)
    return each(lambda root: empty_inboxes(root), dict.fromkeys(_RECEIVERS(limit=EVENTS_AT_ONCE)))


@in_transaction
def empty_inboxes(only: UUID | None = None) -> int:
    """Give the oldest pending events, in order, to the open waits of their executions' trees.

    Eight statements for ``EVENTS_AT_ONCE`` events of any number of inboxes, or of one. Events whose
    root is locked by another transaction stay due; return the number of the others.
    """
    roots, events = _locked_with_events(only)
    if not events:
        return 0
    waits, gifts, left = _Waits(_EVENT_WAITS(roots=roots)), Gifts(), list[UUID]()
    for event in events:
        wait = next((wait for wait in waits.for_event(event) if _takes(wait, event)), None)
        if wait is None:
            left.append(event.pk)
        else:
            gifts.add(event, wait)
    gifts.write()
    if left:
        _KEEP(events=left)
    wake(gifts.answered)
    reach("deliver.before_commit")
    return len(events)


def _locked_with_events(only: UUID | None) -> tuple[list[UUID], list[Event]]:
    """Lock roots with pending events; return them, and these events.

    Many events of roots that others have locked hide none of the other roots.
    """
    busy = set[UUID]()
    while True:
        if only is None:
            found = _OLDEST(busy=list(busy), limit=EVENTS_AT_ONCE)
        else:
            found = _OLDEST_OF(root=only, limit=EVENTS_AT_ONCE)
        owners = {event.execution_id for event in found}
        roots = _LOCKED(ids=list(owners)) if found else []
        if roots or only is not None or len(found) < EVENTS_AT_ONCE:
            return roots, [event for event in found if event.execution_id in set(roots)]
        busy |= owners


def take_from_inbox(wait: Wait) -> bool:
    """Give a newly opened wait the events of the inbox; True if they answer it.

    The caller holds the root's lock.
    """
    gifts = Gifts()
    while wait.status == WaitStatus.OPEN and (event := _first_for(wait)) is not None:
        gifts.add(event, wait)
    gifts.write()
    return bool(wait.status != WaitStatus.OPEN)


def _first_for(wait: Wait) -> Event | None:
    """The first inbox event that the wait takes; the rest of the inbox is not read."""
    names = set(wait.names) - set((wait.received or {}) if wait.kind == WaitKind.ALL else ())
    events = Event.objects.inbox(wait.root_id).filter(name__in=names)
    if wait.key:
        events = events.filter(key__in=("", wait.key))
    if wait.deadline_at is not None:
        events = events.filter(created_at__lte=max(wait.deadline_at, wait.opened_at))
    return events.first()


class _Waits:
    """Open waits in their order, found by root, event name and key."""

    def __init__(self, waits: Sequence[Wait]) -> None:
        self._by_name: dict[Any, list[tuple[int, Wait]]] = {}
        self._by_key: dict[Any, list[tuple[int, Wait]]] = {}
        for numbered in enumerate(waits):
            wait = numbered[1]
            for name in wait.names:
                self._by_name.setdefault((wait.root_id, name), []).append(numbered)
                self._by_key.setdefault((wait.root_id, name, wait.key), []).append(numbered)

    def for_event(self, event: Event) -> Iterator[Wait]:
        """The waits for an event's name and key, first opened first."""
        place = event.execution_id, event.name
        if not event.key:
            found = self._by_name.get(place, [])
        else:
            lists = (self._by_key.get((*place, key), []) for key in ("", event.key))
            found = list(merge(*lists, key=itemgetter(0)))
        return (wait for _, wait in found)


def _takes(wait: Wait, event: Event) -> bool:
    """Whether an unanswered wait for this name and key takes the event: in time, and no repeat."""
    if wait.status != WaitStatus.OPEN:
        return False
    if wait.kind == WaitKind.ALL and event.name in (wait.received or {}):
        return False
    return wait.deadline_at is None or event.created_at <= max(wait.deadline_at, wait.opened_at)


# -- answers: the answering transaction has already resolved the wait by compare-and-swap -------


_UNTOLD = Statement(
    lambda: Wait.objects.untold().values_list("execution_id", flat=True), limited=True
)
_TOLD = Statement(lambda ids: Wait.objects.tell(ids))


def wake_answered(limit: int = AT_ONCE) -> int:
    """Wake executions whose question is answered; return how many."""
    if not (untold := _UNTOLD(limit=limit)):
        return 0
    woken = _tell(untold)
    reach("deliver.after_commit")
    return woken


@in_transaction
def _tell(untold: list[UUID]) -> int:
    """Wake executions with an answered question; one that is just parking stays due for this."""
    told = _LOCKED(ids=untold)
    if told:
        wake(set(told))
        _TOLD(ids=told)
        reach("deliver.before_commit")
    return len(told)


_WAKE = Statement(lambda ids: Execution.objects.standing_by().filter(Among("id", ids)).due())


def wake(executions: set[UUID]) -> int:
    """Make parked executions ready; paused or blocked ones look at their wait when resumed."""
    if not executions:
        return 0
    woken: int = _WAKE(ids=list(executions))
    if woken:
        notify.hint()  # to the workers of all their queues, as only one worker delivered
    return woken
