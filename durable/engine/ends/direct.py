"""Write checkpoints and parks in a commit of their own, safely if the connection breaks."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import Error

from durable.engine.ends import checkpoint as checkpoints
from durable.engine.ends import parks
from durable.engine.ends.checkpoint import Accepted, Checkpoint
from durable.engine.ends.parks import Park, Shared
from durable.models import Execution
from durable.storage.reconnect import disconnect, is_unavailable, persist
from durable.storage.transaction import connection, is_retriable


def commit(checkpoint: Checkpoint, *, in_doubt: bool = False) -> Accepted | None:
    """Write one checkpoint; ``None`` if its fence is lost. ``in_doubt``: see ``commit_all``."""
    return commit_all([checkpoint], in_doubt=in_doubt).get(checkpoint.execution_id)


def commit_all(batch: Sequence[Checkpoint], *, in_doubt: bool = False) -> dict[UUID, Accepted]:
    """Write checkpoints in one commit; those that lost their fence are not returned.

    After a broken connection the COMMIT is in doubt: read each row back under its fence, and write
    only the missing checkpoints again. ``in_doubt``: such a COMMIT already came before this call.
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
    """Read back a COMMIT without an answer: what the row accepted, or ``None`` if rolled back."""
    return persist(lambda: _read_back(checkpoint))


def _read_back(checkpoint: Checkpoint) -> Accepted | None:
    """What the row accepted if this very checkpoint is in it, else ``None``."""
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


def park(one: Park) -> Shared:
    """Park one execution; after a broken connection the COMMIT is in doubt."""
    try:
        return Shared(one.execution_id in parks.write([one]))
    except Error as error:
        if connection().in_atomic_block or not is_unavailable(error):
            raise
        if not is_retriable(error):
            disconnect()
        return Shared(parked=False, in_doubt=True)
