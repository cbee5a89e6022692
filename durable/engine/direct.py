"""Write a checkpoint in a commit of its own, whatever happens to the connection meanwhile."""

from __future__ import annotations

from django.db import InterfaceError, OperationalError

from durable.engine import checkpoint as checkpoints
from durable.engine.checkpoint import Accepted, Checkpoint
from durable.engine.transaction import connection, is_retriable, pause
from durable.models import Execution

TRIES = 8


def commit(checkpoint: Checkpoint) -> Accepted | None:
    """Write one checkpoint; ``None`` if its fence is lost.

    When the connection breaks, nobody knows whether the commit happened: read back under the
    fence, and write again only if it is not in.
    """
    for attempt in range(1, TRIES):
        try:
            return checkpoints.write([checkpoint]).get(checkpoint.execution_id)
        except (OperationalError, InterfaceError) as error:
            if connection().in_atomic_block:
                raise
            if not is_retriable(error):
                connection().close()
            pause(attempt * attempt)
        accepted = _read_back(checkpoint)
        if accepted is not None:
            return accepted
    return checkpoints.write([checkpoint]).get(checkpoint.execution_id)


def _read_back(checkpoint: Checkpoint) -> Accepted | None:
    """What the row says if this very checkpoint is in it, else ``None``."""
    try:
        row = (
            Execution.objects.filter(
                pk=checkpoint.execution_id,
                fence=checkpoint.fence,
                path=checkpoint.path,
                last_completed_at=checkpoint.at,
            )
            .values_list("pause_requested", "cancel_requested_at")
            .first()
        )
    except (OperationalError, InterfaceError):
        connection().close()
        return None
    return None if row is None else Accepted(row[0], row[1] is not None)
