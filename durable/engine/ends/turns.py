"""The turns of a foreach: which items may run, and how finished items pass turns to the next.

The items share no row: a finished item releases the next with SKIP LOCKED. In a sequence
(``concurrency=1``) it also hands on the data. A batch has one turn, held (``released``) by its
first unwritten item; the other items of the batch run without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Exists, OuterRef, Sum
from django.db.models.functions import Length

from durable import clock, codec, conf
from durable.authoring.nodes.tree import Foreach, Node
from durable.authoring.parse import registry
from durable.engine.row import merge, reasons
from durable.engine.row.held import Claim, Heir
from durable.models import Execution
from durable.models.execution import ExecutionQuerySet
from durable.models.fields import Stored
from durable.states import Status
from durable.storage.transaction import connection, lock

Block = tuple[UUID, str, int]  # the parent, the block's path, the visit


def is_sequence(block: Node | None) -> bool:
    """Whether the items run one after the other, each on the data of the one before."""
    return isinstance(block, Foreach) and block.concurrency == 1 and block.collect_as is None


def batch_size(block: Node | None) -> int:
    """How many items one claim takes; 1 in a sequence, whose items pass data on."""
    return block.batch_size if isinstance(block, Foreach) and not is_sequence(block) else 1


def waiting_for_turn(block: Block) -> ExecutionQuerySet:
    """The items of a block without a turn, in order."""
    return (
        Execution.objects.of_block(*block)
        .filter(released=False, status=Status.PENDING)
        .order_by("index")
    )


def release_next(block: Block, turns: int, handed_on: str | None) -> int:
    """Give up to ``turns`` more items a turn; return how many got one.

    No item gets one while the block is paused. ``handed_on``: the previous item's data, in a
    sequence.
    """
    if turns <= 0:
        return 0
    if handed_on is None:
        return _release(block, turns)
    paused = Execution.objects.filter(pk=OuterRef("parent_id"), status=Status.PAUSED)
    rows = lock(waiting_for_turn(block).filter(~Exists(paused)), skip_locked=True)
    chosen = rows.values_list("pk", "base", "data", "started_at").first()
    if chosen is None:
        return 0
    pk, base, data, started_at = chosen
    begun = _rebased(handed_on, base, data) if started_at is not None else handed_on
    rows = Execution.objects.filter(pk=pk)
    return rows.give_turn(base=Stored(handed_on), data=Stored(begun))


_RELEASE = """
WITH chosen AS MATERIALIZED (
  SELECT id FROM durable_execution
  WHERE parent_id = %s AND parent_path = %s AND parent_visit = %s
    AND NOT released AND status = 'pending'
    AND NOT EXISTS (SELECT 1 FROM durable_execution WHERE id = %s AND status = 'paused')
  ORDER BY "index" LIMIT %s {lock}
)
UPDATE durable_execution SET released = {true}, ready_at = {now}
WHERE id IN (SELECT id FROM chosen)
"""


def _release(block: Block, turns: int) -> int:
    """``release_next`` without data to hand on, in one statement: each item's end sends it."""
    conn = connection()
    postgres = conn.vendor == "postgresql"
    now, present = clock.now_sql(conn)
    parent = block[0] if postgres else block[0].hex
    sql = _RELEASE.format(
        lock="FOR NO KEY UPDATE SKIP LOCKED" if postgres else "",
        true="true" if postgres else "1",
        now=now,
    )
    with conn.cursor() as cursor:
        cursor.execute(sql, [parent, *block[1:], parent, turns, *present])
        return int(cursor.rowcount)


def _rebased(handed_on: str, base: Any, data: Any) -> str:
    """The data of a revived item: its own earlier changes, applied to the data handed on."""
    changed = merge.apply(codec.loads(handed_on), merge.changes(base, data), base)
    return codec.dumps(changed, keep_increments=True, limit=1 << 30)


def hand_on(
    block: Block,
    items: Sequence[UUID],
    data: str | None,
    heir: Heir | None = None,
    *,
    paused: bool = False,
) -> None:
    """Pass the turns of finished items to the next ones; mark turns left over for the parent.

    ``heir`` is the next item of the same batch: it inherits the batch's one turn. If ``paused``, it
    pauses too.
    """
    if heir is not None:
        next_one = Execution.objects.held_by(heir.execution_id, heir.fence)
        if next_one.inherit_turn(paused=paused):
            return
    if release_next(block, len(items), data) < len(items):
        Execution.objects.filter(pk__in=list(items)).mark_unreported()
    elif data is not None:
        _let_go_of_data(items)


def _let_go_of_data(items: Sequence[UUID]) -> None:
    """Clear the data of completed items in a sequence: the next item has it."""
    done = Execution.objects.filter(pk__in=list(items), status=Status.COMPLETED)
    done.update(base=None, data=None)


def count_alone(claim: Claim) -> None:
    """Lock the parent before an item fails, if its block allows some failures.

    Two items that fail at the same moment would not count each other. Parents are locked before
    their children.
    """
    cls = registry.get(claim.workflow, claim.version)
    node = cls.definition.tree.find(claim.parent_path) if cls is not None else None
    if claim.block is not None and isinstance(node, Foreach) and node.max_failures is not None:
        lock(Execution.objects.filter(pk=claim.block[0])).values_list("pk").first()


def after_failure(
    block: Block, node: Foreach, item: UUID, heir: Heir | None, base: str | None
) -> None:
    """Hand on the turn of a failed item; cancel the waiting items if too many have failed."""
    if is_stopped(block, node):
        _await_batches(block)
        stop_turns(block)
    hand_on(block, [item], base if is_sequence(node) else None, heir)


def _await_batches(block: Block) -> None:
    """Wait for transactions that return unstarted items of a batch to the ones without a turn.

    A later one locks the same rows first, and then sees the failure.
    """
    along = Execution.objects.of_block(*block).filter(released=False, status=Status.RUNNING)
    list(lock(along.order_by("index")).values_list("pk", flat=True))


def stop_turns(block: Block, why: str = "") -> int:
    """Cancel the items without a turn, because too many failed or for the reason ``why``."""
    waiting = waiting_for_turn(block).order_by()
    why = why or reasons.too_many_failed(block[1])
    return waiting.ended(Status.CANCELLED, None, report=False, cancel_reason=why)


def stop_if_too_large(block: Block) -> None:
    """Cancel the items without a turn once the block's results exceed ``MAX_COLLECTED_BYTES``.

    The block itself finds the excess, and fails, when the running items have ended.
    """
    rows = Execution.objects.of_block(*block).filter(status=Status.COMPLETED)
    size = rows.aggregate(size=Sum(Length("outcome")))["size"]
    if size is not None and size > int(conf.get("MAX_COLLECTED_BYTES")):
        stop_turns(block, reasons.too_large(block[1]))


def is_stopped(block: Block, node: Foreach) -> bool:
    """Whether so many items have failed that no new one starts."""
    siblings = Execution.objects.of_block(*block)
    limit: int | None = 0
    if node.on_error == "continue":
        total = siblings.count() if isinstance(node.max_failures, str) else 0
        limit = node.failure_limit(total)
    return limit is not None and siblings.filter(status=Status.FAILED).count() > limit


class Last(NamedTuple):
    """The item of a sequence that ended last, and the data for the next one."""

    item: UUID
    data: str


def mend(block: Block, node: Foreach, last: Last | None = None) -> int:
    """Give out turns that no item holds: after a pause, a retry, the death of a worker.

    ``last`` is the state of a sequence before its ended items were revived.
    """
    if not waiting_for_turn(block).exists():
        return 0
    if is_stopped(block, node):
        return stop_turns(block)
    siblings = Execution.objects.of_block(*block)
    in_flight = siblings.unfinished().filter(released=True).count()
    turns = node.concurrency - in_flight
    if turns <= 0 or not is_sequence(node):
        return release_next(block, turns, None)
    last = last or last_in_sequence(block)
    begun = release_next(block, turns, last.data) if last is not None else 0
    if begun and last is not None:
        _let_go_of_data([last.item])
    return begun


def last_in_sequence(block: Block) -> Last | None:
    """The item of a sequence that ended last, with the data for the next; ``None`` if none has."""
    ended = Execution.objects.of_block(*block).filter(base__isnull=False, finished_at__isnull=False)
    last = ended.order_by("-finished_at", "-index").only("status", "base", "data").first()
    if last is None:
        return None
    end = last.data if last.status == Status.COMPLETED else last.base
    return Last(last.pk, codec.dumps(end, keep_increments=True, limit=1 << 30))
