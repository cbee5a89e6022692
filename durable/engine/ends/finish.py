"""End executions: set the final status, and close their open waits and parked attempts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from durable import clock
from durable.conf import database
from durable.engine.row.failures import described
from durable.engine.row.held import completed_after
from durable.engine.row.position import Position
from durable.models import Execution, StepRun, Wait
from durable.models.execution import ExecutionQuerySet
from durable.models.given import Among
from durable.models.landings import Error
from durable.states import ROLLBACK, Status, StepStatus, WaitStatus
from durable.storage.statement import Statement

_COMPLETED = Statement(
    lambda ids: Execution.objects.filter(Among("id", ids)).ended(Status.COMPLETED, None)
)
_CANCEL_WAITS = Statement(
    lambda ids: Wait.objects.filter(Among("execution_id", ids)).resolve(WaitStatus.CANCELLED)
)
_TELL = Statement(lambda ids: Wait.objects.tell(ids))
_CLOSE_ATTEMPTS = Statement(
    lambda ids: StepRun.objects.filter(Among("execution_id", ids)).close(
        StepStatus.CANCELLED, ended_at=clock.now()
    )
)


#: executions with a wait or a parked attempt to close; usually none whose last step went well
_UNCLOSED = Statement(
    lambda ids: (
        Execution.objects.filter(Among("id", ids))
        .filter(
            Exists(
                Wait.objects.filter(execution=OuterRef("pk")).filter(
                    Q(status=WaitStatus.OPEN) | Q(told=False)
                )
            )
            | Exists(StepRun.objects.filter(execution=OuterRef("pk"), status=StepStatus.WAITING))
        )
        .order_by()
        .values_list("pk", flat=True)
    )
)


def finish_completed(executions: Sequence[tuple[UUID, bool]]) -> None:
    """Complete running executions in the transaction of their last checkpoint.

    ``executions`` are pairs of id and whether the last visit had waits; the caller has locked
    the rows and knows that nobody asked to cancel them.
    """
    _COMPLETED(ids=[pk for pk, _ in executions])
    journaled = [pk for pk, has_waits in executions if has_waits]
    if journaled:
        close(_UNCLOSED(ids=journaled))


def finish(rows: ExecutionQuerySet, target: Status, error: Error = None, **beside: Any) -> bool:
    """Move the executions that ``rows`` selects to a final status; False if none may move.

    The rows are guarded or locked. Their open waits and parked attempts are closed in the same
    transaction, which the caller has opened.
    """
    if target != Status.COMPLETED:
        leave(rows)
        return bool(rows.ended(target, error, **beside))
    ids = list(rows.values_list("pk", flat=True))
    if not rows.ended(target, error, **beside):
        return False
    close(ids)
    return True


def leave(rows: ExecutionQuerySet) -> None:
    """Close the waits and the attempt of the step that each execution leaves."""
    standing = list(rows.order_by().values_list("pk", "path", "recoveries"))
    close([pk for pk, *_ in standing])
    for pk, path, recoveries in standing:
        if path.startswith(ROLLBACK):
            if run := Position(path).undone_run:
                _close_compensation(run)
        elif recoveries:
            _note_crash(Execution.objects.light().get(pk=pk))


def _note_crash(row: Execution) -> None:
    """Record a failed attempt if workers died in it and it will not run again: outcome unknown."""
    if row.steps.filter(path=row.path, visit=row.visit, attempt=row.attempt).exists():
        return
    at = completed_after(clock.read(database()), row.last_completed_at)
    message = f"{row.recoveries} workers died in this attempt; its outcome is unknown"
    StepRun.objects.create(
        execution=row,
        path=row.path,
        visit=row.visit,
        attempt=row.attempt,
        status=StepStatus.FAILED,
        input=row.data if row.data is not None or row.parent is None else row.parent.data,
        error=described("StepCrashed", message, row.path, Position.of(row).tried),
        recoveries=row.recoveries,
        started_at=at,
        ended_at=at,
    )


def _close_compensation(run_id: str) -> None:
    """Close a step run's parked compensation, whose record belongs to the step's own execution."""
    undone = StepRun.objects.get(pk=run_id)
    parked = StepRun.objects.parked(undone.execution_id).filter(compensation=True)
    parked.filter(path=undone.path, visit=undone.visit).close(
        StepStatus.CANCELLED, ended_at=clock.now()
    )


def close(executions: Sequence[UUID]) -> None:
    """Close the open waits of executions, and the attempts parked in them."""
    ids = list(executions)
    if not ids:
        return
    _CANCEL_WAITS(ids=ids)
    _TELL(ids=ids)
    _CLOSE_ATTEMPTS(ids=ids)
