"""Wait for an execution's result in a client, blocking or async."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from asgiref.sync import sync_to_async

from durable import conf
from durable.errors import ExecutionFailed, InTransaction, ResultTimeout
from durable.models import Execution
from durable.states import Status
from durable.storage import lookup, sizes
from durable.storage.transaction import connection

FIRST_PAUSE = 0.01  # seconds; doubled up to POLL_INTERVAL


def wait_for_result(execution_id: Any, timeout: timedelta | None) -> Any:
    """Block until the execution is finished; return its data. See ``durable.wait_for_result``."""
    for execution in follow(execution_id, timeout):
        if execution.is_finished:
            break
    return _final_data(execution)


async def await_for_result(
    execution_id: Any,
    timeout: timedelta | None,  # noqa: ASYNC109 - a result's, as in the call that blocks
) -> Any:
    """``wait_for_result`` for async callers; it holds no thread between two looks."""
    pauses = _pauses(timeout)
    while True:
        execution = await sync_to_async(_look)(execution_id)
        if execution.is_finished:
            return _final_data(execution)
        await asyncio.sleep(_next(pauses, execution, timeout))


def follow(execution_id: Any, timeout: timedelta | None) -> Iterator[Execution]:
    """Yield the execution's current row repeatedly; the last time when it is finished.

    ``ResultTimeout`` when ``timeout`` is over before that, ``InTransaction`` inside a transaction.
    """
    pauses = _pauses(timeout)
    while True:
        execution = _look(execution_id)
        yield execution
        if execution.is_finished:
            return
        time.sleep(_next(pauses, execution, timeout))  # noqa: TID251 - a client that blocks


def refuse_transaction() -> None:
    """Raise ``InTransaction`` inside a transaction, as no worker sees its uncommitted start."""
    if connection().in_atomic_block:
        raise InTransaction(
            "wait_for_result can't work inside a transaction: the worker would not see what the "
            "transaction has started. Call it after the commit."
        )


def _look(execution_id: Any) -> Execution:
    refuse_transaction()
    return lookup.get(execution_id)


def _pauses(timeout: timedelta | None) -> Iterator[float]:
    """Seconds to wait between two looks, doubled each time, until ``timeout`` is over.

    Raises ``DurableError`` at once if ``timeout`` is no ``timedelta`` (``None`` means for ever).
    """
    span = None if timeout is None else sizes.later("timeout", timeout).total_seconds()
    return _until(None if span is None else time.monotonic() + span)


def _until(end: float | None) -> Iterator[float]:
    pause, longest = FIRST_PAUSE, conf.duration("POLL_INTERVAL").total_seconds()
    while (left := pause if end is None else min(pause, end - time.monotonic())) > 0:
        yield left
        pause = min(pause * 2, longest)


def _next(pauses: Iterator[float], execution: Execution, timeout: timedelta | None) -> float:
    pause = next(pauses, None)
    if pause is None:
        raise ResultTimeout(f"execution {execution.pk} is still {execution.status} after {timeout}")
    return pause


def _final_data(execution: Execution) -> Any:
    if execution.status == Status.COMPLETED:
        return execution.data
    error = execution.error or {"message": execution.cancel_reason}
    raise ExecutionFailed(
        f"execution {execution.pk} is {execution.status}: "
        f"{error.get('type', '')} {error.get('message', '')}".rstrip(": "),
        execution=execution,
    )
