"""Close a block: merge the results of its branches or items into the parent's data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Max

from durable import codec, conf
from durable.authoring.nodes.tree import Foreach, Parallel
from durable.authoring.self.context import apart
from durable.engine.ends import turns
from durable.engine.ends.release import hold
from durable.engine.ends.release import park as release
from durable.engine.parts.bases import without_increments
from durable.engine.row import merge
from durable.engine.row.failures import Failure, brief, from_stored
from durable.engine.row.held import Claim
from durable.engine.row.settled import let_go, settled_by
from durable.errors import Fail, ForeachFailed, NotSerializable
from durable.increments import Collected
from durable.models import Execution
from durable.states import Status
from durable.storage.transaction import in_transaction

PAGE = 1000
LISTED_ERRORS = 100


class BlockFailed(Exception):
    """The block failed; ``failure`` describes it."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.error["message"])


@dataclass(frozen=True)
class Result:
    """The result of one branch, as passed to a ``merge`` callable."""

    ok: bool
    value: Any = None
    error: dict[str, Any] | None = None


def empty(claim: Claim, node: Foreach | Parallel) -> Any:
    """The data after a foreach without items."""
    data = codec.loads(claim.data)
    if isinstance(node, Foreach):
        if node.collect_as is not None:
            data = {**data, node.collect_as: Collected()}
        if node.on_error == "continue":
            data = {**data, node.name: {"total": 0, "succeeded": 0, "failed": 0, "errors": []}}
    return data


def has_children(claim: Claim) -> bool:
    """Whether the block at the claim's position has been opened."""
    return bool(_children(claim).exists())


def is_open(claim: Claim) -> bool:
    """Whether a branch or item of the block is unfinished."""
    return bool(_children(claim).unfinished().exists())


def _parked_before(claim: Claim) -> tuple[bool] | None:
    """Whether the claim has been released already."""
    return (True,) if let_go(claim) else None


@settled_by(_parked_before)
@in_transaction
def park(claim: Claim) -> bool:
    """Park the execution at its open block; False if the last part has ended meanwhile.

    Decided under the lock of the execution's row, which a report takes too: an end reported earlier
    is seen here, one reported later finds the execution parked.
    """
    hold(claim)
    if not is_open(claim):
        return False
    release(claim, claim.deadline_at)
    return True


def _children(claim: Claim) -> Any:
    return Execution.objects.of_block(claim.execution_id, claim.at.path, claim.at.visit)


def last_completed_at(claim: Claim) -> datetime | None:
    """The latest checkpoint time in the block, or of the claim before it."""
    latest = _children(claim).aggregate(latest=Max("last_completed_at"))["latest"]
    times = [time for time in (claim.last_completed_at, latest) if time is not None]
    return max(times, default=None)


def join_parallel(claim: Claim, node: Parallel, instance: Any) -> Any:
    """The data after a parallel; ``BlockFailed`` if it failed, or an error raised by ``merge``."""
    data = codec.loads(claim.data)
    base = codec.loads(without_increments(claim.data))
    rows = {row.branch: row for row in _children(claim).order_by("index")}
    failed = [row for row in rows.values() if row.status != Status.COMPLETED]
    if failed and (node.on_error == "fail_fast" or node.merge in ("deep", "strict", "last")):
        raise BlockFailed(_parallel_failure(node, failed))
    if callable(node.merge):
        results = {name: _result(data, base, row) for name, row in rows.items()}
        return apart(node.merge, instance, data, results)
    branches = [(name, row.data) for name, row in rows.items()]
    match node.merge:
        case "strict":
            merge.check_strict(base, branches)
        case "last":
            return merge.replaced(data, base, branches[-1][1])
        case "collect":
            return {**data, node.name: {name: _collected(row) for name, row in rows.items()}}
    return merge.deep(data, base, branches)


def _result(data: Any, base: Any, row: Execution) -> Result:
    if row.status != Status.COMPLETED:
        return Result(False, row.data, row.error)
    return Result(True, merge.replaced(data, base, row.data))


def _collected(row: Execution) -> Any:
    return row.data if row.status == Status.COMPLETED else {"error": _brief(row)}


def _brief(row: Execution) -> dict[str, Any]:
    return brief(from_stored(row).error)


def _parallel_failure(node: Parallel, failed: list[Execution]) -> Failure:
    own = [row for row in failed if row.status != Status.CANCELLED] or failed
    if node.on_error == "fail_fast":
        first = min(own, key=lambda row: (row.finished_at, row.index))
        return from_stored(first)
    errors = {row.branch: _brief(row) for row in own}
    listed = "; ".join(f"{name}: {error['message']}" for name, error in errors.items())
    error = Fail(
        f"{len(errors)} branches of {node.path!r} failed: {listed}",
        type="ParallelFailed",
        details={"errors": errors},
    )
    return Failure.of(error, step=node.path, attempt=1)


def join_foreach(claim: Claim, node: Foreach) -> Any:
    """The data after a foreach; ``BlockFailed`` if more items failed than allowed."""
    data = codec.loads(claim.data)
    items = _children(claim)
    total = items.count()
    failed = items.filter(status__in=(Status.FAILED, Status.CANCELLED))
    failures = failed.filter(status=Status.FAILED).count()
    limit = node.failure_limit(total)
    if failures and (node.on_error == "fail_fast" or (limit is not None and failures > limit)):
        raise BlockFailed(_foreach_failure(node, failed, failures, total))
    if node.collect_as is not None:
        data = {**data, node.collect_as: _collect(items)}
    elif turns.is_sequence(node):
        data = _apply_sequence(data, claim)
    else:
        base = codec.loads(without_increments(claim.data))
        for page in _pages(items.filter(status=Status.COMPLETED)):
            for _, outcome, _ in page:
                data = merge.apply(data, outcome, base)
    if node.on_error == "continue":
        data = _reported(data, node.name, failed, total, failures)
    return data


def _apply_sequence(data: Any, claim: Claim) -> Any:
    """Apply the last item's changes; they include all, as each item began on its predecessor's."""
    last = turns.last_in_sequence((claim.execution_id, claim.at.path, claim.at.visit))
    assert last is not None
    base = codec.loads(codec.dumps(data))
    return merge.apply(data, merge.changes(base, codec.loads(last.data)), base)


def _collect(items: Any) -> Collected:
    collected: Collected = Collected()
    limit, size = int(conf.get("MAX_COLLECTED_BYTES")), 0
    for page in _pages(items):
        for _, outcome, status in page:
            value = outcome if status == Status.COMPLETED else None
            size += len(codec.dumps(value, limit=1 << 40)) + 1
            if size > limit:
                raise Fail(
                    f"the collected results take more than {limit} bytes "
                    '(DURABLE["MAX_COLLECTED_BYTES"])',
                    type="ResultsTooLarge",
                )
            collected.append(value)
    return collected


def _pages(items: Any) -> Iterator[list[tuple[int, Any, str]]]:
    after = -1
    while True:
        page = list(
            items.filter(index__gt=after)
            .order_by("index")
            .values_list("index", "outcome", "status")[:PAGE]
        )
        if not page:
            return
        yield page
        after = page[-1][0]


def _first_errors(failed: Any) -> list[tuple[int, dict[str, Any]]]:
    rows = failed.filter(status=Status.FAILED).order_by("index").values_list("index", "error")
    return [(index, brief(error)) for index, error in rows[:LISTED_ERRORS]]


def _foreach_failure(node: Foreach, failed: Any, failures: int, total: int) -> Failure:
    errors = _first_errors(failed)
    index, first = errors[0]
    error = ForeachFailed(
        f"{failures} of {total} items of {node.path!r} failed; item {index}: "
        f"{first['type']}: {first['message']}",
        errors=errors,
    )
    return Failure.of(error, step=node.path, attempt=1)


def _reported(
    data: dict[str, Any], name: str, failed: Any, total: int, failures: int
) -> dict[str, Any]:
    """The data with the block's report, which lists as many errors as fit into the data."""
    errors = [{"index": i, "error": error} for i, error in _first_errors(failed)]
    counts = {"total": total, "succeeded": total - failures, "failed": failures}
    for listed in (errors, errors[: LISTED_ERRORS // 10]):
        reported = {**data, name: {**counts, "errors": listed}}
        try:
            codec.dump_data(reported, keep_increments=True)
        except NotSerializable:
            continue
        return reported
    return {**data, name: {**counts, "errors": []}}
