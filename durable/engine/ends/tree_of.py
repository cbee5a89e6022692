"""Find and stop the executions below an execution."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from uuid import UUID

from django.db.models import Q

from durable.engine.ends.finish import finish
from durable.engine.row.position import Position
from durable.models import Execution, Role
from durable.models.execution import ExecutionQuerySet
from durable.states import ROLLBACK, Status
from durable.storage.rowset import in_portions
from durable.storage.transaction import lock

#: executions that their parent waits for: branches, items, and children of call_workflow
AWAITED = Q(awaited=True)


def live_below(*executions: UUID) -> ExecutionQuerySet:
    """The unfinished awaited executions directly below ``executions``."""
    return Execution.objects.unfinished().filter(AWAITED, parent__in=executions)


def stop(rows: ExecutionQuerySet, why: str) -> None:
    """Cancel executions and all below them.

    All of them get ``why`` as their reason (see ``row/reasons``). A running row ends with its
    step's checkpoint, a row that rolls back as a whole with its rollback; until then the rows above
    wait for it.
    """
    _stop(_locked(rows.unfinished()), why)


def stop_below(execution: Execution, why: str, *, cancelled: bool = False) -> bool:
    """Cancel the unfinished executions below one; True if all awaited ones have ended.

    ``cancelled``: the execution itself is cancelled, so children started with
    ``on_cancel="cancel"`` are cancelled too.
    """
    below = _locked_below([execution.pk], why, cancelled=cancelled)
    staying = _stop(below, why)
    return not any(row.awaited and row.pk in staying for row in below)


def _stop(level: list[Execution], why: str) -> set[UUID]:
    """Cancel the locked rows of ``level`` and all below; return those that end later.

    Each level is read once the level above is locked: nobody adds to it then. Running rows, rows
    that roll back as a whole, and rows that await one of these end later, by themselves.
    """
    levels: list[list[Execution]] = []
    undoing: set[UUID] = set()
    while level:
        levels.append(level)
        undoing |= {row.pk for row in level if _undoes_all(row)}
        parents = [row.pk for row in level if row.pk not in undoing]
        level = _locked_below(parents, why, cancelled=True)
    ending: list[UUID] = []
    staying: set[UUID] = set()
    above_them: set[UUID | None] = set()
    for row in chain.from_iterable(reversed(levels)):
        if row.status == Status.RUNNING or row.pk in undoing or row.pk in above_them:
            staying.add(row.pk)
            if row.awaited:
                above_them.add(row.parent_id)
        else:
            ending.append(row.pk)
    for ids in in_portions([*staying, *ending]):
        Execution.objects.filter(pk__in=ids).ask_to_cancel(why)
    for ids in in_portions(ending):
        finish(Execution.objects.filter(pk__in=ids), Status.CANCELLED)
    for ids in in_portions([*staying]):
        _hurry(Execution.objects.filter(pk__in=ids))
    return staying


def _undoes_all(row: Execution) -> bool:
    """Whether the execution rolls back as a whole; frames are read only for paths in a rollback."""
    return row.path.startswith(ROLLBACK) and Position.of(row).undoes_all


def _locked(rows: ExecutionQuerySet) -> list[Execution]:
    return list(lock(rows.light().order_by("id")))  # so that no worker claims them meanwhile


def _locked_below(parents: Sequence[UUID], why: str, *, cancelled: bool) -> list[Execution]:
    """The unfinished executions directly below, locked; items without a turn are cancelled here."""
    ending = AWAITED | Q(cancelled_with_parent=True) if cancelled else AWAITED
    found: list[Execution] = []
    for ids in in_portions(parents):
        items = live_below(*ids).filter(role=Role.ITEM, released=False, status=Status.PENDING)
        items.ended(Status.CANCELLED, None, report=False, cancel_reason=why)
        found += _locked(Execution.objects.unfinished().filter(ending, parent__in=ids))
    return found


def _hurry(rows: ExecutionQuerySet) -> None:
    """Make paused and blocked executions due, so that a worker brings them to their end."""
    rows.filter(status__in=(Status.PAUSED, Status.BLOCKED)).due()
