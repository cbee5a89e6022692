"""Take due executions for a worker, and know when the next will be due."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, TextField
from django.db.models.expressions import ExpressionWrapper
from django.db.models.functions import Coalesce

from durable import clock
from durable.authoring import registry
from durable.engine.ends import tree_of
from durable.engine.ends.turns import Heir, batch_size, waiting_for_turn
from durable.engine.operators import queues
from durable.engine.row.position import Frames
from durable.models import Execution, Role, Wait
from durable.states import Status, WaitStatus
from durable.storage.failpoints import reach
from durable.storage.transaction import connection, in_transaction, lock

PROMOTED_AT_ONCE = 500
LOOK_AGAIN = timedelta(seconds=1)

#: where an execution stands that is undoing steps: this, then the id of the step run
ROLLBACK = "~"


@dataclass
class Claim:
    """An execution in a worker's hands: its position, and the fence that proves the claim.

    ``data`` is the text as stored; ``now()`` is the database's clock, carried on from the
    moment of the claim by this machine's monotonic clock.
    """

    execution_id: UUID
    root_id: UUID
    role: str
    parent_id: UUID | None
    parent_path: str
    parent_visit: int
    released: bool
    status: str
    workflow: str
    version: int
    kind: str
    queue: str
    home_queue: str
    rank: int
    fence: int
    worker: UUID
    path: str
    visit: int
    attempt: int
    attempt_floor: int
    recoveries: int
    journaled: bool
    data: str
    frames: Frames
    base: str | None
    element: str | None  # the item and its index, in a foreach
    deadline_at: datetime | None
    last_completed_at: datetime | None
    pause_requested: bool
    cancel_requested: bool
    claimed_at: datetime
    rest: Sequence[Claim] = ()  # more items of the same batch, which this slot runs after it
    heir: Heir | None = None  # the item of the batch that gets its turn
    _monotonic: float = field(default_factory=time.monotonic)

    def now(self) -> datetime:
        """The database's present, as far as this process can know it without asking."""
        frozen = clock.frozen_at()
        if frozen is not None:
            return frozen
        return self.claimed_at + timedelta(seconds=time.monotonic() - self._monotonic)

    @property
    def block(self) -> tuple[UUID, str, int] | None:
        """The visit of the block whose branch or item this is."""
        if self.parent_id is None or self.role not in (Role.BRANCH, Role.ITEM):
            return None
        return self.parent_id, self.parent_path, self.parent_visit

    @property
    def limit_at(self) -> datetime | None:
        """The workflow's deadline, which does not bound its rollback."""
        return None if self.rolls_back else self.deadline_at

    @property
    def rolls_back(self) -> bool:
        """Whether the claim stands in a rollback."""
        return self.path.startswith(ROLLBACK)

    def start_from(self, base: str) -> None:
        """An item begins with its block's data, which its row does not repeat."""
        if self.data is None:
            self.data = base
        for frame in self.frames.values():
            if "data" in frame and frame["data"] is None:
                frame["data"] = base

    def row(self) -> Any:
        """The claimed row at this position, or nothing: the start of every guarded write."""
        return Execution.objects.held_by(self.execution_id, self.fence).filter(
            path=self.path, visit=self.visit, attempt=self.attempt
        )


_COLUMNS = (
    "root_id",
    "role",
    "parent_id",
    "parent_path",
    "parent_visit",
    "released",
    "workflow",
    "version",
    "kind",
    "queue",
    "home_queue",
    "rank",
    "fence",
    "path",
    "visit",
    "attempt",
    "attempt_floor",
    "recoveries",
    "journaled",
    "deadline_at",
    "last_completed_at",
    "pause_requested",
    "cancel_requested_at",
)


@in_transaction
def claim_due(worker: UUID, queue: str, kinds: Iterable[str], limit: int) -> list[Claim]:
    """Claim up to ``limit`` ready executions of ``queue``: priority first, then due time.

    Waits whose deadline has passed get their outcome here, so that the step that is run next
    finds it.
    """
    limit = queues.room(queue, limit)
    if limit <= 0:
        return []
    ready = lock(Execution.objects.ready(queue, kinds), skip_locked=True)
    rows = list(_read(ready)[:limit])
    if not rows:
        return []
    parked = [row["id"] for row in rows if row["status"] != Status.PENDING]
    if parked and (answering := _expire(parked)):
        rows = [row for row in rows if row["id"] not in answering]
    ids = [row["id"] for row in rows]
    changes: dict[str, Any] = {
        "worker": worker,
        "fence": F("fence") + 1,
        "ready_at": None,
        "wake_at": None,
        "started_at": Coalesce("started_at", clock.now()),
    }
    rolling_back = [row["id"] for row in rows if row["status"] == Status.COMPENSATING]
    taken = Execution.objects.filter(pk__in=ids, ready_at__isnull=False).move(
        Status.RUNNING, **changes
    )
    if rolling_back:  # they stay in their status while a worker holds them
        taken += Execution.objects.filter(pk__in=rolling_back).update(**changes)
    if taken != len(ids):  # the rows are locked, or the whole database is: this can't be
        raise RuntimeError(f"claimed {taken} of {len(ids)} locked executions")
    claims = [_claim(row, worker) for row in rows]
    _fill_batches(claims)
    reach("claim.before_commit")
    return claims


def _read(rows: Any) -> Any:
    """What a claim needs to know of the rows."""
    return rows.annotate(
        stored=text_of("data"),
        own_base=text_of("base"),
        own_input=text_of("input"),
        present=clock.now(),
    ).values("id", "status", "stored", "own_base", "own_input", "frames", "present", *_COLUMNS)


def _fill_batches(claims: Sequence[Claim]) -> None:
    """Items of a block with a ``batch_size`` take others along that have not had their turn.

    One in whose step a worker has died is left alone, so that it is known what killed it.
    """
    blocks: dict[Any, list[Claim]] = {}
    for claim in claims:
        if claim.role == Role.ITEM and not claim.recoveries and claim.status == Status.RUNNING:
            blocks.setdefault((claim.block, claim.queue), []).append(claim)
    for (block, queue), heads in blocks.items():
        cls = registry.get(heads[0].workflow, heads[0].version)
        size = batch_size(cls.definition.tree.find(block[1]) if cls is not None else None)
        if size > 1:
            _take_along(block, queue, heads, size - 1)


def _take_along(block: Any, queue: str, heads: Sequence[Claim], each: int) -> None:
    waiting = waiting_for_turn(block).filter(recoveries=0, queue=queue)
    found = list(_read(lock(waiting, skip_locked=True))[: each * len(heads)])
    if not found:
        return
    worker = heads[0].worker
    Execution.objects.filter(pk__in=[row["id"] for row in found]).move(
        Status.RUNNING,
        worker=worker,
        fence=F("fence") + 1,
        started_at=Coalesce("started_at", clock.now()),
    )
    share = -(-len(found) // len(heads))
    for number, head in enumerate(heads):
        part = found[number * share : (number + 1) * share]
        head.rest = [_claim(row, worker) for row in part]


def stop_overdue_children(parents: list[UUID]) -> None:
    """A child whose parent waits no longer for it is cancelled."""
    overdue = Execution.objects.unfinished().filter(
        awaited_by__execution__in=parents, awaited_by__status=WaitStatus.TIMED_OUT
    )
    for child in overdue:
        tree_of.stop(child)


def text_of(column: str) -> Any:
    """A coded column as the text that is stored."""
    return ExpressionWrapper(F(column), output_field=TextField())


def _expire(parked: list[UUID]) -> set[UUID]:
    """Give waits whose deadline has passed their outcome; those that can't have it yet.

    A transaction that is not over may be answering such a wait. Nobody waits for it: its
    execution is looked at again a moment later.
    """
    due = Wait.objects.expired().filter(execution__in=parked)
    if Wait.objects.filter(
        pk__in=list(lock(due, skip_locked=True).values_list("pk", flat=True))
    ).expire():
        stop_overdue_children(parked)
    answering = set(due.values_list("execution_id", flat=True))
    if answering:
        Execution.objects.filter(pk__in=answering).update(
            ready_at=None, wake_at=clock.now() + LOOK_AGAIN
        )
    return answering


def _claim(row: dict[str, Any], worker: UUID) -> Claim:
    return Claim(
        execution_id=row["id"],
        worker=worker,
        data=row["stored"],
        frames=row["frames"] or {},
        base=row["own_base"],
        element=row["own_input"] if row["role"] in (Role.BRANCH, Role.ITEM) else None,
        status=Status.COMPENSATING if row["status"] == Status.COMPENSATING else Status.RUNNING,
        claimed_at=clock.parse(row["present"]),
        fence=row["fence"] + 1,
        cancel_requested=row["cancel_requested_at"] is not None,
        **{name: row[name] for name in _COLUMNS if name not in ("fence", "cancel_requested_at")},
    )


@in_transaction
def promote() -> int:
    """Make sleepers ready whose time has come (a start, a retry, a timer, a deadline)."""
    due = lock(Execution.objects.due(), skip_locked=True)
    ids = list(due.values_list("pk", flat=True)[:PROMOTED_AT_ONCE])
    if not ids:
        return 0
    return Execution.objects.filter(pk__in=ids).update(ready_at=F("wake_at"), wake_at=None)


@dataclass(frozen=True)
class Pulse:
    """What there is to do, seen in one statement."""

    now: datetime
    next_wake: datetime | None  # of the sleepers
    next_expiry: datetime | None  # of the workers' leases
    messages: bool  # events, keys or answers to deliver
    ready: bool  # something of the worker's own kinds and queues
    next_slot: datetime | None = None  # of the schedules whose workflows the worker knows
    queued: bool = False  # a slot whose turn has come
    next_notice: datetime | None = None  # to people who are asked

    @property
    def sleepers_due(self) -> bool:
        """Whether ``promote`` has something to do."""
        return self.next_wake is not None and self.next_wake <= self.now

    @property
    def workers_expired(self) -> bool:
        """Whether a worker's lease has run out."""
        return self.next_expiry is not None and self.next_expiry <= self.now

    @property
    def schedules_due(self) -> bool:
        """Whether a schedule is to be fired."""
        return self.queued or (self.next_slot is not None and self.next_slot <= self.now)

    @property
    def notices_due(self) -> bool:
        """Whether somebody is to be told that they are asked."""
        return self.next_notice is not None and self.next_notice <= self.now

    @property
    def idle(self) -> bool:
        """Whether nothing at all is to be done now, but for notices: a thread has those."""
        by_time = self.sleepers_due or self.workers_expired or self.schedules_due
        return not (by_time or self.messages or self.ready)

    def seconds_to_next(self) -> float | None:
        """Seconds until something falls due by time; ``None`` if nothing will."""
        moments = (self.next_wake, self.next_expiry, self.next_slot)
        times = [moment for moment in moments if moment is not None]
        if self.next_notice is not None and not self.notices_due:
            times.append(self.next_notice)
        return max(0.0, (min(times) - self.now).total_seconds()) if times else None


# Each question takes the first entry of its partial index. EXISTS would let PostgreSQL read whole
# tables after a burst, while its statistics say that such rows are everywhere.
_PULSE = """
SELECT {now},
  (SELECT min(wake_at) FROM durable_execution WHERE wake_at IS NOT NULL),
  (SELECT min(expires_at) FROM durable_worker WHERE stopped_at IS NULL),
  coalesce(
    (SELECT 1 FROM durable_event WHERE status = 'pending' ORDER BY created_at LIMIT 1),
    (SELECT 1 FROM durable_correlationkey WHERE fresh ORDER BY id LIMIT 1),
    (SELECT 1 FROM durable_wait WHERE NOT told ORDER BY resolved_at LIMIT 1),
    (SELECT 1 FROM durable_execution WHERE unreported ORDER BY parent_id LIMIT 1)),
  (SELECT 1 FROM durable_execution
   WHERE ready_at IS NOT NULL AND queue IN ({queues}) AND kind IN ({kinds})
     AND queue NOT IN (SELECT name FROM durable_queue WHERE paused)
   ORDER BY queue, rank, ready_at LIMIT 1),
  (SELECT min(next_run_at) FROM durable_schedule WHERE enabled AND workflow IN ({workflows})),
  EXISTS (SELECT 1 FROM durable_firing AS firing
          JOIN durable_schedule AS schedule ON schedule.id = firing.schedule_id
          LEFT JOIN durable_execution AS earlier ON earlier.id = firing.after_id
          WHERE firing.outcome = 'queued' AND schedule.enabled
            AND schedule.workflow IN ({workflows})
            AND (earlier.id IS NULL OR earlier.finished_at IS NOT NULL)),
  (SELECT min(notice_at) FROM durable_wait WHERE status = 'open' AND notice_at IS NOT NULL)
"""


def pulse(queues: Iterable[str], kinds: Iterable[str]) -> Pulse:
    """Look at everything that can make progress: one statement, index probes only."""
    conn = connection()
    now, params = clock.now_sql(conn)
    # an empty IN list is not SQL; nothing is called ""
    names, known = list(queues) or [""], list(kinds) or [""]
    workflows = sorted({kind.rpartition("@")[0] for kind in known})
    sql = _PULSE.format(
        now=now,
        queues=", ".join(["%s"] * len(names)),
        kinds=", ".join(["%s"] * len(known)),
        workflows=", ".join(["%s"] * len(workflows)),
    )
    with conn.cursor() as cursor:
        cursor.execute(sql, [*params, *names, *known, *workflows, *workflows])
        present, wake, expiry, messages, ready, slot, queued, notice = cursor.fetchone()
    return Pulse(
        now=clock.parse(present),
        next_wake=clock.parse(wake) if wake is not None else None,
        next_expiry=clock.parse(expiry) if expiry is not None else None,
        messages=bool(messages),
        ready=bool(ready),
        next_slot=clock.parse(slot) if slot is not None else None,
        queued=bool(queued),
        next_notice=clock.parse(notice) if notice is not None else None,
    )
