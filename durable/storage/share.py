"""Limit the time of due work: each thread stops after its share and leaves the rest for later."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from durable.storage.reconnect import is_unavailable
from durable.storage.transaction import connection

logger = logging.getLogger("durable.engine")

T = TypeVar("T")


class _Local(threading.local):
    until: float | None = None


_local = _Local()


@contextmanager
def share(seconds: float | None) -> Iterator[None]:
    """Limit this thread's due work to ``seconds`` within the block; ``None``: no limit."""
    before = _local.until
    _local.until = None if seconds is None else time.monotonic() + seconds
    try:
        yield
    finally:
        _local.until = before


def is_over() -> bool:
    """Whether this thread's share is used up."""
    return _local.until is not None and time.monotonic() >= _local.until


def within_share(things: Iterable[T], at_least: int = 1) -> Iterator[T]:
    """The first ``at_least`` things, then more until this thread's share is used up."""
    for number, thing in enumerate(things, 1):
        yield thing
        if number >= at_least and is_over():
            return


def each(do: Callable[[T], int], things: Iterable[T], *, at_least: int = 1) -> int:
    """Call ``do`` for the things within this thread's share; return the sum of the results.

    An error with one does not stop the others. The first error is raised at the end, so that the
    duty rests; a database outage ends the loop at once.
    """
    done, failed = 0, None
    for thing in within_share(things, at_least):
        try:
            done += do(thing)
        except Exception as error:
            if is_unavailable(error) or connection().in_atomic_block:
                raise
            if failed is not None:
                logger.exception("failed with %s, too", thing)
            failed = failed or error
    if failed is not None:
        raise failed
    return done
