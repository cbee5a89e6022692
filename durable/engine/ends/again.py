"""Retry failed executions in place: fresh attempts from where each one failed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import F

from durable import clock
from durable.authoring.nodes.tree import Foreach
from durable.authoring.parse import registry
from durable.engine.ends import turns
from durable.engine.row import journal
from durable.engine.row.position import Position
from durable.models import Execution, StepRun
from durable.states import FINAL, Status, StepStatus

#: the columns of an execution without a request to cancel
_UNASKED: dict[str, Any] = {
    "cancel_requested_at": None,
    "cancel_reason": "",
    "cancel_compensate": False,
}


def retry(execution: Execution, *, restart_step: bool) -> None:
    """Continue a failed execution at its step, with fresh attempts."""
    if restart_step:
        restart(execution)
    go_on([execution])


def go_on(executions: Iterable[Execution]) -> None:
    """Continue failed or stopped executions in place, with all below that failed or stopped too.

    Completed steps do not run again. Each execution begins where it ended, with fresh attempts, and
    so do its branches, its items, and the children of ``call_workflow`` that it waited for.
    """
    standing = list(executions)
    while standing:
        execution = standing.pop()
        deadline = _new_deadline(execution)
        at = Position.of(execution)
        Execution.objects.filter(pk=execution.pk).due(
            rolls=False,
            out_of=FINAL,
            deadline_at=deadline,
            outcome=None,
            **_UNASKED,
            **at.afresh().since(at),
        )
        blocks = [execution]
        while blocks:
            block = blocks.pop()
            standing += journal.reopen(block.pk, block.path, block.visit)
            blocks += _revive_below(block, deadline)


def _new_deadline(execution: Execution) -> Any:
    """A full workflow timeout from now, as an expired deadline would fail the retry at once.

    Without a timeout the deadline stays.
    """
    cls = registry.get(execution.workflow, execution.version)
    timeout = cls.definition.options.timeout if cls is not None else None
    return execution.deadline_at if timeout is None else clock.now() + timeout


def restart(execution: Execution) -> None:
    """Delete the waits and records of an execution's current step, and close its parked attempt."""
    journal.forget(execution.pk, execution.path, execution.visit)
    parked = StepRun.objects.parked(execution.pk)
    parked.close(StepStatus.CANCELLED, ended_at=clock.now())


def _revive_below(execution: Execution, deadline: Any) -> list[Execution]:
    """Revive the failed or cancelled parts of an execution's block; return the started ones.

    Items wait for their turns as before.
    """
    block = (execution.pk, execution.path, execution.visit)
    ended = Execution.objects.of_block(*block).filter(status__in=(Status.FAILED, Status.CANCELLED))
    begun = list(ended.filter(started_at__isnull=False).order_by("index"))
    changes: dict[str, Any] = {
        "recoveries": 0,
        "attempt_floor": F("attempt"),
        "attempt": F("attempt") + 1,
        **_UNASKED,
        "deadline_at": deadline,
    }
    cls = registry.get(execution.workflow, execution.version)
    node = cls.definition.tree.find(execution.path) if cls is not None else None
    last = turns.last_in_sequence(block) if turns.is_sequence(node) else None
    if isinstance(node, Foreach):
        ended.turnless(unreported=False, out_of=FINAL, **changes)
    else:
        ended.due(rolls=False, out_of=FINAL, **changes)
    for row in begun:
        Execution.objects.filter(pk=row.pk, outcome__isnull=False).exclude(path="").update(
            outcome=None
        )
    if isinstance(node, Foreach):
        turns.mend(block, node, last)
    return begun
