"""Fire schedules: start one execution per due slot, with any number of workers."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.db.models import F, Q

from durable import clock
from durable.authoring.calendar.cron import slots_after, zone_of
from durable.conf import database
from durable.engine.calendar.schedules import find, known_workflows
from durable.engine.start.start import StartOptions, start
from durable.models import CatchUp, Execution, Firing, Outcome, Overlap, Schedule, Worker
from durable.models.given import Among
from durable.models.schedule import ScheduleQuerySet
from durable.storage import audit, lookup
from durable.storage.failpoints import reach
from durable.storage.share import each
from durable.storage.statement import Statement
from durable.storage.transaction import in_callers_transaction, in_transaction, lock

logger = logging.getLogger("durable.schedules")

AT_ONCE = 100  # schedules per pass
SLOTS_AT_ONCE = 100  # starts in one transaction, if all missed slots are to run
GRACE = timedelta(seconds=60)  # a slot seen no later than this was not missed
LONGEST_PAUSE = timedelta(minutes=10)  # between the attempts of a schedule that can't start
RECENT = 20  # the last firings, searched for an unfinished execution

#: spans before the present, ever longer, in which to look for the last missed slot
SPANS = tuple(timedelta(days=days) for days in (1 / 24, 1, 8, 63, 732, 36_525))


def all_schedules() -> ScheduleQuerySet:
    """All schedules."""
    found: ScheduleQuerySet = Schedule.objects.all()
    return found


def fire_due(limit: int = AT_ONCE, rows: ScheduleQuerySet | None = None) -> int:
    """Fire the due schedules whose workflow this process knows; return how many slots that was."""
    mine = (all_schedules() if rows is None else rows).filter(workflow__in=known_workflows())
    due = mine.due().values_list("pk", flat=True)[:limit]
    fired = each(lambda pk: _fire(pk), due)
    queued = mine.queued().values_list("pk", flat=True)[:limit]
    fired += each(lambda pk: _start_queued(pk), queued)
    if fired:
        reach("fire.after_commit")
    return fired


_DUE_FOR_OTHERS = Statement(
    lambda known: (
        Schedule.objects.due().filter(~Q(Among("workflow", known))).values_list("pk", flat=True)
    ),
    limited=True,
)


def fail_orphans(limit: int = AT_ONCE, rows: ScheduleQuerySet | None = None) -> int:
    """Fire due schedules whose workflow no live worker knows: they fail, are counted and shown."""
    known = known_workflows()
    if not _DUE_FOR_OTHERS(known=known, limit=1):
        return 0
    others = (all_schedules() if rows is None else rows).due().exclude(workflow__in=known)
    alive = {kind.rpartition("@")[0] for kind in Worker.objects.kinds()}
    orphans = others.exclude(workflow__in=alive)
    return each(lambda pk: _fire(pk), orphans.values_list("pk", flat=True)[:limit])


@in_transaction
def _fire(pk: UUID) -> int:
    """Handle the passed slots of one schedule: start them and advance, in one commit.

    0 if another process has the schedule locked.
    """
    due = lock(Schedule.objects.due().filter(pk=pk), skip_locked=True)
    schedule: Schedule | None = due.annotate(present=clock.now()).first()
    if schedule is None or schedule.next_run_at is None:
        return 0
    present = clock.parse(schedule.present)  # type: ignore[attr-defined]
    try:
        slots, missed = _passed(schedule, schedule.next_run_at, present)
        following = _following(schedule, (slots + missed)[-1])
    except (ValueError, OSError, KeyError) as error:  # a row not written by this code
        _count_failure(schedule, error, None)
        return 1
    known = set(schedule.firings.filter(slot__in=slots + missed).values_list("slot", flat=True))
    for slot in missed:
        if slot not in known:
            _record(schedule, slot, Outcome.MISSED)
    Schedule.objects.filter(pk=pk).update(next_run_at=following)
    for slot in slots:
        if slot not in known and not _fire_slot(schedule, slot, present):
            break  # the others would fail too
    reach("fire.before_commit")
    return len(slots) + len(missed)


def _passed(
    schedule: Schedule, first: datetime, present: datetime
) -> tuple[list[datetime], list[datetime]]:
    """The slots to run and the slots to record as missed, from ``first`` to the present."""
    if schedule.catch_up == CatchUp.ALL:
        upcoming = _slots(schedule, first - timedelta(microseconds=1))
        passed = takewhile(lambda slot: slot <= present, upcoming)
        return list(islice(passed, SLOTS_AT_ONCE)) or [first], []
    last = _last_slot(schedule, first, present)
    if schedule.catch_up == CatchUp.NONE and present - last > GRACE:
        return [], [last]
    return [last], []


def _last_slot(schedule: Schedule, first: datetime, present: datetime) -> datetime:
    """The last passed slot, found without reading all slots of a long downtime."""
    for span in SPANS:
        begin = max(present - span, first) - timedelta(microseconds=1)
        last: datetime | None = None
        for slot in takewhile(lambda slot: slot <= present, _slots(schedule, begin)):
            last = slot
        if last is not None:
            return last
        if begin < first:
            break
    return first


def _slots(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    return slots_after(schedule.cron, zone_of(schedule.timezone), after)


def _following(schedule: Schedule, last: datetime) -> datetime | None:
    found: datetime | None = next(_slots(schedule, last), None)
    return found


def _fire_slot(schedule: Schedule, slot: datetime, present: datetime) -> bool:
    """Start, queue or skip one slot; False if the start failed."""
    if schedule.overlap != Overlap.ALLOW:
        unfinished = _unfinished(schedule)
        if schedule.overlap == Overlap.SKIP and unfinished is not None:
            _record(schedule, slot, Outcome.SKIPPED)
            return True
        waiting = schedule.overlap == Overlap.QUEUE and schedule.firings.queued().exists()
        if unfinished is not None or waiting:
            _record(schedule, slot, Outcome.QUEUED, after=unfinished)
            return True
    execution = _start(schedule, slot, present)
    outcome = Outcome.FAILED if execution is None else Outcome.STARTED
    _record(schedule, slot, outcome, execution=execution)
    return execution is not None


def _unfinished(schedule: Schedule) -> Execution | None:
    """An unfinished execution of this schedule, to which a firing may refer."""
    recent = schedule.firings.filter(execution__isnull=False).order_by("-slot")
    ids = list(recent.values_list("execution", flat=True)[:RECENT])
    alive = Execution.objects.unfinished().filter(pk__in=ids).order_by("-created_at").first()
    return alive if alive is not None and lookup.kept([alive.pk]) else None


def _record(schedule: Schedule, slot: datetime, outcome: Outcome, **links: Any) -> None:
    Firing.objects.create(
        schedule=schedule, slot=slot, outcome=outcome, fired_at=clock.now(), **links
    )


def _start(schedule: Schedule, slot: datetime, present: datetime) -> Execution | None:
    """Start a slot's execution, at the slot's time plus its share of the jitter.

    If it can't be started, count that as a failure of the schedule; ``None`` then.
    """
    planned = slot + share_of_jitter(schedule, slot)
    options = StartOptions(
        scheduled_at=planned if planned > present else None,
        tags=schedule.tags,
        scope=schedule.scope,
    )
    try:
        execution = start(schedule.workflow, schedule.input, options)
    except (OperationalError, InterfaceError):
        raise  # the database, not the schedule: the slot stays due
    except Exception as error:
        _count_failure(schedule, error, present)
        return None
    Execution.objects.filter(pk=execution.pk).update(scheduled_at=planned)
    Schedule.objects.filter(pk=schedule.pk).update(last_run_at=slot, failures=0, last_error="")
    return execution


def share_of_jitter(schedule: Schedule, slot: datetime) -> timedelta:
    """The delay of a slot's execution within the jitter: the same on every worker."""
    if not schedule.jitter:
        return timedelta(0)
    digest = hashlib.sha256(f"{schedule.name}/{slot.isoformat()}".encode()).digest()
    return schedule.jitter * (int.from_bytes(digest[:6], "big") / 2**48)


def _count_failure(schedule: Schedule, error: Exception, present: datetime | None) -> None:
    """Record a failed start, and move on to a later slot: the pause doubles each time.

    ``present`` is ``None`` if the schedule's slots can't be computed: it rests until it is changed.
    """
    logger.warning(
        "the schedule %s could not start %s: %s", schedule.name, schedule.workflow, error
    )
    changes: dict[str, Any] = {
        "failures": F("failures") + 1,
        "last_error": f"{type(error).__name__}: {error}"[:2000],
    }
    if present is None:
        changes["next_run_at"] = None
    else:
        pause = min(timedelta(minutes=1) * 2 ** min(schedule.failures, 10), LONGEST_PAUSE)
        rest = pause if schedule.failures else timedelta(0)
        changes["next_run_at"] = _following(schedule, present + rest)
    Schedule.objects.filter(pk=schedule.pk).update(**changes)


# -- slots in a queue --------------------------------------------------------------------------


@in_transaction
def _start_queued(pk: UUID) -> int:
    """Start the first queued slot, if no execution of the schedule is unfinished.

    The slots queued after it then wait for its execution.
    """
    row = lock(Schedule.objects.filter(pk=pk, enabled=True), skip_locked=True)
    schedule: Schedule | None = row.annotate(present=clock.now()).first()
    if schedule is None:
        return 0
    head: Firing | None = schedule.firings.queued().first()
    if head is None:
        return 0
    execution = _unfinished(schedule)
    if execution is None:
        present = clock.parse(schedule.present)  # type: ignore[attr-defined]
        execution = _start(schedule, head.slot, present)
        outcome = Outcome.FAILED if execution is None else Outcome.STARTED
        Firing.objects.filter(pk=head.pk, outcome=Outcome.QUEUED).update(
            outcome=outcome, execution=execution, after=None, fired_at=clock.now()
        )
    schedule.firings.queued().update(after=execution)
    reach("fire.before_commit")
    return 1


# -- by hand -----------------------------------------------------------------------------------


@in_callers_transaction
def trigger(
    name: str, *, by: Any, tags: Mapping[str, Any] | None = None, scope: str = ""
) -> Execution:
    """Start an execution of a schedule now, regardless of its slots, overlap and ``enabled``.

    It gets the schedule's tags and ``tags``, and the schedule's scope or else ``scope``. Its firing
    is recorded at an instant that is never a slot's.
    """
    schedule = find(name, lock(Schedule.objects.all()))
    options = StartOptions(
        noted=True, tags={**(tags or {}), **schedule.tags}, scope=schedule.scope or scope
    )
    execution = start(schedule.workflow, schedule.input, options)
    at = clock.read(database())
    at += timedelta(microseconds=not at.microsecond)
    while schedule.firings.filter(slot=at).exists():
        at += timedelta(microseconds=1)
    _record(schedule, at, Outcome.STARTED, execution=execution)
    Schedule.objects.filter(pk=schedule.pk).update(last_run_at=at, failures=0, last_error="")
    audit.record(
        "trigger_schedule", by=by, execution=execution.pk, target=name, after=schedule.input
    )
    return execution
