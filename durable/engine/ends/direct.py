"""Write a checkpoint in a commit of its own, whatever happens to the connection meanwhile."""

from __future__ import annotations

from durable.engine.ends import checkpoint as checkpoints
from durable.engine.ends.checkpoint import Accepted, Checkpoint
from durable.models import Execution
from durable.storage.reconnect import persist


def commit(checkpoint: Checkpoint, *, in_doubt: bool = False) -> Accepted | None:
    """Write one checkpoint; ``None`` if its fence is lost.

    When the connection breaks, nobody knows whether the commit happened: read back under the
    fence, and write again only if it is not in. ``in_doubt`` says that this happened before.
    """
    doubtful = in_doubt

    def once() -> Accepted | None:
        nonlocal doubtful
        accepted = _read_back(checkpoint) if doubtful else None
        if accepted is None:
            doubtful = True
            accepted = checkpoints.write([checkpoint]).get(checkpoint.execution_id)
        return accepted

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
            path=checkpoint.path,
            last_completed_at=checkpoint.at,
        )
        .values_list("pause_requested", "cancel_requested_at", "finished_at")
        .first()
    )
    if row is None:
        return None
    return Accepted(row[0], row[1] is not None, not checkpoint.path and row[2] is None)
