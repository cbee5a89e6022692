"""All due work, listed once: whoever runs executions does it by this list, and by nothing else.

To add a duty, write its function and add an entry to ``duties_of``; a duty that is due by the
state of a row also gets a column in the pulse. Workers, the testing kit and the doctor follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from durable.authoring import registry
from durable.engine import deliver
from durable.engine.calendar import deployed, fire
from durable.engine.duties import workers
from durable.engine.duties.pulse import Pulse
from durable.engine.parts import report
from durable.engine.run import claim
from durable.models import Event, Execution, Wait
from durable.models.schedule import ScheduleQuerySet
from durable.people import notices

ONCE = timedelta.max  # as ``Duty.every``: at the first look of a process only
UPKEEP = timedelta(seconds=5)
SELDOM = timedelta(seconds=30)

Expired = Sequence[tuple[UUID, Any]]  # workers whose lease has run out, with their last heartbeat


@dataclass(frozen=True)
class Late:
    """Rows that nobody has dealt with although a duty is due: evidence for the doctor."""

    code: str  # of the finding
    one: str  # a row that is late, in words: ``event undelivered``
    many: str
    rows: Callable[[], Any]  # the query set of all that is due
    since: str  # the column that says since when


@dataclass(frozen=True)
class Duty:
    """A kind of due work: when it is due, and how a bounded portion of it is done."""

    name: str
    do: Callable[[int], int]  # takes the limit of a portion, returns how much was done
    at_once: int  # the limit that a runner passes: rows, keys, parents, workers or schedules
    due: Callable[[Pulse], bool] = lambda seen: False
    every: timedelta | None = None  # due by the clock, too: at least so often
    own_thread: bool = False  # may be slow (mail): a worker does it beside everything else
    late: tuple[Late, ...] = ()


SLEEPERS = Late(
    "sleepers-overdue",
    "sleeper should have been woken",
    "sleepers should have been woken",
    lambda: Execution.objects.filter(wake_at__isnull=False),
    "wake_at",
)
EVENTS = Late(
    "undelivered",
    "event undelivered",
    "events undelivered",
    lambda: Event.objects.pending(),
    "created_at",
)
ANSWERS = Late(
    "undelivered",
    "answer undelivered",
    "answers undelivered",
    lambda: Wait.objects.filter(told=False),
    "resolved_at",
)
ENDS_OF_PARTS = Late(
    "undelivered",
    "end of a part undelivered",
    "ends of parts undelivered",
    lambda: Execution.objects.unreported(),
    "finished_at",
)


def all_dead(expired: Expired) -> Iterable[UUID]:
    """A worker is dead as soon as its lease has run out."""
    return [worker for worker, _ in expired]


def duties_of(
    *,
    kinds: Callable[[], Iterable[str]] = registry.kinds,
    dead: Callable[[Expired], Iterable[UUID]] = all_dead,
    schedules: Callable[[], ScheduleQuerySet] = fire.all_schedules,
) -> tuple[Duty, ...]:
    """The duties of one process, in the order in which they are done.

    ``kinds`` are the workflows and versions that this process can run, ``dead`` picks, among
    workers whose lease has run out, those that count as dead; ``schedules`` are those that fire.
    """
    return (
        Duty(
            "tell",
            lambda limit: notices.tell_due(limit),
            at_once=10,
            due=lambda seen: seen.notices_due,
            own_thread=True,
        ),
        Duty(
            "declare",
            lambda limit: deployed.register_declared(),
            at_once=1_000_000,  # all that the classes of this process declare, in one transaction
            every=ONCE,
        ),
        Duty(
            "promote",
            lambda limit: claim.promote(limit),
            at_once=500,
            due=lambda seen: seen.sleepers_due,
            late=(SLEEPERS,),
        ),
        Duty(
            "fire",
            lambda limit: fire.fire_due(limit, schedules()),
            at_once=100,
            due=lambda seen: seen.schedules_due,
        ),
        Duty(
            "bury",
            lambda limit: workers.bury_all(dead(workers.expired(limit))),
            at_once=100,
            due=lambda seen: seen.workers_expired,
        ),
        Duty(
            "deliver",
            lambda limit: deliver.deliver_due(limit),
            at_once=100,
            due=lambda seen: seen.messages,
            late=(EVENTS, ANSWERS),
        ),
        Duty(
            "report",
            lambda limit: report.report_due(limit),
            at_once=100,
            due=lambda seen: seen.messages,
            late=(ENDS_OF_PARTS,),
        ),
        Duty(
            "block",
            lambda limit: workers.block_orphans(kinds(), limit),
            at_once=500,
            every=UPKEEP,
        ),
        Duty("free", lambda limit: workers.free_strays(limit), at_once=100, every=UPKEEP),
        Duty(
            "miss", lambda limit: fire.fail_orphans(limit, schedules()), at_once=100, every=SELDOM
        ),
    )
