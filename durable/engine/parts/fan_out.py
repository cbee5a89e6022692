"""Open a block: insert its branches or items as executions, and park the parent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from django.db import Error

from durable import clock, codec
from durable.authoring.nodes.tree import Chain, Foreach, Leaf, Parallel
from durable.engine.ends.release import give_back, hold, park
from durable.engine.ends.turns import is_sequence
from durable.engine.parts import item_rows
from durable.engine.parts.bases import without_increments
from durable.engine.row import walk
from durable.engine.row.held import Claim
from durable.engine.row.position import encode
from durable.engine.row.settled import let_go, let_go_before, settled_by
from durable.errors import DurableError
from durable.models import Execution, Role
from durable.models.fields import Stored, uuid7
from durable.states import Status
from durable.storage.failpoints import reach
from durable.storage.reconnect import is_unavailable, persist
from durable.storage.transaction import connection, in_callers_transaction, in_transaction

PORTION = 1000


@settled_by(let_go_before)
@in_transaction
def open_parallel(claim: Claim, node: Parallel) -> None:
    """Insert the branches, each with its own copy of the data, and park the parent."""
    if hold(claim).stops:
        give_back(claim)
        return
    data = without_increments(claim.data)
    _store(claim)
    Execution.objects.bulk_create(
        [
            _child(claim, Role.BRANCH, index, name, body, node.path, data)
            for index, (name, body) in enumerate(node.branches.items())
        ]
    )
    park(claim, claim.deadline_at)
    reach("fan_out.before_commit")


def open_foreach(claim: Claim, node: Foreach, items: Iterable[Any]) -> bool:
    """Insert the items as executions, and give the first ones turns; False if there are none.

    The iterable is read once, in portions. If the connection breaks before the commit, nothing is
    repeated here: the next claim of the block reads the items anew.
    """
    try:
        return bool(_open_foreach(claim, node, items))
    except Error as error:
        if connection().in_atomic_block or not is_unavailable(error):
            raise
        if not persist(lambda: let_go(claim)):
            raise
        return True


@in_callers_transaction
def _open_foreach(claim: Claim, node: Foreach, items: Iterable[Any]) -> int:
    """Insert the items and return how many there are; without any, nothing is written."""
    if hold(claim).stops:
        give_back(claim)
        return 1
    sequence = is_sequence(node)
    data = without_increments(claim.data)
    # frames of catches hold no data: an item gets its data only with its turn
    template = _child(claim, Role.ITEM, 0, "", node.body, node.path, None)
    template.base = template.data = Stored(data) if sequence else None
    number = 0
    for portion in _portions(items):
        rows = []
        for item in portion:
            element = codec.dumps({"item": item, "index": number}, path=f"items[{number}]")
            rows.append(item_rows.Item(uuid7(), number, element))
            number += 1
        item_rows.insert(template, rows, node.concurrency)
    if number:
        _store(claim)
        park(claim, claim.deadline_at)
        reach("fan_out.before_commit")
    return number


def _store(claim: Claim) -> None:
    """Write an item's data to the row, usually without it: parts start with this data."""
    if claim.role == Role.ITEM:
        claim.row().update(data=Stored(claim.data))


def _child(
    claim: Claim, role: Role, index: int, name: str, body: Chain, block: str, data: str | None
) -> Execution:
    path, frames = walk.start_of(body, data)
    start = body.nodes[0]
    own_queue = start.step.queue if isinstance(start, Leaf) else None
    return Execution(
        id=uuid7(),
        root_id=claim.root_id,
        parent_id=claim.execution_id,
        parent_path=block,
        parent_visit=claim.at.visit,
        role=role,
        index=index,
        branch=name,
        awaited=True,
        workflow=claim.workflow,
        version=claim.version,
        kind=claim.kind,
        status=Status.PENDING,
        queue=own_queue or claim.home_queue,
        home_queue=claim.home_queue,
        rank=claim.rank,
        ready_at=clock.now(),
        path=path,
        visit=1,
        frames=encode(frames),
        input=Stored(claim.element) if claim.element is not None else None,
        data=Stored(data) if data is not None else None,
        created_at=clock.now(),
        deadline_at=claim.deadline_at,
        last_completed_at=claim.last_completed_at,
    )


def _portions(items: Iterable[Any]) -> Iterator[list[Any]]:
    if isinstance(items, str | bytes | dict) or not isinstance(items, Iterable):
        raise DurableError(f"foreach needs an iterable of items, not {type(items).__name__}")
    iterator = iter(items)
    while portion := list(islice(iterator, PORTION)):
        yield portion
