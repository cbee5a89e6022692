"""A worker's arrival: it waits for an unavailable database, and its threads connect ahead."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import Error

from durable import conf
from durable.errors import DurableError
from durable.storage.reconnect import disconnect, is_unavailable
from durable.storage.transaction import connection
from durable.worker.connections import return_to_pool

R = TypeVar("R")

logger = logging.getLogger("durable.worker")

FIRST_PAUSE = 0.5  # seconds; doubles from try to try
LONGEST_PAUSE = 15.0


class NoDatabase(DurableError):
    """A worker can't start: the database does not answer, or refuses its statements."""


def connect_ahead() -> None:
    """Open this thread's connection: its first piece of work then takes as long as any other."""
    try:
        connection().ensure_connection()
    except Error:  # the first piece of work will meet it, too
        disconnect()
    return_to_pool()


def patiently(
    call: Callable[[], R],
    pause: Callable[[float], object] = time.sleep,
    stopping: Callable[[], bool] = lambda: False,
) -> R:
    """Repeat ``call()`` until the database answers, for as long as a lease lasts.

    ``NoDatabase`` after that, or when ``stopping()`` is true, or for an error that waiting does not
    mend (missing tables). ``pause`` waits for at most the given seconds.
    """
    begun, patience = time.monotonic(), conf.duration("LEASE").total_seconds()
    longest = FIRST_PAUSE
    while True:
        try:
            return call()
        except Error as error:
            disconnect()
            if not is_unavailable(error):
                raise NoDatabase(
                    f"the database refuses: {error} (has `migrate` been run?)"
                ) from error
            waited = time.monotonic() - begun
            if waited >= patience or stopping():
                raise NoDatabase(
                    f"the database has not answered for {waited:.0f} s: {error} "
                    "(durable_doctor says more)"
                ) from error
            wait = min(longest, patience - waited)
            logger.warning(
                "the database does not answer; trying again in %.1f s, for %.0f s more: %s",
                wait,
                patience - waited,
                error,
            )
        pause(wait)
        longest = min(longest * 2, LONGEST_PAUSE)
