"""Wait for an unavailable database when a worker starts, for as long as a lease lasts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import Error

from durable import conf
from durable.errors import DurableError
from durable.storage.reconnect import disconnect, is_unavailable

R = TypeVar("R")

logger = logging.getLogger("durable.worker")

FIRST_PAUSE = 0.5  # seconds; doubles from try to try
LONGEST_PAUSE = 15.0


class NoDatabase(DurableError):
    """A worker can't start: the database does not answer, or refuses its statements."""


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
