"""Operators' actions on an execution, all audited: cancel, pause, resume, retry, compensate."""

from __future__ import annotations

from typing import Any

from durable.engine.ends import again
from durable.engine.ends.release import end_cancelled
from durable.engine.operators import whole
from durable.engine.row.failures import from_stored
from durable.engine.row.position import Position
from durable.engine.row.undoing import Rollback
from durable.engine.undo import remaining
from durable.errors import InvalidTransition
from durable.models import Execution, Role
from durable.states import FINAL, Status
from durable.storage import audit, lookup, notify, sizes
from durable.storage.transaction import in_callers_transaction, lock


def _locked(execution_id: Any, verb: str, *, ended: bool = False) -> Execution:
    """Lock an execution for this transaction; refuse a finished one, unless ``ended``."""
    execution = lookup.get(execution_id, rows=lock(Execution.objects.all()))
    lookup.refuse_part(execution, verb)
    if execution.is_finished and not ended:
        raise _refuse(execution, verb)
    return execution


def _locked_below_parent(execution_id: Any, verb: str) -> Execution:
    """Lock an execution, finished or not, after its parent if it is an awaited child."""
    execution = lookup.get(execution_id)
    if execution.parent_id is not None and _awaited(execution):
        lock(Execution.objects.filter(pk=execution.parent_id)).values_list("pk").first()
    return _locked(execution_id, verb, ended=True)


def _refuse(execution: Execution, verb: str, hint: str = "") -> InvalidTransition:
    status = f"it is {execution.status}"
    return InvalidTransition(
        f"execution {execution.pk} can't be {verb}: {status}{f'; {hint}' if hint else ''}"
    )


def _note(action: str, execution: Execution, by: Any, after: Any = None) -> Execution:
    """Audit the change and return the row as it is now."""
    before = execution.status
    execution.refresh_from_db()
    audit.record(
        action,
        by=by,
        execution=execution.pk,
        target=execution.workflow,
        before=before,
        after={"status": execution.status, **(after or {})},
    )
    notify.hint()
    return execution


@in_callers_transaction
def cancel(execution_id: Any, reason: str, *, compensate: bool, by: Any) -> Execution:
    """Cancel an execution; a running step ends with its checkpoint first."""
    sizes.free_text("reason", reason)
    sizes.flag("compensate", compensate)
    execution = _locked(execution_id, "cancelled")
    at = Position.of(execution)
    if at.undoes_all:
        raise _refuse(execution, "cancelled", "it rolls back already")
    rows = Execution.objects.filter(pk=execution.pk)
    rows.ask_to_cancel(reason, compensate=compensate)
    if execution.status != Status.RUNNING:
        end_cancelled(rows, at, compensate=compensate)
    return _note("cancel", execution, by, {"reason": reason})


@in_callers_transaction
def pause(execution_id: Any, *, by: Any) -> Execution:
    """Pause an execution: at the next checkpoint, or at once if no step runs."""
    execution = _locked(execution_id, "paused")
    if Position.of(execution).undoes_all:
        raise _refuse(execution, "paused", "it rolls back")
    whole.pause(execution)
    return _note("pause", execution, by)


@in_callers_transaction
def resume(execution_id: Any, *, by: Any) -> Execution:
    """Resume a paused execution; deadlines that passed meanwhile take effect now."""
    execution = _locked(execution_id, "resumed")
    if execution.status != Status.PAUSED and not execution.pause_requested:
        raise _refuse(execution, "resumed", "it is not paused")
    whole.resume(execution)
    return _note("resume", execution, by)


@in_callers_transaction
def retry(execution_id: Any, *, restart_step: bool, by: Any) -> Execution:
    """Continue a failed execution with fresh attempts, or retry its blocked parts."""
    sizes.flag("restart_step", restart_step)
    execution = _locked_below_parent(execution_id, "retried")
    if execution.status == Status.COMPENSATION_FAILED:
        _refuse_under_a_parent(execution, "retried")
        why = Position.of(execution).rollback or Rollback.after(from_stored(execution))
        return _undo(execution, why.again(), "retry", by)
    if execution.status == Status.FAILED:
        if _awaited(execution):
            hint = f"retry its parent {execution.parent_id}, which knows"
            raise _refuse(execution, "retried", hint)
        again.retry(execution, restart_step=restart_step)
    elif not whole.unblock(execution, restart_step=restart_step):
        raise _refuse(execution, "retried", "only a failed or blocked execution can be")
    return _note("retry", execution, by, {"restart_step": restart_step})


@in_callers_transaction
def compensate(execution_id: Any, *, by: Any) -> Execution:
    """Run the held-back compensations of a failed execution (``on_failure = "hold"``)."""
    execution = _locked_below_parent(execution_id, "compensated")
    if execution.status != Status.FAILED:
        raise _refuse(execution, "compensated", "only a failed execution can be")
    _refuse_under_a_parent(execution, "compensated")
    if not remaining.needed(execution.pk):
        raise _refuse(execution, "compensated", "no completed step of it has a compensation")
    at = Position.of(execution)
    failure = from_stored(execution)
    why = Rollback.after(failure, path=at.path, attempt=at.attempt, floor=at.floor)
    return _undo(execution, why, "compensate", by)


def _undo(execution: Execution, why: Rollback, action: str, by: Any) -> Execution:
    """Move a finished execution into a rollback."""
    at = Position.of(execution).to_undo(why).columns()
    Execution.objects.filter(pk=execution.pk).rolling(
        why.stored_error, held=False, out_of=FINAL, **at
    )
    return _note(action, execution, by)


def _awaited(execution: Execution) -> bool:
    return execution.role == Role.CHILD and execution.awaited


def _refuse_under_a_parent(execution: Execution, verb: str) -> None:
    """Refuse if the parent, which the caller has locked, is unfinished: the parent decides."""
    parent = execution.parent if _awaited(execution) else None
    if parent is not None and not parent.is_finished:
        raise _refuse(execution, verb, f"its parent {parent.pk} is {parent.status}")
