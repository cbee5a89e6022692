"""End executions: the one owner of every final status, and of what must not outlive it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import Case, F, Value, When

from durable import clock
from durable.models import Execution, Role, StepRun, Wait
from durable.states import Status, StepStatus, WaitStatus

_RELEASED: dict[str, Any] = {
    "worker": None,
    "ready_at": None,
    "wake_at": None,
    # an item's parent is told when no other item took its turn: see ``turns``
    "unreported": Case(When(role=Role.ITEM, then=Value(False)), default=F("awaited")),
}


def finish_completed(executions: Sequence[tuple[UUID, bool]]) -> None:
    """Complete running executions in the transaction of their last checkpoint.

    ``executions`` are pairs of id and whether the last visit had waits; the caller has locked
    the rows and knows that nobody asked to cancel them.
    """
    ids = [pk for pk, _ in executions]
    Execution.objects.filter(pk__in=ids).move(
        Status.COMPLETED, finished_at=clock.now(), **_RELEASED
    )
    journaled = [pk for pk, has_waits in executions if has_waits]
    if journaled:
        close(journaled)


def finish(rows: Any, target: Status, **changes: Any) -> bool:
    """Bring the execution that ``rows`` selects to a final status; False if it may not move.

    ``rows`` is a QuerySet of one guarded row. Open waits and the parked attempt are closed in
    the same transaction, which the caller has opened.
    """
    ids = list(rows.values_list("pk", flat=True))
    changes = {"finished_at": clock.now(), **_RELEASED, **changes}
    if not rows.move(target, **changes):
        return False
    close(ids)
    return True


def close(executions: Sequence[UUID]) -> None:
    """Close what finished executions leave open: waits, and an attempt parked in one."""
    Wait.objects.filter(execution__in=executions).resolve(WaitStatus.CANCELLED)
    Wait.objects.tell(executions)
    for pk in executions:
        StepRun.objects.close_parked(pk, StepStatus.CANCELLED, ended_at=clock.now())
