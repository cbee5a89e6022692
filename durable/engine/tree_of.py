"""The executions below an execution: which are alive, and how they are stopped."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from durable import clock
from durable.engine.finish import finish
from durable.models import Execution, Role
from durable.states import Status

#: what an execution waits for: its branches, its items, and children of call_workflow
AWAITED = Q(awaited=True)


def below(execution: Execution) -> Any:
    """The awaited executions directly below."""
    return Execution.objects.filter(AWAITED, parent=execution)


def live_below(execution: Execution) -> Any:
    """Those that are not finished."""
    return below(execution).unfinished()


def stop(execution: Execution) -> bool:
    """Cancel an execution and all below it; True if nothing of it is alive any more.

    What is in a step ends with that step's checkpoint; until then those above wait for it.
    """
    rows = Execution.objects.filter(pk=execution.pk)
    rows.filter(cancel_requested_at__isnull=True).update(cancel_requested_at=clock.now())
    _stop_unstarted(execution)
    alive = [child for child in live_below(execution) if not stop(child)]
    current = rows.values_list("status", flat=True).get()
    if current in (Status.RUNNING, Status.COMPENSATING) or alive:
        return False
    finish(rows, Status.CANCELLED)
    return True


def _stop_unstarted(execution: Execution) -> None:
    """Items without a turn end in one statement, however many there are."""
    below(execution).filter(role=Role.ITEM, released=False, status=Status.PENDING).move(
        Status.CANCELLED, released=True, finished_at=clock.now()
    )
