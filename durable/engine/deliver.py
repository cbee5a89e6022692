"""Deliver events: from mailboxes to inboxes, from inboxes to waits; wake answered executions.

Workers do this as due work: senders only insert, so their transactions hold no engine lock.
"""

from __future__ import annotations

import sys
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef

from durable import codec
from durable.engine.start.triggers import start_triggered
from durable.models import CorrelationKey, Event, Execution, Mailbox, Wait
from durable.models.fields import Stored
from durable.models.given import Among
from durable.states import UNFINISHED, EventStatus, WaitKind, WaitStatus
from durable.storage import lookup, notify
from durable.storage.failpoints import reach
from durable.storage.share import each
from durable.storage.statement import Statement
from durable.storage.transaction import in_transaction, lock

AT_ONCE = 100
KEYS_AT_ONCE = 1000  # keys without waiting events
COPIES_AT_ONCE = 5000  # copies of one key's events, over all its carriers' inboxes
EVENTS_AT_ONCE = 500  # events of one key or inbox in one transaction; the others stay due

EVENT_KINDS = [kind for kind in WaitKind if kind.takes_events]


def deliver_due(limit: int = AT_ONCE) -> int:
    """Deliver a bounded share of the due events and answers; return how many were looked at.

    Keys without waiting events cost two statements, however many there are.
    """
    delivered = _keyed(limit) + _inboxes(limit) + _answers(limit)
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


_RECEIVERS = Statement(
    lambda: (
        Event.objects.pending()
        .filter(execution__isnull=False)
        .order_by("created_at")
        .values_list("execution_id", flat=True)
    ),
    limited=True,
)
_ROOT = Statement(
    lambda root: lock(Execution.objects.filter(pk=root), skip_locked=True).values_list("pk")
)
_EVENT_WAITS = Statement(
    lambda root: Wait.objects.open().filter(root_id=root, kind__in=EVENT_KINDS).visible()
)
_RECEIVED = Statement(
    lambda root: Event.objects.filter(execution=root).pending().in_order(), limited=True
)


def _inboxes(limit: int) -> int:
    return each(lambda root: empty_inbox(root), dict.fromkeys(_RECEIVERS(limit=limit)))


@in_transaction
def empty_inbox(root_id: UUID) -> int:
    """Give an execution's pending events, in order, to the open waits of its tree.

    0 if another transaction has the root locked; the events stay due.
    """
    if not _ROOT(root=root_id):
        return 0
    waits = _EVENT_WAITS(root=root_id)
    events = _RECEIVED(root=root_id, limit=EVENTS_AT_ONCE)
    left: list[UUID] = []
    woken: set[UUID] = set()
    for event in events:
        for wait in waits:
            if _takes(wait, event) and _give(event, wait):
                if wait.status != WaitStatus.OPEN:
                    waits.remove(wait)
                    woken.add(wait.execution_id)
                break
        else:
            left.append(event.pk)
    if left:
        Event.objects.filter(pk__in=left).keep()
    wake(woken)
    reach("deliver.before_commit")
    return len(events)


def take_from_inbox(wait: Wait) -> bool:
    """Give a newly opened wait the events of the inbox; True if they answer it.

    The caller holds the root's lock.
    """
    while (event := _first_for(wait)) is not None and _give(event, wait):
        if wait.status != WaitStatus.OPEN:
            return True
    return False


def _first_for(wait: Wait) -> Event | None:
    """The first inbox event that the wait takes; the rest of the inbox is not read."""
    names = set(wait.names) - set((wait.received or {}) if wait.kind == WaitKind.ALL else ())
    events = Event.objects.inbox(wait.root_id).filter(name__in=names)
    if wait.key:
        events = events.filter(key__in=("", wait.key))
    if wait.deadline_at is not None:
        events = events.filter(created_at__lte=max(wait.deadline_at, wait.opened_at))
    return events.first()


def _takes(wait: Wait, event: Event) -> bool:
    """Whether an open wait takes this event: its name, key and time fit, and it is not a repeat."""
    if event.name not in wait.names:
        return False
    if wait.key and event.key and wait.key != event.key:
        return False
    if wait.kind == WaitKind.ALL and event.name in (wait.received or {}):
        return False
    return wait.deadline_at is None or event.created_at <= max(wait.deadline_at, wait.opened_at)


_ANSWER = Statement(
    lambda wait, answer: Wait.objects.filter(pk=wait).resolve(WaitStatus.ANSWERED, answer=answer)
)
_CONSUME = Statement(lambda event, wait: Event.objects.filter(pk=event).consume(wait))


def _give(event: Event, wait: Wait) -> bool:
    """Let ``wait`` consume ``event``; False if the wait was resolved meanwhile."""
    if wait.kind == WaitKind.ALL:
        wait.received = received = {**(wait.received or {}), event.name: event.payload}
        if not set(wait.names) <= set(received):
            taken = Wait.objects.filter(pk=wait.pk).open().update(received=_stored(received))
            return bool(taken and _CONSUME(event=event.pk, wait=wait.pk))
        answer: Any = {name: received[name] for name in wait.names}
        answered = Wait.objects.filter(pk=wait.pk).resolve(
            WaitStatus.ANSWERED, received=_stored(received), answer=_stored(answer)
        )
    else:
        answer = event.payload if wait.kind == WaitKind.EVENT else (event.name, event.payload)
        answered = _ANSWER(wait=wait.pk, answer=_stored(answer))
    if not answered:
        return False
    wait.status = WaitStatus.ANSWERED
    return bool(_CONSUME(event=event.pk, wait=wait.pk))


def _stored(value: Any) -> Stored:
    """Payloads as stored text, without a size limit: each was checked when it was sent."""
    return Stored(codec.dumps(value, limit=sys.maxsize))


# -- answers: the answering transaction has already resolved the wait by compare-and-swap -------


_UNTOLD = Statement(
    lambda: Wait.objects.untold().values_list("execution_id", flat=True), limited=True
)


def _answers(limit: int) -> int:
    return _tell(untold) if (untold := _UNTOLD(limit=limit)) else 0


@in_transaction
def _tell(untold: list[UUID]) -> int:
    """Wake executions with an answered question; one that is just parking stays due for this."""
    rows = lock(Execution.objects.filter(pk__in=untold), skip_locked=True)
    told = list(rows.order_by("pk").values_list("pk", flat=True))
    if told:
        wake(set(told))
        Wait.objects.tell(told)
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
