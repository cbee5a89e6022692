"""The pulse: one statement that tells what is due now, and when the next work falls due."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from durable import clock
from durable.models.given import AMONG, bound
from durable.storage.transaction import connection


@dataclass(frozen=True)
class Pulse:
    """The due work and the next due times, read in one statement."""

    now: datetime
    next_wake: datetime | None  # of the sleepers
    next_expiry: datetime | None  # of the workers' leases
    next_slot: datetime | None  # of the schedules whose workflows the worker knows
    next_notice: datetime | None  # to people with an open question
    messages: bool  # events to deliver, or keys that events may wait for
    answers: bool  # executions to wake, whose question is answered
    ends: bool  # parents to tell what has ended below them
    ready: bool  # executions of the worker's own kinds and queues
    queued: bool  # a queued slot that can start now

    def has_come(self, moment: datetime | None) -> bool:
        """Whether the time ``moment`` has come; False for ``None``."""
        return moment is not None and moment <= self.now

    def seconds_to_next(self) -> float | None:
        """Seconds until the next due time; ``None`` if there is none."""
        moments = (self.next_wake, self.next_expiry, self.next_slot)
        times = [moment for moment in moments if moment is not None]
        if self.next_notice is not None and not self.has_come(self.next_notice):
            times.append(self.next_notice)
        return max(0.0, (min(times) - self.now).total_seconds()) if times else None


# Each question takes the first entry of its partial index. EXISTS would let PostgreSQL read whole
# tables after a burst, while its statistics say that such rows are everywhere.
_PULSE = """
SELECT {now},
  (SELECT min(wake_at) FROM durable_execution WHERE wake_at IS NOT NULL),
  (SELECT min(expires_at) FROM durable_worker WHERE stopped_at IS NULL),
  (SELECT min(next_run_at) FROM durable_schedule WHERE enabled AND workflow {among}),
  (SELECT min(notice_at) FROM durable_wait WHERE status = 'open' AND notice_at IS NOT NULL),
  coalesce(
    (SELECT 1 FROM durable_event WHERE status = 'pending' ORDER BY created_at LIMIT 1),
    (SELECT 1 FROM durable_correlationkey WHERE fresh ORDER BY id LIMIT 1)),
  (SELECT 1 FROM durable_wait WHERE NOT told ORDER BY resolved_at LIMIT 1),
  (SELECT 1 FROM durable_execution WHERE unreported ORDER BY parent_id LIMIT 1),
  (SELECT 1 FROM durable_execution
   WHERE ready_at IS NOT NULL AND {queues} AND kind {among}
     AND queue NOT IN (SELECT name FROM durable_queue WHERE paused)
   ORDER BY queue, rank, ready_at LIMIT 1),
  EXISTS (SELECT 1 FROM durable_firing AS firing
          JOIN durable_schedule AS schedule ON schedule.id = firing.schedule_id
          LEFT JOIN durable_execution AS earlier ON earlier.id = firing.after_id
          WHERE firing.outcome = 'queued' AND schedule.enabled
            AND schedule.workflow {among}
            AND (earlier.id IS NULL OR earlier.finished_at IS NOT NULL))
"""


def pulse(queues: Iterable[str] | None, kinds: Iterable[str]) -> Pulse:
    """Read all that can make progress: one statement with index probes only.

    ``queues`` are those of the worker; ``None``: all.
    """
    conn = connection()
    now, params = clock.now_sql(conn)
    among = AMONG[conn.vendor]
    sql = _PULSE.format(now=now, among=among, queues="TRUE" if queues is None else f"queue {among}")
    known = list(kinds)
    workflows = bound(sorted({kind.rpartition("@")[0] for kind in known}), conn)
    names = [] if queues is None else [bound([*queues], conn)]
    with conn.cursor() as cursor:
        cursor.execute(sql, [*params, workflows, *names, bound(known, conn), workflows])
        found = cursor.fetchone()
    present, wake, expiry, slot, notice = (
        None if at is None else clock.parse(at) for at in found[:5]
    )
    assert present is not None
    return Pulse(present, wake, expiry, slot, notice, *map(bool, found[5:]))
