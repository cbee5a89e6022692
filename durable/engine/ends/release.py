"""Let go of a claim: the one place where what an operator has asked for meanwhile is obeyed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from durable import clock
from durable.engine.ends import tree_of, turns
from durable.engine.ends.back import rollback_frame, send_back
from durable.engine.ends.finish import finish
from durable.engine.row import failures, reasons
from durable.engine.row.held import Claim
from durable.engine.row.position import ROLLBACK
from durable.engine.row.settled import let_go_at, settled_by
from durable.errors import ClaimLost, DurableError
from durable.models import Execution, Role
from durable.states import Status
from durable.storage import notify
from durable.storage.transaction import in_transaction, lock


@dataclass(frozen=True)
class Asked:
    """What the row says while the claim is still ours."""

    pause: bool
    cancel: bool
    compensate: bool

    @property
    def stops(self) -> bool:
        """Whether nothing new is to begin."""
        return self.pause or self.cancel


def hold(claim: Claim) -> Asked:
    """Lock the claimed row for the rest of the transaction; ``ClaimLost`` if it is not ours."""
    row = (
        lock(claim.row())
        .values_list("pause_requested", "cancel_requested_at", "cancel_compensate")
        .first()
    )
    if row is None:
        raise ClaimLost
    return Asked(row[0], row[1] is not None, row[2])


@settled_by(let_go_at)
@in_transaction
def let_go(claim: Claim, target: Status, **changes: Any) -> Status:
    """Release the row into ``target``, unless it was asked to cancel or to pause; say where it is.

    ``changes`` set ``ready_at`` or ``wake_at``; a paused or cancelled row has neither.
    """
    asked = hold(claim)
    if asked.cancel and not whole_rollback(claim):
        return end_cancelled(claim.row(), claim.frames, compensate=asked.compensate)
    if claim.status == Status.COMPENSATING and target in (Status.PENDING, Status.WAITING):
        return _stay(claim, changes)
    if asked.pause:
        target = Status.PAUSED
        due = changes.pop("wake_at", None), changes.pop("ready_at", None)
        changes |= {"pause_requested": False, "resume_at": due[0] or due[1]}
    changes = {"ready_at": None, "wake_at": None, **changes}
    if not claim.row().release(target, **changes):
        raise ClaimLost
    if changes["ready_at"] is not None:
        notify.hint()
    return target


def whole_rollback(claim: Claim) -> bool:
    """Whether the claim is undoing all of its execution: a cancellation has nothing to add."""
    return claim.rolls_back and not claim.frames[ROLLBACK]["scope"]


def _stay(claim: Claim, changes: dict[str, Any]) -> Status:
    """An execution that rolls back keeps its status while nobody holds it."""
    changes = {"ready_at": None, "wake_at": None, "worker": None, **changes}
    if not claim.row().update(**changes):
        raise ClaimLost
    if changes["ready_at"] is not None:
        notify.hint()
    return Status.COMPENSATING


def end_cancelled(rows: Any, frames: Any, *, compensate: bool) -> Status:
    """Bring one guarded row towards the end that a cancellation asks for.

    What is alive below it is stopped first; the row parks until the last of that has ended.
    """
    execution = rows.get()
    ended = tree_of.stop_below(execution, reasons.cancelled(execution))
    if compensate:
        why = rollback_frame(None)
        if not send_back(rows, frames or {}, why):
            raise ClaimLost
        return Status.PENDING
    if ended:
        if not finish(rows, Status.CANCELLED, blocked_by="", error=None):  # of a block, if any
            raise ClaimLost
        return Status.CANCELLED
    if execution.status == Status.RUNNING:
        rows.release(Status.WAITING, ready_at=None, wake_at=None)
        return Status.WAITING
    if execution.status in (Status.PAUSED, Status.BLOCKED):
        rows.move(Status.PENDING, ready_at=clock.now(), blocked_by="")
    return Status(execution.status)


@settled_by(let_go_at)
@in_transaction
def complete(claim: Claim, *, in_sequence: bool) -> Status:
    """Finish an execution that has taken its last step, once nothing below it is alive."""
    hold(claim)
    children = Execution.objects.unfinished().filter(parent=claim.execution_id, awaited=True)
    if children.exists():
        return let_go(claim, Status.WAITING)
    if not finish(claim.row(), Status.COMPLETED):
        raise ClaimLost
    if claim.role == Role.ITEM and claim.block is not None:
        turns.hand_on(claim.block, [claim.execution_id], claim.data if in_sequence else None)
    return Status.COMPLETED


@settled_by(let_go_at)
@in_transaction
def give_back(claim: Claim) -> Status:
    """Return an execution to the queue, ready at once: this process takes no further step."""
    return let_go(claim, Status.PENDING, ready_at=clock.now())


@settled_by(let_go_at)
@in_transaction
def block(claim: Claim, error: DurableError) -> Status:
    """Set an execution aside that this code can't continue: nothing failed, nothing is lost."""
    described = failures.describe(error, step=claim.path or None, attempt=None)
    described["traceback"] = ""
    return let_go(claim, Status.BLOCKED, blocked_by="code", error=failures.encode(described))


@settled_by(let_go_at)
@in_transaction
def block_for_child(claim: Claim, kind: str) -> Status:
    """Set an execution aside until a live worker has the workflow of a child of it."""
    message = f"this worker lacks {kind}, whose completed steps are to be undone"
    error = failures.encode(failures.no_worker(message, kind=kind))
    return let_go(claim, Status.BLOCKED, blocked_by="child", error=error)
