"""Go on where something has failed: with fresh attempts, keeping all that is done."""

from __future__ import annotations

from typing import Any

from django.db.models import F

from durable import clock
from durable.authoring import registry
from durable.authoring.tree import Foreach
from durable.engine.ends import turns
from durable.engine.row import journal
from durable.engine.row.position import Position
from durable.models import Execution, StepRun
from durable.states import FINAL, Status, StepStatus


def retry(execution: Execution, *, restart_step: bool) -> None:
    """Continue a failed execution at its step, with fresh attempts."""
    deadline = _new_deadline(execution)
    if restart_step:
        restart(execution)
    else:
        journal.reopen(execution.pk, execution.path, execution.visit)
    at = Position.of(execution)
    rows = Execution.objects.filter(pk=execution.pk)
    rows.due(rolls=False, out_of=FINAL, deadline_at=deadline, **at.afresh().since(at))
    revive(execution, deadline)


def _new_deadline(execution: Execution) -> Any:
    """A workflow that had run out of time gets its timeout anew, or it would fail at once."""
    cls = registry.get(execution.workflow, execution.version)
    timeout = cls.definition.options.timeout if cls is not None else None
    return execution.deadline_at if timeout is None else clock.now() + timeout


def restart(execution: Execution) -> None:
    """Forget the waits and records of the step at which an execution stands."""
    journal.forget(execution.pk, execution.path, execution.visit)
    parked = StepRun.objects.parked(execution.pk)
    parked.close(StepStatus.CANCELLED, ended_at=clock.now())


def revive(execution: Execution, deadline: Any) -> None:
    """A block that failed goes on: what failed in it or was stopped begins where it ended.

    What has completed does not run again. Items wait for their turns as before. The blocks in
    what goes on are revived likewise, however deep they are.
    """
    standing = [execution]
    while standing:
        standing += _revive_below(standing.pop(), deadline)


def _revive_below(execution: Execution, deadline: Any) -> list[Execution]:
    """Revive the parts of the block at which an execution stands; those that had begun."""
    block = (execution.pk, execution.path, execution.visit)
    ended = Execution.objects.of_block(*block).filter(status__in=(Status.FAILED, Status.CANCELLED))
    begun = list(ended.filter(started_at__isnull=False).order_by("index"))
    for row in begun:
        journal.reopen(row.pk, row.path, row.visit)
    changes: dict[str, Any] = {
        "recoveries": 0,
        "attempt_floor": F("attempt"),
        "attempt": F("attempt") + 1,
        "cancel_requested_at": None,
        "cancel_reason": "",
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
