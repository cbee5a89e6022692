"""The turns of a foreach: which items may be worked on, handed from finished ones to the next.

No row is shared by the items: a finished one releases the next with SKIP LOCKED. An item in
sequence (``concurrency=1``) also hands on the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from durable import clock
from durable.engine.transaction import lock
from durable.models import Execution
from durable.models.fields import Stored
from durable.states import Status

Block = tuple[UUID, str, int]  # the parent, the block's path, the visit


def waiting_for_turn(block: Block) -> Any:
    """The items of a block that have not had their turn, in order."""
    return (
        Execution.objects.of_block(*block)
        .filter(released=False, status=Status.PENDING)
        .order_by("index")
    )


def release_next(block: Block, turns: int, handed_on: str | None) -> int:
    """Let up to ``turns`` more items begin; say how many did.

    ``handed_on`` is the data of the item before, for blocks whose items pass it on.
    """
    if turns <= 0:
        return 0
    rows = lock(waiting_for_turn(block), skip_locked=True)
    chosen = list(rows.values_list("pk", "base")[:turns])
    if not chosen:
        return 0
    changes: dict[str, Any] = {"released": True, "ready_at": clock.now()}
    if handed_on is not None and chosen[0][1] is not None:  # items in sequence carry their base
        changes |= {"base": Stored(handed_on), "data": Stored(handed_on)}
    rows = Execution.objects.filter(pk__in=[pk for pk, _ in chosen])
    return rows.update(**changes)


def hand_on(block: Block, items: Sequence[UUID], data: str | None) -> None:
    """Finished items give their turns to the next ones; the last to finish tell the parent."""
    if release_next(block, len(items), data) < len(items):
        Execution.objects.filter(pk__in=list(items)).update(unreported=True)


def stop_turns(block: Block) -> int:
    """No new item starts: those that have not had their turn are cancelled."""
    return (
        waiting_for_turn(block)
        .order_by()
        .move(Status.CANCELLED, released=True, finished_at=clock.now())
    )
