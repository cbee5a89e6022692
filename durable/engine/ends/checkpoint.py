"""Write checkpoints: results and next positions, many in one commit, each under its own fence.

Two statements for any number of checkpoints: one UPDATE that joins on the fence and returns
the rows it accepted, one INSERT of the attempts' records for those rows. A row that lost its
fence is not returned; the others are committed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Self
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper

from durable.engine.ends.finish import finish_completed
from durable.engine.ends.turns import Block, hand_on
from durable.engine.row.held import Claim, Heir, Identity, next_completed_at
from durable.engine.row.position import Position, encode
from durable.models import Execution, Role
from durable.models.fields import uuid7
from durable.states import StepStatus
from durable.storage.failpoints import reach
from durable.storage.rowset import Rowset
from durable.storage.transaction import connection, in_transaction, lock


@dataclass(frozen=True)
class Attempt:
    """The record of one attempt, as the history shows it."""

    execution_id: UUID
    path: str
    visit: int
    attempt: int
    status: StepStatus
    started_at: datetime
    ended_at: datetime | None
    worker: UUID
    input: str | None = None  # texts as the codec has written them
    output: str | None = None
    error: str | None = None
    logs: str = ""
    compensation: bool = False
    recoveries: int = 0
    id: UUID = field(default_factory=uuid7)

    @classmethod
    def of(cls, claim: Claim, identity: Identity, status: StepStatus, **rest: Any) -> Self:
        """The record of an attempt at the claim's position."""
        return cls(
            execution_id=identity.execution_id,
            path=identity.path,
            visit=identity.visit,
            compensation=identity.compensation,
            attempt=claim.at.attempt,
            recoveries=claim.at.recoveries,
            worker=claim.worker,
            status=status,
            **rest,
        )


@dataclass(frozen=True)
class Checkpoint:
    """A step's result and the next position (``to.path`` is empty at the end)."""

    execution_id: UUID
    fence: int
    data: str | None
    # the position before: the UPDATE requires it, since an unanswered commit may still arrive
    # while its repetition runs, and a step must count once
    was: Position
    to: Position
    at: datetime
    attempt: Attempt | None  # None: only the position moves (the choice of a branch)
    journaled: bool = False  # the visit that ends had waits or records
    extras: Sequence[Callable[[], object]] = field(default_factory=tuple)
    outcome: str | None = None
    root_id: UUID | None = None
    role: str = Role.ROOT
    block: Block | None = None  # the block of which it is a branch or item
    released: bool = True  # whether an item has a turn to hand on
    heir: Heir | None = None  # the item of the same batch that gets the turn

    @classmethod
    def of(cls, claim: Claim, data: str | None, to: Position, **rest: Any) -> Self:
        """The checkpoint that moves a claim to the position ``to``."""
        return cls(
            execution_id=claim.execution_id,
            fence=claim.fence,
            data=data,
            to=to,
            was=claim.at,
            at=next_completed_at(claim),
            attempt=None,
            journaled=claim.at.journaled,
            root_id=claim.root_id,
            role=claim.role,
            **rest,
        )

    @property
    def finishes(self) -> bool:
        """Whether this is the checkpoint of the last step."""
        return not self.to.path

    @cached_property
    def frames(self) -> str | None:
        """The frames of the next position as stored text."""
        return encode(self.to.frames)

    @property
    def size(self) -> int:
        """The approximate number of characters written for this checkpoint."""
        texts = [self.data, self.outcome, self.frames]
        if (attempt := self.attempt) is not None:
            texts += [attempt.input, attempt.output, attempt.error, attempt.logs]
        return sum(len(text) for text in texts if text)


@dataclass(frozen=True)
class Accepted:
    """The requests found in the row when it accepted the checkpoint."""

    pause_requested: bool
    cancel_requested: bool
    unfinished: bool = False  # the last step is taken, but an awaited child is not finished

    @property
    def may_end(self) -> bool:
        """Whether the execution ends with its last step."""
        return not (self.cancel_requested or self.unfinished)


#: characters after which a commit is full: larger ones only take memory
ENOUGH = 4 << 20

_POSITIONS = Rowset(
    execution_id="uuid",
    fence="bigint",
    data="text",
    path="text to.path",
    visit="integer to.visit",
    frames="text",
    outcome="text",
    at="timestamptz",
    from_path="text was.path",
    from_visit="integer was.visit",
)

_UPDATE = """
WITH v AS ({rows}){unlocked}
UPDATE durable_execution
SET data = v.data, path = v.path, visit = v.visit, attempt = 1, attempt_floor = 0,
    recoveries = 0, journaled = {false}, frames = v.frames, outcome = v.outcome,
    last_completed_at = v.at
FROM {source}
WHERE durable_execution.id = v.execution_id AND durable_execution.fence = v.fence
  AND durable_execution.status IN ('running', 'compensating')
  AND durable_execution.path = v.from_path AND durable_execution.visit = v.from_visit
RETURNING durable_execution.id, pause_requested, cancel_requested_at,
  CASE WHEN durable_execution.path = '' THEN (
    SELECT 1 FROM durable_execution AS child
    WHERE child.parent_id = durable_execution.id AND child.awaited AND child.finished_at IS NULL
    ORDER BY child.parent_path, child.parent_visit LIMIT 1
  ) IS NOT NULL ELSE {false} END
"""

# A table by itself: as a condition of the UPDATE it would be asked once for each of its rows.
_UNLOCKED = """, unlocked AS MATERIALIZED (
  SELECT id FROM durable_execution WHERE id = ANY(ARRAY(SELECT execution_id FROM v))
  FOR NO KEY UPDATE SKIP LOCKED)"""

_ATTEMPTS = Rowset(
    id="uuid",
    execution_id="uuid",
    path="text",
    visit="integer",
    attempt="integer",
    compensation="boolean",
    status="text",
    input="text",
    output="text",
    error="text",
    logs="text",
    recoveries="integer",
    started_at="timestamptz",
    ended_at="timestamptz",
    worker="uuid",
)

_INSERT = """
WITH v AS ({rows})
INSERT INTO durable_steprun ({columns}) SELECT {columns} FROM v WHERE true
ON CONFLICT (execution_id, path, visit, attempt, compensation) DO UPDATE
SET status = excluded.status, output = excluded.output, error = excluded.error,
    logs = durable_steprun.logs || excluded.logs, ended_at = excluded.ended_at,
    recoveries = excluded.recoveries, worker = excluded.worker
"""


@in_transaction
def write(batch: Sequence[Checkpoint], *, skip_locked: bool = False) -> dict[UUID, Accepted]:
    """Write the checkpoints of ``batch`` (one per execution) that still hold their fence.

    Returns the accepted ones. With ``skip_locked`` a row locked by another transaction is left out
    rather than waited for (PostgreSQL); it looks the same as a lost fence, so write each missing
    checkpoint once more alone.
    """
    batch = _with_their_roots(batch, skip_locked)
    accepted = _advance(connection(), batch, skip_locked)
    taken = [checkpoint for checkpoint in batch if checkpoint.execution_id in accepted]
    write_attempts([c.attempt for c in taken if c.attempt is not None])
    finished = [c for c in taken if c.finishes and accepted[c.execution_id].may_end]
    if finished:
        finish_completed([(c.execution_id, c.journaled) for c in finished])
        _hand_on([c for c in finished if c.role == Role.ITEM and c.block and c.released], accepted)
    for checkpoint in taken:
        for extra in checkpoint.extras:
            extra()
    if taken:
        reach("finish.before_commit" if finished else "checkpoint.before_commit")
    return accepted


def _with_their_roots(batch: Sequence[Checkpoint], skip_locked: bool) -> Sequence[Checkpoint]:
    """Lock the roots that branches and items write to; leave out checkpoints without their lock.

    Without ``skip_locked`` every root is waited for, and all checkpoints stay.
    """
    roots = {
        c.execution_id: c.root_id
        for c in batch
        if c.extras and c.root_id is not None and c.root_id != c.execution_id
    }
    if not roots:
        return batch
    rows = lock(Execution.objects.filter(pk__in=roots.values()), skip_locked=skip_locked)
    held = {None, *rows.order_by("pk").values_list("pk", flat=True)}
    return [c for c in batch if roots.get(c.execution_id) in held]


def _hand_on(items: Sequence[Checkpoint], accepted: dict[UUID, Accepted]) -> None:
    """Pass the turns of finished items to the next items of their blocks."""
    turns: dict[tuple[Block, Heir | None], list[Checkpoint]] = {}
    for item in items:
        assert item.block is not None
        turns.setdefault((item.block, item.heir), []).append(item)
    for (block, heir), done in turns.items():
        paused = any(accepted[c.execution_id].pause_requested for c in done)
        hand_on(block, [c.execution_id for c in done], done[-1].data, heir, paused=paused)


def _advance(
    conn: BaseDatabaseWrapper, batch: Sequence[Checkpoint], skip_locked: bool
) -> dict[UUID, Accepted]:
    postgres = conn.vendor == "postgresql"
    leaves_out = skip_locked and postgres
    rows, params = _POSITIONS.select(conn, batch)
    sql = _UPDATE.format(
        rows=rows,
        false="false" if postgres else "0",
        unlocked=_UNLOCKED if leaves_out else "",
        source="v JOIN unlocked ON unlocked.id = v.execution_id" if leaves_out else "v",
    )
    with conn.cursor() as cursor:
        cursor.execute(sql, params)
        returned = cursor.fetchall()
    return {
        (UUID(pk) if isinstance(pk, str) else pk): Accepted(
            bool(pause), cancel is not None, bool(alive)
        )
        for pk, pause, cancel, alive in returned
    }


def write_attempts(attempts: Sequence[Attempt]) -> None:
    """Insert the records of attempts; the record of a parked attempt is updated."""
    if not attempts:
        return
    conn = connection()
    rows, params = _ATTEMPTS.select(conn, attempts)
    with conn.cursor() as cursor:
        cursor.execute(_INSERT.format(rows=rows, columns=_ATTEMPTS.names), params)
