"""Write checkpoints in a commit of their own, whatever happens to the connection meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from durable.engine.ends import checkpoint as checkpoints
from durable.engine.ends.checkpoint import Accepted, Checkpoint
from durable.models import Execution
from durable.storage.reconnect import persist


def commit(checkpoint: Checkpoint, *, in_doubt: bool = False) -> Accepted | None:
    """Write one checkpoint; ``None`` if its fence is lost. ``in_doubt``: see ``commit_all``."""
    return commit_all([checkpoint], in_doubt=in_doubt).get(checkpoint.execution_id)


def commit_all(batch: Sequence[Checkpoint], *, in_doubt: bool = False) -> dict[UUID, Accepted]:
    """Write checkpoints in one commit; those whose fence is lost are not returned.

    When the connection breaks, nobody knows whether the commit happened: read back under the
    fence, and write again only what is not in. ``in_doubt`` says that this happened before.
    """
    doubtful = in_doubt

    def once() -> dict[UUID, Accepted]:
        nonlocal doubtful
        found = {c.execution_id: _read_back(c) for c in batch} if doubtful else {}
        known = {pk: accepted for pk, accepted in found.items() if accepted is not None}
        doubtful = True
        left = [c for c in batch if c.execution_id not in known]
        return {**known, **checkpoints.write(left)} if left else known

    return persist(once)


def settle(checkpoint: Checkpoint) -> Accepted | None:
    """After a COMMIT without an answer: what the row took, or ``None`` if it was rolled back."""
    return persist(lambda: _read_back(checkpoint))


def _read_back(checkpoint: Checkpoint) -> Accepted | None:
    """What the row says if this very checkpoint is in it, else ``None``."""
    row = (
        Execution.objects.filter(
            pk=checkpoint.execution_id,
            fence=checkpoint.fence,
            path=checkpoint.to.path,
            last_completed_at=checkpoint.at,
        )
        .values_list("pause_requested", "cancel_requested_at", "finished_at")
        .first()
    )
    if row is None:
        return None
    return Accepted(row[0], row[1] is not None, not checkpoint.to.path and row[2] is None)
