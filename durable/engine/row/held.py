"""The claim: an execution in a worker's hands, with its position, data and fence."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from django.db.models import F, TextField
from django.db.models.expressions import ExpressionWrapper

from durable import clock
from durable.engine.row.journal import Journal
from durable.engine.row.position import Position
from durable.engine.row.undoing import Undoable
from durable.models import PARTS, Execution
from durable.models.execution import ExecutionQuerySet
from durable.states import Status


class Heir(NamedTuple):
    """The next item of a batch, which inherits the turn of the item before it."""

    execution_id: UUID
    fence: int


@dataclass
class Claim:
    """An execution held by a worker, with the fence that proves the claim on every write.

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
    at: Position
    data: str
    base: str | None
    element: str | None  # the item and its index, in a foreach
    deadline_at: datetime | None
    last_completed_at: datetime | None
    pause_requested: bool
    cancel_requested: bool
    claimed_at: datetime
    rest: Sequence[Claim] = ()  # more items of the same batch, which this slot runs after it
    heir: Heir | None = None  # the item of the batch that gets its turn
    to_undo: tuple[Undoable, ...] = ()  # in a rollback: step runs after the one being undone
    journal: tuple[Position, Journal] | None = None  # as read with the claim, for its first attempt
    _monotonic: float = field(default_factory=time.monotonic)

    def now(self) -> datetime:
        """The database's present time, estimated without a query."""
        frozen = clock.frozen_at()
        if frozen is not None:
            return frozen
        return self.claimed_at + timedelta(seconds=time.monotonic() - self._monotonic)

    @property
    def block(self) -> tuple[UUID, str, int] | None:
        """The block (parent, path, visit) whose branch or item this is; ``None`` for others."""
        if self.parent_id is None or self.role not in PARTS:
            return None
        return self.parent_id, self.parent_path, self.parent_visit

    @property
    def limit_at(self) -> datetime | None:
        """The workflow's deadline; ``None`` in a rollback, which no deadline bounds."""
        return self.deadline_at if self.at.rollback is None else None

    @property
    def is_compensating(self) -> bool:
        """Whether the row is rolling back: every landing but a final one then keeps its status."""
        return self.status == Status.COMPENSATING

    def labels(self) -> dict[str, object]:
        """The fields that structured log lines carry about the execution."""
        return {
            "execution": str(self.execution_id),
            "workflow": self.workflow,
            "step": self.at.path,
            "attempt": self.at.attempt,
        }

    def start_from(self, base: str) -> None:
        """Fill in the block's data ``base``, which rows and frames of new items leave out."""
        if self.data is None:
            self.data = base
        for frame in self.at.frames.values():
            if "data" in frame and frame["data"] is None:
                frame["data"] = base

    def read_journal(self) -> Journal:
        """The waits and records of the visit: as read with the claim, for the first who asks.

        A wait that was open then may have been answered since; see ``suspend.park_alone``.
        """
        known, self.journal = self.journal, None
        if known is not None and known[0] is self.at:
            return known[1]
        if not self.at.journaled:
            return Journal(self.at.path)
        return Journal.of_visit(self.execution_id, self.at.path, self.at.visit)

    def row(self) -> ExecutionQuerySet:
        """The claimed row at this position, or no row if the claim is lost; for guarded writes."""
        return row_at(**self.place)

    @property
    def place(self) -> dict[str, Any]:
        """The arguments of ``row_at`` for this claim."""
        at = self.at
        return {
            "pk": self.execution_id,
            "fence": self.fence,
            "path": at.path,
            "visit": at.visit,
            "attempt": at.attempt,
        }


def row_at(pk: Any, fence: Any, path: Any, visit: Any, attempt: Any) -> ExecutionQuerySet:
    """A row held under this fence, at this position; values, or ``Given`` in a statement."""
    held = Execution.objects.held_by(pk, fence)
    return held.filter(path=path, visit=visit, attempt=attempt)


def text_of(column: str) -> Any:
    """A JSON column as its stored text, not decoded."""
    return ExpressionWrapper(F(column), output_field=TextField())


@dataclass(frozen=True)
class Identity:
    """The execution, path and visit whose step (or compensation) a body runs."""

    execution_id: UUID
    path: str
    visit: int
    compensation: bool = False

    @property
    def key(self) -> str:
        """The idempotency key: the same for each attempt, another for each visit and item."""
        suffix = "#compensation" if self.compensation else ""
        return str(uuid5(self.execution_id, f"{self.path}#{self.visit}{suffix}"))


def next_completed_at(claim: Claim) -> datetime:
    """The time at which an attempt ends: later than every end before it in the tree."""
    return completed_after(claim.now(), claim.last_completed_at)


def completed_after(present: datetime, last: datetime | None) -> datetime:
    """The time of an end: the present, but later than ``last``, the last end known to the row.

    Ends in one process are ordered by their calls; ends in several processes, unknown to the row,
    by the database's clock (see docs/decisions/0011).
    """
    if last is not None:
        present = max(present, last + timedelta(microseconds=1))
    return clock.in_order(present)
