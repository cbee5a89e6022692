"""Release a claim: due, asleep, parked or blocked; but a requested pause or cancel comes first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from durable import clock
from durable.engine.ends import tree_of, turns
from durable.engine.ends.back import send_back
from durable.engine.ends.finish import finish
from durable.engine.row import failures, reasons
from durable.engine.row.held import Claim, row_at
from durable.engine.row.position import Position
from durable.engine.row.settled import let_go_before, settled_by
from durable.engine.row.undoing import Rollback
from durable.errors import ClaimLost, DurableError
from durable.models import Execution, Role
from durable.models.execution import ExecutionQuerySet
from durable.models.landings import Error
from durable.states import Status
from durable.storage import notify
from durable.storage.statement import Statement
from durable.storage.transaction import in_transaction, lock


@dataclass(frozen=True)
class Asked:
    """An operator's requests, read from the row while the claim is held, and the time then."""

    pause: bool
    cancel: bool
    compensate: bool
    present: datetime

    @property
    def stops(self) -> bool:
        """Whether the execution has to stop before anything new begins."""
        return self.pause or self.cancel


_ASKED = Statement(
    lambda pk, fence, path, visit, attempt: (
        lock(row_at(pk, fence, path, visit, attempt))
        .annotate(present=clock.now())
        .values_list("pause_requested", "cancel_requested_at", "cancel_compensate", "present")
    )
)


def hold(claim: Claim) -> Asked:
    """Lock the claimed row for the rest of the transaction; ``ClaimLost`` if it is not ours."""
    found = _ASKED(**claim.place)
    if not found:
        raise ClaimLost
    ((pause, cancelled_at, compensate, present),) = found
    return Asked(pause, cancelled_at is not None, compensate, clock.parse(present))


@settled_by(let_go_before)
@in_transaction
def give_back(claim: Claim, **beside: Any) -> None:
    """Return an execution to the queue, ready at once: this process takes no further step."""
    if not _obeyed(claim, clock.now(), **beside):
        _landed(claim.row().due(rolls=claim.is_compensating, **beside))
        notify.hint()


@settled_by(let_go_before)
@in_transaction
def put_to_sleep(claim: Claim, until: Any, **beside: Any) -> None:
    """Release an execution until the time ``until`` (or an SQL expression of it)."""
    if not _obeyed(claim, until, **beside):
        _landed(claim.row().asleep(until, rolls=claim.is_compensating, **beside))


@settled_by(let_go_before)
@in_transaction
def park(claim: Claim, until: Any = None) -> None:
    """Release an execution that waits for an answer, or until the time ``until``."""
    if not _obeyed(claim, until):
        _landed(claim.row().parked(until, rolls=claim.is_compensating))


@settled_by(let_go_before)
@in_transaction
def set_aside(claim: Claim, by: str, error: Error) -> None:
    """Block an execution until ``by`` is there; see ``Landings.blocked``."""
    if not _obeyed(claim, clock.now()):
        _landed(claim.row().blocked(by, error))


def _obeyed(claim: Claim, resume_at: Any, **beside: Any) -> bool:
    """Carry out a requested cancel or pause on the claimed execution; False if none is requested.

    ``resume_at`` is when the execution would be due without the pause. An execution that rolls back
    as a whole ignores both requests.
    """
    asked = hold(claim)
    if claim.at.undoes_all:
        return False
    if asked.cancel:
        end_cancelled(claim.row(), claim.at, compensate=asked.compensate)
    elif asked.pause:
        _landed(claim.row().paused(resume_at, **beside))
    return asked.stops


def _landed(rows: int) -> None:
    """Raise ``ClaimLost`` if the guarded write moved no row."""
    if not rows:
        raise ClaimLost


def end_cancelled(rows: ExecutionQuerySet, at: Position, *, compensate: bool) -> None:
    """Cancel one guarded row as requested.

    Live executions below it are stopped first; the row parks until the last of them has ended.
    """
    execution = rows.get()
    ended = tree_of.stop_below(execution, reasons.cancelled(execution), cancelled=True)
    if compensate:
        _landed(send_back(rows, at, Rollback(None)))
    elif ended:
        _landed(finish(rows, Status.CANCELLED))
    elif execution.status == Status.RUNNING:
        _landed(rows.parked(None, rolls=False))
    elif execution.status in (Status.PAUSED, Status.BLOCKED):
        rows.due(rolls=False)


@settled_by(let_go_before)
@in_transaction
def complete(claim: Claim, *, in_sequence: bool) -> None:
    """Finish an execution after its last step; park it while an awaited child is alive.

    If a cancellation was requested since the claim, the execution ends cancelled.
    """
    asked = hold(claim)
    if asked.cancel:
        end_cancelled(claim.row(), claim.at, compensate=asked.compensate)
        return
    children = Execution.objects.unfinished().filter(parent=claim.execution_id, awaited=True)
    if children.exists():
        park(claim)
        return
    _landed(finish(claim.row(), Status.COMPLETED))
    if claim.role == Role.ITEM and claim.block is not None:
        turns.hand_on(claim.block, [claim.execution_id], claim.data if in_sequence else None)


def block(claim: Claim, error: DurableError) -> None:
    """Block an execution that this code can't continue; nothing failed, no work is lost."""
    told = failures.describe(error, step=claim.at.path or None, attempt=None)
    set_aside(claim, "code", failures.encode({**told, "traceback": ""}))


def block_for_child(claim: Claim, kind: str) -> None:
    """Block an execution until a live worker has the workflow ``kind`` of one of its children."""
    message = f"this worker lacks {kind}, whose completed steps are to be undone"
    set_aside(claim, "child", failures.encode(failures.no_worker(message, kind=kind)))
