"""Where an execution stands in its flow: one value, read from its row and written back whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Self

from durable import codec
from durable.engine.row.undoing import Rollback
from durable.models import Execution
from durable.models.fields import Stored
from durable.states import ROLLBACK

#: bytes; frames hold copies of the data, one for each catch around the position
FRAMES_BYTES = 1 << 30

Frames = dict[str, dict[str, Any]]

#: the columns of a row that hold its position, in the order of the fields below
COLUMNS = ("path", "visit", "attempt", "attempt_floor", "recoveries", "journaled", "frames")


@dataclass(frozen=True)
class Position:
    """The node at which an execution stands, with its visit, attempt and frames.

    ``path`` is empty once all steps are taken, and begins with ``~`` in a rollback. ``visit``
    goes up with each round of a loop, so each path is visited once per value. ``frames`` hold, by
    path, the state of the loops, catches and rollback around the position.
    """

    path: str
    visit: int = 1
    attempt: int = 1
    floor: int = 0  # attempts before an operator's retry
    recoveries: int = 0  # workers that died in this attempt
    journaled: bool = False  # this visit has waits or records
    frames: Frames = field(default_factory=dict)

    @classmethod
    def of(cls, row: Execution) -> Self:
        """The position of a row."""
        return cls.read([getattr(row, name) for name in COLUMNS])

    @classmethod
    def read(cls, values: Iterable[Any]) -> Self:
        """The position from the values of ``COLUMNS``, in that order."""
        path, visit, attempt, floor, recoveries, journaled, frames = values
        return cls(path, visit, attempt, floor, recoveries, journaled, frames or {})

    @cached_property
    def rollback(self) -> Rollback | None:
        """The rollback in which the execution stands; ``None`` on the way forward."""
        return Rollback.at(self.path, self.frames)

    @property
    def undoes_all(self) -> bool:
        """Whether the whole execution rolls back; it then ends without a parent or a catch."""
        return self.rollback is not None and not self.rollback.scope

    @property
    def undone_run(self) -> str:
        """The id of the step run being compensated here; empty while looking for the next."""
        return self.path[len(ROLLBACK) :]

    @property
    def tried(self) -> int:
        """The number of this attempt, counted from the last retry of an operator."""
        return self.attempt - self.floor

    def next_attempt(self) -> Self:
        """The next attempt at the same step."""
        return replace(self, attempt=self.attempt + 1, recoveries=0)

    def afresh(self) -> Self:
        """The same step with a fresh count of attempts, as after an operator's retry."""
        return replace(self, attempt=self.attempt + 1, floor=self.attempt, recoveries=0)

    def with_records(self) -> Self:
        """The same attempt, marked as having waits or records in its visit."""
        return replace(self, journaled=True)

    def to_undo(self, rollback: Rollback) -> Position:
        """The position ``~``, which looks for the next step to undo in ``rollback``."""
        return Position(ROLLBACK, self.visit, frames={**self.frames, ROLLBACK: rollback.frame()})

    def compensating(self, run_id: object, tried: int) -> Position:
        """The position of a step run's compensation; ``tried`` attempts at it were made before."""
        path, known = f"{ROLLBACK}{run_id}", bool(tried)
        return Position(path, self.visit, tried + 1, tried, journaled=known, frames=self.frames)

    def outside(self, block: str | None = None) -> Frames:
        """The frames but for the rollback's, and but for those of ``block`` and inside it."""
        return {
            path: frame
            for path, frame in self.frames.items()
            if path != ROLLBACK and not (block and f"{path}/".startswith(f"{block}/"))
        }

    def columns(self) -> dict[str, Any]:
        """All columns of the position, for a write to the row."""
        return {**self._small(), "frames": encode(self.frames)}

    def since(self, before: Position) -> dict[str, Any]:
        """The columns to write: those that differ from the position ``before``."""
        old = before._small()
        changed = {name: value for name, value in self._small().items() if old[name] != value}
        if self.frames != before.frames:
            changed["frames"] = encode(self.frames)
        return changed

    def _small(self) -> dict[str, Any]:
        own = (getattr(self, one.name) for one in fields(self))
        return dict(zip(COLUMNS[:-1], own, strict=False))


def encode(frames: Frames) -> Stored | None:
    """Frames as stored text; ``None`` if there are none."""
    return Stored(codec.dumps(frames, path="frames", limit=FRAMES_BYTES)) if frames else None
