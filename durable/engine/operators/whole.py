"""Apply pause, resume and retry to a whole execution: to its branches and items as well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db.models.functions import Coalesce

from durable import clock
from durable.authoring.nodes.tree import Foreach, Node
from durable.authoring.parse import registry
from durable.engine.ends import again, turns
from durable.engine.row.position import Position
from durable.models import PARTS, Execution, StepRun, Wait
from durable.states import ROLLBACK, Status
from durable.storage.transaction import lock


def _levels(execution: Execution) -> Iterator[list[Execution]]:
    """The execution, then its unfinished parts level by level, each level locked when it comes.

    Opening a block needs the lock on a row of the level above, so no part is missed.
    """
    level = [execution]
    while level:
        yield level
        level = _begun_below([row.pk for row in level])


def _begun_below(parents: list[UUID]) -> list[Execution]:
    """The unfinished parts that have a turn, locked.

    While waiting for a lock, an item may have handed its turn on, so the query is repeated.
    """
    below = Execution.objects.unfinished().filter(parent__in=parents, role__in=PARTS, released=True)
    found: list[Execution] = []
    while True:
        seen = list(below.exclude(pk__in=[row.pk for row in found]).values_list("pk", flat=True))
        if not seen:
            return found
        found += lock(below.filter(pk__in=seen).order_by("id"))


def pause(execution: Execution) -> None:
    """Pause all parts: at the next checkpoint, or at once where no step runs."""
    for level in _levels(execution):
        rows = Execution.objects.filter(pk__in=[row.pk for row in level])
        rows.ask_to_pause()
        still = rows.filter(status__in=(Status.PENDING, Status.WAITING, Status.BLOCKED))
        still.paused(resume_at=Coalesce("wake_at", "ready_at"))


def resume(execution: Execution) -> None:
    """Resume all parts after a pause; items that got a turn meanwhile begin."""
    for level in _levels(execution):
        for row in level:
            rows = Execution.objects.filter(pk=row.pk)
            if row.status == Status.PAUSED:
                _unpause(row, rows)
                _give_turns(row)
            elif row.pause_requested:
                rows.take_back_pause()


def _unpause(execution: Execution, rows: Any) -> None:
    """Park again if a wait is still open, else go on; both with the time due before the pause."""
    if Wait.objects.open().filter(execution=execution).exists():
        rows.parked(execution.resume_at, rolls=False)
    elif StepRun.objects.parked(execution.pk).filter(attempt=execution.attempt).exists():
        rows.due(rolls=False)  # answered meanwhile
    elif execution.path in ("", ROLLBACK) or _children(execution).exists():
        rows.due(rolls=False)  # looks at what is below
    else:
        rows.asleep(execution.resume_at or clock.now(), rolls=False)


def _children(execution: Execution) -> Any:
    return Execution.objects.of_block(execution.pk, execution.path, execution.visit)


def _node(execution: Execution) -> Node | None:
    cls = registry.get(execution.workflow, execution.version)
    return cls.definition.tree.find(execution.path) if cls is not None else None


def _give_turns(execution: Execution) -> None:
    node = _node(execution)
    if isinstance(node, Foreach):
        turns.mend((execution.pk, execution.path, execution.visit), node)


def unblock(execution: Execution, *, restart_step: bool) -> int:
    """Retry the blocked rows of an execution, its branches and items; return how many."""
    blocked = [r for level in _levels(execution) for r in level if r.status == Status.BLOCKED]
    for row in blocked:
        at = Position.of(row)
        if restart_step:
            again.restart(row)
        then = at.afresh() if restart_step else at
        Execution.objects.filter(pk=row.pk).due(rolls=False, **then.since(at))
    return len(blocked)
