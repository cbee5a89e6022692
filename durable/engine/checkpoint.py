"""Write results and positions, many in one commit, each under its own fence.

Two statements, whatever the number of checkpoints: one UPDATE that joins on the fence and
returns what it accepted, one INSERT of the attempts' records for those. A row that has lost its
fence is simply not returned; the others are in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper

from durable.engine.failpoints import reach
from durable.engine.finish import finish_completed
from durable.engine.transaction import connection, in_transaction, lock
from durable.engine.turns import Block, Heir, hand_on
from durable.models import Execution, Role
from durable.models.fields import uuid7
from durable.states import StepStatus


@dataclass(frozen=True)
class Attempt:
    """The record of one attempt, as it will stand in the history."""

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


@dataclass(frozen=True)
class Checkpoint:
    """A step's result and where the execution goes next (``path`` is empty at the end)."""

    execution_id: UUID
    fence: int
    data: str | None
    path: str
    visit: int
    at: datetime
    attempt: Attempt | None  # None: only the position moves (the choice of a branch)
    journaled: bool = False  # the visit that ends had waits or records
    extras: Sequence[Callable[[], object]] = field(default_factory=tuple)
    was: str | None = None  # the position that it leaves
    was_visit: int | None = None
    frames: str | None = None
    outcome: str | None = None
    root_id: UUID | None = None
    role: str = Role.ROOT
    block: Block | None = None  # whose branch or item it is
    released: bool = True  # an item that has a turn to hand on
    heir: Heir | None = None  # the item of the same batch that gets it

    @property
    def finishes(self) -> bool:
        """Whether it was the last step."""
        return not self.path


@dataclass(frozen=True)
class Accepted:
    """What the row said when it took the checkpoint."""

    pause_requested: bool
    cancel_requested: bool
    unfinished: bool = False  # the last step is taken, but a child is still in a step

    @property
    def may_end(self) -> bool:
        """Whether the execution ends with its last step."""
        return not (self.cancel_requested or self.unfinished)


_UPDATE = """
WITH v (id, fence, data, path, visit, frames, outcome, at, was, was_visit) AS (VALUES {rows})
UPDATE durable_execution
SET data = v.data, path = v.path, visit = {visit}, attempt = 1, attempt_floor = 0,
    recoveries = 0, journaled = {false}, frames = v.frames, outcome = v.outcome,
    last_completed_at = {at}
FROM v
WHERE durable_execution.id = {id} AND durable_execution.fence = {fence}
  AND durable_execution.status IN ('running', 'compensating')
  AND (v.was IS NULL OR durable_execution.path = v.was AND durable_execution.visit = {was_visit})
  {unlocked}
RETURNING durable_execution.id, pause_requested, cancel_requested_at,
  CASE WHEN durable_execution.path = '' THEN (
    SELECT 1 FROM durable_execution AS child
    WHERE child.parent_id = durable_execution.id AND child.awaited AND child.finished_at IS NULL
    ORDER BY child.parent_path, child.parent_visit LIMIT 1
  ) IS NOT NULL ELSE {false} END
"""

_UNLOCKED = """ AND durable_execution.id IN (
    SELECT id FROM durable_execution WHERE id IN ({ids}) FOR NO KEY UPDATE SKIP LOCKED)"""

_INSERT = """
INSERT INTO durable_steprun (id, execution_id, path, visit, attempt, compensation, status,
    input, output, error, logs, recoveries, started_at, ended_at, worker)
VALUES {rows}
ON CONFLICT (execution_id, path, visit, attempt, compensation) DO UPDATE
SET status = excluded.status, output = excluded.output, error = excluded.error,
    logs = durable_steprun.logs || excluded.logs, ended_at = excluded.ended_at,
    recoveries = excluded.recoveries, worker = excluded.worker
"""


@in_transaction
def write(batch: Sequence[Checkpoint], *, skip_locked: bool = False) -> dict[UUID, Accepted]:
    """Write the checkpoints of ``batch`` (one per execution) that still hold their fence.

    Returns those that are in. With ``skip_locked`` a row that somebody else has locked is left
    out rather than waited for (PostgreSQL); it can't be told from one that lost its fence, so
    try what is missing once more alone.
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
    """Lock the roots that branches and items write to; without ``skip_locked`` that is all."""
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
    """Finished items give their turns to the next ones of their blocks."""
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
    params: list[Any] = []
    for c in batch:
        params += [_uuid(conn, c.execution_id), c.fence, c.data, c.path, c.visit]
        # a step is done once: a commit in doubt may still be on its way when it is repeated
        params += [c.frames, c.outcome, _time(conn, c.at), c.was, c.was_visit]
    unlocked = ""
    if skip_locked and postgres:
        unlocked = _UNLOCKED.format(ids=", ".join(["%s"] * len(batch)))
        params += [c.execution_id for c in batch]
    sql = _UPDATE.format(
        rows=", ".join(["(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"] * len(batch)),
        visit="v.visit::integer" if postgres else "v.visit",
        at="v.at::timestamptz" if postgres else "v.at",
        was_visit="v.was_visit::integer" if postgres else "v.was_visit",
        id="v.id::uuid" if postgres else "v.id",
        fence="v.fence::bigint" if postgres else "v.fence",
        false="false" if postgres else "0",
        unlocked=unlocked,
    )
    with conn.cursor() as cursor:
        cursor.execute(sql, params)
        rows = cursor.fetchall()
    return {
        (UUID(pk) if isinstance(pk, str) else pk): Accepted(
            bool(pause), cancel is not None, bool(alive)
        )
        for pk, pause, cancel, alive in rows
    }


def write_attempts(attempts: Sequence[Attempt]) -> None:
    """Insert the records of attempts; one that was parked is brought up to date."""
    if not attempts:
        return
    conn = connection()
    params: list[Any] = []
    for a in attempts:
        params += [
            _uuid(conn, uuid7()),
            _uuid(conn, a.execution_id),
            a.path,
            a.visit,
            a.attempt,
            a.compensation,
            a.status.value,
            a.input,
            a.output,
            a.error,
            a.logs,
            a.recoveries,
            _time(conn, a.started_at),
            _time(conn, a.ended_at),
            _uuid(conn, a.worker),
        ]
    row = "(" + ", ".join(["%s"] * 15) + ")"
    with conn.cursor() as cursor:
        cursor.execute(_INSERT.format(rows=", ".join([row] * len(attempts))), params)


def _uuid(conn: BaseDatabaseWrapper, value: UUID) -> Any:
    return value if conn.features.has_native_uuid_field else value.hex


def _time(conn: BaseDatabaseWrapper, value: datetime | None) -> Any:
    return conn.ops.adapt_datetimefield_value(value)
