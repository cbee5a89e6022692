"""Claim due executions for a worker: the SQL of a claim, of batches, and of waking sleepers."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Case, Exists, OuterRef, When

from durable import clock
from durable.authoring.parse import registry
from durable.engine.ends import tree_of
from durable.engine.ends.trip import trip_unclaimed
from durable.engine.ends.turns import batch_size, waiting_for_turn
from durable.engine.row import reasons
from durable.engine.row.held import Claim, text_of
from durable.engine.row.journal import Journal
from durable.engine.row.position import COLUMNS as POSITION
from durable.engine.row.position import Position
from durable.models import PARTS, Execution, Queue, Record, Role, Wait
from durable.models.given import Among
from durable.states import Status, WaitKind, WaitStatus
from durable.storage.failpoints import reach
from durable.storage.reconnect import is_unavailable
from durable.storage.statement import Statement
from durable.storage.transaction import connection, in_transaction, lock, savepoint

logger = logging.getLogger("durable.engine")

#: so few that their index is read, even if PostgreSQL believes that a third of all rows is due
PROMOTED_AT_ONCE = 100
LOOK_AGAIN = timedelta(seconds=1)


#: columns read for a claim: the first are converted, the second copied into it unchanged
_MADE_OVER = (
    "id",
    "status",
    "fence",
    "cancel_requested_at",
    "stored",
    "own_base",
    "own_input",
    "present",
    "recorded",
)
_COLUMNS = (
    *("root_id", "role", "parent_id", "parent_path", "parent_visit", "released", "rank"),
    *("workflow", "version", "kind", "queue", "home_queue"),
    *("deadline_at", "last_completed_at", "pause_requested"),
)
_READ = (*_MADE_OVER, *_COLUMNS, *POSITION)


def claim_due(worker: UUID, queue: str, kinds: Iterable[str], limit: int) -> list[Claim]:
    """Claim up to ``limit`` ready executions of ``queue``: priority first, then due time.

    Waits past their deadline get their outcome here, before their step runs again. An engine error
    counts against the execution whose row raised it, and the others are still claimed; an error
    of an unavailable database is raised.
    """
    kinds = list(kinds)
    try:
        with savepoint():
            return _claim_due(worker, queue, kinds, limit)
    except Exception as error:
        if is_unavailable(error):
            raise
        logger.info("could not claim %s executions of %r together", limit, queue, exc_info=error)
        return _one_by_one(worker, queue, kinds, limit)


def _one_by_one(worker: UUID, queue: str, kinds: Sequence[str], limit: int) -> list[Claim]:
    """Claim rows singly after ``_claim_due`` failed on them together; count each one that fails.

    Earlier claims stand: an error that no execution can be blamed for ends the loop, and is raised
    only if nothing has been claimed.
    """
    claims: list[Claim] = []
    ready = Execution.objects.ready(queue, kinds).values_list("pk", "workflow", "version")
    for pk, workflow, version in list(ready[:limit]):
        try:
            with savepoint():
                claims += _claim_due(worker, queue, kinds, 1, only=pk)
        except Exception as error:
            cls = registry.get(workflow, version)
            if cls is None or is_unavailable(error):
                if claims:
                    break
                raise
            trip_unclaimed(pk, error, cls.definition.options.max_recoveries)
    return claims


@in_transaction
def _claim_due(
    worker: UUID, queue: str, kinds: Sequence[str], limit: int, *, only: UUID | None = None
) -> list[Claim]:
    kinds, touched = list(kinds), False
    found = _FREELY_READY(queue=queue, kinds=kinds, limit=limit) if only is None else []
    if not found and (touched := bool(_TOUCHED(name=queue))):
        limit = Queue.objects.room(queue, limit)
    if limit <= 0:
        return []
    if only is not None:
        found = _THE_READY(queue=queue, kinds=kinds, only=only)
    elif touched:
        found = _READY(queue=queue, kinds=kinds, limit=limit)
    rows = [dict(zip(_READ, row, strict=True)) for row in found]
    if not rows:
        return []
    parked = [row["id"] for row in rows if row["status"] != Status.PENDING]
    if parked and (answering := _expire(parked)):
        rows = [row for row in rows if row["id"] not in answering]
    ids = [row["id"] for row in rows]
    claims = [_claim(row, worker) for row in rows]
    rolling = any(claim.is_compensating for claim in claims)
    taken = (_HELD_OR_ROLLING if rolling else _HELD)(ids=ids, worker=worker)
    if taken != len(ids):  # the rows are locked, or the whole database is: this can't be
        raise RuntimeError(f"claimed {taken} of {len(ids)} locked executions")
    _fill_batches(claims)
    _read_journals(rows, claims)
    reach("claim.before_commit")
    return claims


def _read(rows: Any) -> Any:
    """The columns of a claim, with data as stored text, and whether its visit has records."""
    here = {"execution": OuterRef("pk"), "path": OuterRef("path"), "visit": OuterRef("visit")}
    return rows.annotate(
        stored=text_of("data"),
        own_base=text_of("base"),
        own_input=text_of("input"),
        present=clock.now(),
        recorded=Case(
            When(journaled=True, then=Exists(Record.objects.filter(**here))), default=False
        ),
    ).values_list(*_READ)


_TOUCHED = Statement(lambda name: Queue.objects.filter(name=name).values_list("name", flat=True))


def _ready(queue: Any, kinds: Any) -> Any:
    return lock(Execution.objects.ready(queue, kinds), skip_locked=True)


def _freely_ready(queue: Any, kinds: Any) -> Any:
    """Ready rows of a queue that is neither paused nor limited, as nearly all are."""
    return _ready(queue, kinds).filter(~Exists(Queue.objects.filter(name=queue)))


_FREELY_READY = Statement(lambda queue, kinds: _read(_freely_ready(queue, kinds)), limited=True)
_READY = Statement(lambda queue, kinds: _read(_ready(queue, kinds)), limited=True)
_THE_READY = Statement(lambda queue, kinds, only: _read(_ready(queue, kinds).filter(pk=only)))
_HELD = Statement(
    lambda ids, worker: Execution.objects.filter(Among("id", ids), ready_at__isnull=False).held(
        worker, rolls=False
    )
)
_HELD_OR_ROLLING = Statement(
    lambda ids, worker: Execution.objects.filter(Among("id", ids), ready_at__isnull=False).held(
        worker
    )
)


def _read_journals(rows: Sequence[dict[str, Any]], claims: Sequence[Claim]) -> None:
    """Read the journals of the claims that go on in a visit, all together."""
    known = {claim.execution_id: claim for claim in claims if claim.at.journaled}
    if not known:
        return
    paths = {pk: claim.at.path for pk, claim in known.items()}
    recorded = [row["id"] for row in rows if row["recorded"]]
    for pk, journal in Journal.of_rows(paths, recorded).items():
        known[pk].journal = known[pk].at, journal


def _fill_batches(claims: Sequence[Claim]) -> None:
    """Let items of a block with a ``batch_size`` take along items that wait for their turn.

    An item in which a worker died runs alone, so that the culprit is known.
    """
    blocks: dict[Any, list[Claim]] = {}
    for claim in claims:
        if claim.role == Role.ITEM and not claim.at.recoveries and claim.status == Status.RUNNING:
            blocks.setdefault((claim.block, claim.queue), []).append(claim)
    for (block, queue), heads in blocks.items():
        cls = registry.get(heads[0].workflow, heads[0].version)
        size = batch_size(cls.definition.tree.find(block[1]) if cls is not None else None)
        if size > 1:
            _take_along(block, queue, heads, size - 1)


def _take_along(block: Any, queue: str, heads: Sequence[Claim], each: int) -> None:
    waiting = waiting_for_turn(block).filter(recoveries=0, queue=queue)
    rows = _read(lock(waiting, skip_locked=True))[: each * len(heads)]
    found = [dict(zip(_READ, row, strict=True)) for row in rows]
    if not found:
        return
    worker = heads[0].worker
    Execution.objects.filter(pk__in=[row["id"] for row in found]).held(worker, rolls=False)
    share = -(-len(found) // len(heads))
    for number, head in enumerate(heads):
        part = found[number * share : (number + 1) * share]
        head.rest = [_claim(row, worker) for row in part]


def stop_overdue_children(parents: list[UUID]) -> None:
    """Cancel the children whose parents' waits have timed out."""
    overdue = Execution.objects.unfinished().filter(
        awaited_by__execution__in=parents, awaited_by__status=WaitStatus.TIMED_OUT
    )
    for child in overdue.select_related("parent"):
        assert child.parent is not None
        tree_of.stop(Execution.objects.filter(pk=child.pk), reasons.timed_out(child.parent))


def _expired(ids: Any) -> Any:
    return Wait.objects.expired().filter(Among("execution_id", ids))


_EXPIRED = Statement(lambda ids: _expired(ids).values_list("pk", flat=True))
_FREE_TO_EXPIRE = Statement(
    lambda ids: lock(_expired(ids), skip_locked=True).values_list("pk", "kind")
)
_EXPIRE = Statement(lambda waits: Wait.objects.filter(Among("id", waits)).expire())


def _expire(parked: list[UUID]) -> set[UUID]:
    """Time out waits past their deadline; return executions whose wait is locked by an answer.

    A transaction that is still open may be answering such a wait. It is not waited for: its
    execution is looked at again ``LOOK_AGAIN`` later.
    """
    if not (expired := set(_EXPIRED(ids=parked))):
        return set()
    free = dict(_FREE_TO_EXPIRE(ids=parked))
    if _EXPIRE(waits=list(free)) and WaitKind.CHILD in free.values():
        stop_overdue_children(parked)
    if expired <= free.keys():
        return set()
    answering = set(_expired(parked).values_list("execution_id", flat=True))
    if answering:
        Execution.objects.filter(pk__in=answering).parked(clock.now() + LOOK_AGAIN)
    return answering


def _claim(row: dict[str, Any], worker: UUID) -> Claim:
    return Claim(
        execution_id=row["id"],
        worker=worker,
        data=row["stored"],
        at=Position.read(row[name] for name in POSITION),
        base=row["own_base"],
        element=row["own_input"] if row["role"] in PARTS else None,
        status=Status.COMPENSATING if row["status"] == Status.COMPENSATING else Status.RUNNING,
        claimed_at=clock.precise(row["present"], connection()),
        fence=row["fence"] + 1,
        cancel_requested=row["cancel_requested_at"] is not None,
        **{name: row[name] for name in _COLUMNS},
    )


_SLEEPERS = Statement(
    lambda: lock(Execution.objects.sleepers_due(), skip_locked=True).values_list("pk", flat=True),
    limited=True,
)
_PROMOTED = Statement(lambda ids: Execution.objects.filter(Among("id", ids)).promoted())


@in_transaction
def promote(limit: int = PROMOTED_AT_ONCE) -> int:
    """Make sleepers ready when their time has come: a start, a retry, a timer, a deadline."""
    ids = _SLEEPERS(limit=limit)
    return _PROMOTED(ids=ids) if ids else 0
