"""Count an engine error against an execution: retry it later, and block it after too many."""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import UUID

from durable import clock
from durable.engine.row import failures
from durable.engine.row.held import Claim
from durable.models import Execution
from durable.models.execution import ExecutionQuerySet
from durable.storage.transaction import in_transaction, lock

logger = logging.getLogger("durable.engine")

LONGEST_PAUSE = timedelta(minutes=10)


@in_transaction
def trip(claim: Claim, error: BaseException, allowed: int) -> None:
    """Release a claim on which the engine failed; after ``allowed`` recoveries, block it.

    Each recovery comes later than the one before. If the claim was released or lost meanwhile,
    nothing is counted. A cancel or pause not yet carried out gets one more recovery to do so.
    """
    rows = Execution.objects.held_by(claim.execution_id, claim.fence)
    row = lock(rows.light()).first()
    if row is None:
        return
    asked = row.pause_requested or row.cancel_requested_at is not None
    if row.recoveries < allowed + (asked and not claim.at.undoes_all) or not row.released:
        pause = _pause(row)
        rows.freed(died=True, until=clock.now() + pause)
        _log(row, error, pause)
    else:
        _block(rows, row, error)


@in_transaction
def trip_unclaimed(pk: UUID, error: BaseException, allowed: int) -> None:
    """``trip`` for an execution that the engine failed to claim: no worker holds it."""
    rows = Execution.objects.filter(pk=pk, ready_at__isnull=False)
    row = lock(rows.light(), skip_locked=True).first()
    if row is None:
        return
    if row.recoveries < allowed:
        pause = _pause(row)
        rows.put_off(clock.now() + pause)
        _log(row, error, pause)
    else:
        _block(rows, row, error)


def _pause(row: Execution) -> timedelta:
    """The delay before the next recovery: it doubles each time, up to ``LONGEST_PAUSE``."""
    return min(timedelta(seconds=2 ** min(row.recoveries, 30)), LONGEST_PAUSE)


def _block(rows: ExecutionQuerySet, row: Execution, error: BaseException) -> None:
    described = failures.describe(error, step=row.path or None, attempt=None)
    rows.blocked("code", failures.encode(described))
    Execution.objects.filter(pk=row.pk).stand_at(recoveries=0)
    _log(row, error, None)


def _log(row: Execution, error: BaseException, pause: timedelta | None) -> None:
    level, fate = logging.WARNING, f"it is tried again in {pause}"
    if pause is None:
        level, fate = logging.ERROR, f"blocked after {row.recoveries} recoveries; then retry(id)"
    logger.log(
        level,
        "could not go on with execution %s: %s",
        row.pk,
        fate,
        exc_info=error,
        extra={
            "execution": str(row.pk),
            "workflow": row.workflow,
            "step": row.path,
            "attempt": row.attempt,
        },
    )
