"""An execution in a worker's hands: its position, and the fence that proves the claim."""

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
from durable.engine.row.position import Position
from durable.models import PARTS, Execution, StepRun
from durable.models.execution import ExecutionQuerySet
from durable.states import Status


class Heir(NamedTuple):
    """The next item of a batch, which gets the turn of the one before."""

    execution_id: UUID
    fence: int


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
    to_undo: tuple[StepRun, ...] = ()  # in a rollback: step runs after the one being undone
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
        if self.parent_id is None or self.role not in PARTS:
            return None
        return self.parent_id, self.parent_path, self.parent_visit

    @property
    def limit_at(self) -> datetime | None:
        """The workflow's deadline, which does not bound its rollback."""
        return self.deadline_at if self.at.rollback is None else None

    @property
    def is_compensating(self) -> bool:
        """Whether the row keeps its status wherever it lands, but at an end."""
        return self.status == Status.COMPENSATING

    def labels(self) -> dict[str, object]:
        """What structured log lines say about the execution."""
        return {
            "execution": str(self.execution_id),
            "workflow": self.workflow,
            "step": self.at.path,
            "attempt": self.at.attempt,
        }

    def start_from(self, base: str) -> None:
        """An item begins with its block's data, which its row does not repeat."""
        if self.data is None:
            self.data = base
        for frame in self.at.frames.values():
            if "data" in frame and frame["data"] is None:
                frame["data"] = base

    def row(self) -> ExecutionQuerySet:
        """The claimed row at this position, or nothing: the start of every guarded write."""
        return row_at(**self.place)

    @property
    def place(self) -> dict[str, Any]:
        """What ``row_at`` asks for."""
        at = self.at
        return {
            "pk": self.execution_id,
            "fence": self.fence,
            "path": at.path,
            "visit": at.visit,
            "attempt": at.attempt,
        }


def row_at(pk: Any, fence: Any, path: Any, visit: Any, attempt: Any) -> ExecutionQuerySet:
    """The claimed row at a position, or nothing: the start of every guarded write."""
    held = Execution.objects.held_by(pk, fence)
    return held.filter(path=path, visit=visit, attempt=attempt)


def text_of(column: str) -> Any:
    """A coded column as the text that is stored."""
    return ExpressionWrapper(F(column), output_field=TextField())


@dataclass(frozen=True)
class Identity:
    """Which step run of which execution a body belongs to."""

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
    """The present as the time of an end, after the ``last`` one that the row knows.

    Ends in one process are in the order in which they ask; ends in several, which the row does
    not know of, in that of the database's clock (see docs/decisions/0011).
    """
    if last is not None:
        present = max(present, last + timedelta(microseconds=1))
    return clock.in_order(present)
