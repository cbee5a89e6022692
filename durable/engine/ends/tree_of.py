"""The executions below an execution: which are alive, and how they are stopped."""

from __future__ import annotations

from django.db.models import Q

from durable.engine.ends.finish import finish
from durable.engine.row.position import Position
from durable.models import Execution, Role
from durable.models.execution import ExecutionQuerySet
from durable.states import Status
from durable.storage.transaction import lock

#: what an execution waits for: its branches, its items, and children of call_workflow
AWAITED = Q(awaited=True)


def below(execution: Execution) -> ExecutionQuerySet:
    """The awaited executions directly below."""
    return Execution.objects.filter(AWAITED, parent=execution)


def live_below(execution: Execution) -> ExecutionQuerySet:
    """Those that are not finished."""
    return below(execution).unfinished()


def stop(execution: Execution, why: str) -> bool:
    """Cancel an execution and all below it; True if nothing of it is alive any more.

    All of them get ``why`` as their reason (see ``row/reasons``). What is in a step ends with that
    step's checkpoint; until then those above wait for it.
    """
    rows = Execution.objects.filter(pk=execution.pk)
    current = lock(rows).get()  # so that no worker claims it meanwhile
    if current.is_finished:
        return True
    rows.ask_to_cancel(why)
    if Position.of(current).undoes_all:
        _hurry(rows, current)
        return False
    ended = stop_below(execution, why)
    if current.status == Status.RUNNING:
        return False
    if not ended:
        _hurry(rows, current)
        return False
    finish(rows, Status.CANCELLED)
    return True


def stop_below(execution: Execution, why: str) -> bool:
    """Cancel what is alive below an execution; True if nothing of it is any more."""
    _stop_unstarted(execution, why)
    alive = [child for child in live_below(execution) if not stop(child, why)]
    return not alive


def _hurry(rows: ExecutionQuerySet, execution: Execution) -> None:
    """What nobody would move, but has to reach its end."""
    if execution.status in (Status.PAUSED, Status.BLOCKED):
        rows.due()


def _stop_unstarted(execution: Execution, why: str) -> None:
    """Items without a turn end in one statement, however many there are."""
    items = below(execution).filter(role=Role.ITEM, released=False, status=Status.PENDING)
    items.ended(Status.CANCELLED, None, report=False, cancel_reason=why)
