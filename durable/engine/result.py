"""Block a client until an execution is finished."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from durable import conf
from durable.engine import lookup
from durable.engine.transaction import connection
from durable.errors import ExecutionFailed, InTransaction, ResultTimeout
from durable.models import Execution
from durable.states import Status

FIRST_PAUSE = 0.01  # seconds; doubled up to POLL_INTERVAL


def wait_for_result(execution_id: Any, timeout: timedelta | None) -> Any:
    """The final data; see ``durable.wait_for_result``."""
    for execution in follow(execution_id, timeout):
        if execution.is_finished:
            break
    if execution.status == Status.COMPLETED:
        return execution.data
    error = execution.error or {"message": execution.cancel_reason}
    raise ExecutionFailed(
        f"execution {execution.pk} is {execution.status}: "
        f"{error.get('type', '')} {error.get('message', '')}".rstrip(": "),
        execution=execution,
    )


def follow(execution_id: Any, timeout: timedelta | None) -> Iterator[Execution]:
    """The execution as it is now, again and again, until it is finished: then for the last time.

    ``ResultTimeout`` when ``timeout`` is over before that, ``InTransaction`` inside a transaction.
    """
    if connection().in_atomic_block:
        raise InTransaction(
            "wait_for_result can't work inside a transaction: the worker would not see what the "
            "transaction has started. Call it after the commit."
        )
    end = None if timeout is None else time.monotonic() + timeout.total_seconds()
    pause, longest = FIRST_PAUSE, conf.duration("POLL_INTERVAL").total_seconds()
    while True:
        execution = lookup.get(execution_id)
        yield execution
        if execution.is_finished:
            return
        left = pause if end is None else min(pause, end - time.monotonic())
        if left <= 0:
            raise ResultTimeout(
                f"execution {execution.pk} is still {execution.status} after {timeout}"
            )
        time.sleep(left)  # noqa: TID251 - a client that blocks, by its own wish
        pause = min(pause * 2, longest)
