"""The state of one rollback: error, scope, progress and final status."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, Self
from uuid import UUID

from durable.engine.row.failures import Failure, encode
from durable.models.fields import Stored
from durable.states import ROLLBACK, Status


class Undoable(NamedTuple):
    """A step run that may have to be undone, without its data, which may be large."""

    pk: UUID
    execution_id: UUID
    kind: str  # of the execution
    path: str
    visit: int
    attempt: int
    status: str
    recoveries: int
    error: dict[str, Any] | None


@dataclass(frozen=True)
class Rollback:
    """One rollback of an execution, kept in the frame ``~`` of its position.

    ``error`` is the described error that started it; ``None`` after a cancellation. ``scope`` is
    the path of the catch whose inside is undone; empty: the whole execution. Steps of visits
    before ``visit`` stay done. ``undo=False``: nothing is undone, the execution only waits until
    all below it has ended. ``path``, ``attempt`` and ``floor`` say where the execution failed.
    """

    error: dict[str, Any] | None
    scope: str = ""
    visit: int = 0
    handler: str = ""
    undo: bool = True
    path: str = ""
    attempt: int = 1
    floor: int = 0
    classes: tuple[str, ...] = ()  # names of the classes of the error
    undone: int = 0  # compensations that have completed
    failed: tuple[str, ...] = ()  # ids of the step runs whose compensation failed for good

    @classmethod
    def after(cls, failure: Failure, **where: Any) -> Self:
        """The rollback that a failure starts."""
        return cls(failure.error, classes=failure.classes, **where)

    @classmethod
    def at(cls, path: str, frames: dict[str, dict[str, Any]]) -> Self | None:
        """The rollback in which a position stands; ``None`` on the way forward."""
        if not path.startswith(ROLLBACK):
            return None
        frame = frames[ROLLBACK]
        return cls(
            **{**frame, "classes": tuple(frame["classes"]), "failed": tuple(frame["failed"])}
        )

    def frame(self) -> dict[str, Any]:
        """The rollback as a storable dict, for the frame ``~``."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**values, "classes": list(self.classes), "failed": list(self.failed)}

    @property
    def stored_error(self) -> Stored | None:
        """The error as the execution's row keeps it, with no size limit; ``None`` if cancelled."""
        return None if self.error is None else encode(self.error)

    @property
    def failed_runs(self) -> list[UUID]:
        """The ids of the step runs that are skipped: their compensation failed for good."""
        return [UUID(pk) for pk in self.failed]

    def one_undone(self) -> Self:
        """The rollback after one more compensation completed."""
        return replace(self, undone=self.undone + 1)

    def passing_over(self, run_id: str) -> Self:
        """The rollback after a compensation failed for good: ``run_id`` is skipped, others run."""
        return replace(self, failed=(*self.failed, run_id))

    def again(self) -> Self:
        """The rollback with its failed compensations to be tried again."""
        return replace(self, failed=())

    @property
    def end(self) -> Status:
        """The final status of the execution when nothing is left to undo."""
        if self.failed:
            return Status.COMPENSATION_FAILED
        if self.undone or (self.error is None and self.undo):
            return Status.COMPENSATED
        return Status.CANCELLED if self.error is None else Status.FAILED
