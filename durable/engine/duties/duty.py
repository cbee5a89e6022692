"""The list of all due work (duties): workers, testing kit and doctor do exactly this list.

To add a duty, write its function and add an entry to ``duties_of``; a duty that is due by the
state of a row also gets a column in the pulse, and a line in the doctor's ``LATE``. Workers, the
testing kit and the doctor follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from durable.authoring.parse import registry
from durable.engine import deliver
from durable.engine.calendar import deployed, fire
from durable.engine.duties import workers
from durable.engine.duties.pulse import Pulse
from durable.engine.operators import sweep
from durable.engine.parts import report
from durable.engine.run import claim
from durable.models.schedule import ScheduleQuerySet
from durable.people import notices

ONCE = timedelta.max  # as ``Duty.every``: once per process, at its first pass
UPKEEP = timedelta(seconds=5)
SELDOM = timedelta(seconds=30)
HOURLY = timedelta(hours=1)

Expired = Sequence[tuple[UUID, Any]]  # workers whose lease has run out, with their last heartbeat


@dataclass(frozen=True)
class Duty:
    """A kind of due work: the test for being due, and the function for one portion."""

    name: str
    do: Callable[[int], int]  # takes the limit of a portion, returns how much was done
    at_once: int  # the limit that a runner passes: rows, keys, parents, workers or schedules
    due: Callable[[Pulse], bool] = lambda seen: False
    every: timedelta | None = None  # due by the clock, too: at least so often
    own_thread: bool = False  # may be slow (mail): a worker does it in a thread of its own


def all_dead(expired: Expired) -> Iterable[UUID]:
    """Count every worker with an expired lease as dead."""
    return [worker for worker, _ in expired]


def duties_of(
    *,
    kinds: Callable[[], Iterable[str]] = registry.kinds,
    dead: Callable[[Expired], Iterable[UUID]] = all_dead,
    schedules: Callable[[], ScheduleQuerySet] = fire.all_schedules,
    declare: Callable[[], int] = lambda: deployed.register_declared(),
) -> tuple[Duty, ...]:
    """The duties of one process, in the order in which they are done.

    ``kinds`` are the workflow versions that this process can run; ``dead`` picks the dead among
    the workers with an expired lease; ``schedules`` are the schedules to fire; ``declare``
    registers the declared ones.
    """
    everything = 1_000_000  # all declared schedules in one transaction
    return (
        Duty(
            "tell",
            lambda n: notices.tell_due(n),
            10,
            lambda seen: seen.has_come(seen.next_notice),
            own_thread=True,
        ),
        Duty("declare", lambda n: declare(), everything, every=ONCE),
        Duty(
            "promote",
            lambda n: claim.promote(n),
            claim.PROMOTED_AT_ONCE,
            lambda seen: seen.has_come(seen.next_wake),
        ),
        Duty(
            "fire",
            lambda n: fire.fire_due(n, schedules()),
            100,
            lambda seen: seen.queued or seen.has_come(seen.next_slot),
        ),
        Duty(
            "bury",
            lambda n: workers.bury_all(dead(workers.expired(n))),
            100,
            lambda seen: seen.has_come(seen.next_expiry),
        ),
        Duty("deliver", lambda n: deliver.deliver_due(n), 100, lambda seen: seen.messages),
        Duty("answer", lambda n: deliver.wake_answered(n), 100, lambda seen: seen.answers),
        Duty("report", lambda n: report.report_due(n), 100, lambda seen: seen.ends),
        Duty("block", lambda n: workers.block_orphans(kinds(), n), 500, every=UPKEEP),
        Duty("free", lambda n: workers.free_strays(n), 100, every=UPKEEP),
        Duty("miss", lambda n: fire.fail_orphans(n, schedules()), 100, every=SELDOM),
        Duty("expire", lambda n: sweep.expire_events(n), 500, every=HOURLY),
    )
