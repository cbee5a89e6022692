"""Wait for a database that is away when a worker starts, and give up in time."""

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
    """No worker could be started: the database is away, or takes nothing of what is said to it."""


def patiently(
    call: Callable[[], R],
    pause: Callable[[float], object] = time.sleep,
    stopping: Callable[[], bool] = lambda: False,
) -> R:
    """``call()``, again and again until the database answers, for as long as a lease lasts.

    ``NoDatabase`` after that, when ``stopping`` says so, or if it answers with a refusal that no
    waiting mends (tables that are missing). ``pause`` waits so many seconds, or less.
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
