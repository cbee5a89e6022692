"""What an operator does to an execution: cancel, pause, resume, retry. Audited, one winner each."""

from __future__ import annotations

from typing import Any

from django.db.models.functions import Coalesce

from durable import clock
from durable.authoring import registry
from durable.engine import audit, journal, limits, lookup, notify
from durable.engine.release import end_cancelled
from durable.engine.transaction import in_callers_transaction, lock
from durable.errors import InvalidTransition
from durable.models import Execution, StepRun, Wait
from durable.states import Status


def _locked(execution_id: Any) -> Execution:
    return lookup.get(execution_id, rows=lock(Execution.objects.all()))


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
    """End an execution; one whose step is running ends with that step's checkpoint."""
    limits.free_text("reason", reason)
    execution = _locked(execution_id)
    if execution.is_finished:
        raise _refuse(execution, "cancelled")
    rows = Execution.objects.filter(pk=execution.pk)
    if execution.cancel_requested_at is None:
        rows.update(
            cancel_requested_at=clock.now(), cancel_reason=reason, cancel_compensate=compensate
        )
    if execution.status == Status.COMPENSATING:
        raise _refuse(execution, "cancelled", "it rolls back already")
    if execution.status != Status.RUNNING:
        end_cancelled(rows, execution.frames, compensate=compensate)
    return _note("cancel", execution, by, {"reason": reason})


@in_callers_transaction
def pause(execution_id: Any, *, by: Any) -> Execution:
    """Stop at the next checkpoint; what is not running stops at once."""
    execution = _locked(execution_id)
    if execution.is_finished or execution.status == Status.COMPENSATING:
        raise _refuse(execution, "paused")
    rows = Execution.objects.filter(pk=execution.pk)
    if execution.status == Status.RUNNING:
        rows.update(pause_requested=True)
    elif execution.status != Status.PAUSED:
        rows.move(
            Status.PAUSED,
            resume_at=Coalesce("wake_at", "ready_at"),
            ready_at=None,
            wake_at=None,
            blocked_by="",
        )
    return _note("pause", execution, by)


@in_callers_transaction
def resume(execution_id: Any, *, by: Any) -> Execution:
    """Go on after a pause: deadlines that passed meanwhile take effect now."""
    execution = _locked(execution_id)
    rows = Execution.objects.filter(pk=execution.pk)
    if execution.is_finished:
        raise _refuse(execution, "resumed")
    if execution.status == Status.PAUSED:
        _unpause(execution, rows)
    elif execution.pause_requested:
        rows.update(pause_requested=False)
    else:
        raise _refuse(execution, "resumed", "it is not paused")
    return _note("resume", execution, by)


def _unpause(execution: Execution, rows: Any) -> None:
    """Park again if a wait is still open, else go on; both at the time that was due."""
    if Wait.objects.open().filter(execution=execution).exists():
        rows.move(Status.WAITING, wake_at=execution.resume_at, resume_at=None)
    elif StepRun.objects.parked(execution.pk).filter(attempt=execution.attempt).exists():
        rows.move(Status.PENDING, ready_at=clock.now(), resume_at=None)  # answered meanwhile
    else:
        rows.move(Status.PENDING, wake_at=execution.resume_at or clock.now(), resume_at=None)


@in_callers_transaction
def retry(execution_id: Any, *, restart_step: bool, by: Any) -> Execution:
    """Continue a failed (or blocked) execution at its step, with fresh attempts."""
    execution = _locked(execution_id)
    if execution.status not in (Status.FAILED, Status.BLOCKED):
        raise _refuse(execution, "retried", "only a failed or blocked execution can be")
    if restart_step:
        journal.forget(execution.pk, execution.path, execution.visit)
    changes: dict[str, Any] = {}
    if execution.status == Status.FAILED:
        changes = {
            "attempt": execution.attempt + 1,
            "attempt_floor": execution.attempt,
            "recoveries": 0,
            "finished_at": None,
            "deadline_at": _new_deadline(execution),
        }
        if not restart_step:
            journal.reopen(execution.pk, execution.path, execution.visit)
    Execution.objects.filter(pk=execution.pk).move(
        Status.PENDING, error=None, ready_at=clock.now(), wake_at=None, blocked_by="", **changes
    )
    return _note("retry", execution, by, {"restart_step": restart_step})


def _new_deadline(execution: Execution) -> Any:
    """A workflow that had run out of time gets its timeout anew, or it would fail at once."""
    cls = registry.get(execution.workflow, execution.version)
    timeout = cls.definition.options.timeout if cls is not None else None
    return execution.deadline_at if timeout is None else clock.now() + timeout
