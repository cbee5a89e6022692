"""A share of time for due work: a worker leaves what doesn't fit into it for its next look."""

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
    """Within, this thread's portions end after so long; ``None``: whenever they are done."""
    before = _local.until
    _local.until = None if seconds is None else time.monotonic() + seconds
    try:
        yield
    finally:
        _local.until = before


def is_over() -> bool:
    """Whether the share of this thread is used up."""
    return _local.until is not None and time.monotonic() >= _local.until


def within_share(things: Iterable[T]) -> Iterator[T]:
    """The first of these, and more of them until the share of this thread is used up."""
    for thing in things:
        yield thing
        if is_over():
            return


def each(do: Callable[[T], int], things: Iterable[T]) -> int:
    """Do the things within the share of this thread; the sum of what that returns.

    One with which the engine fails keeps it from none of the others. The first error is raised
    in the end, and so the duty rests; an outage of the database ends it at once.
    """
    done, failed = 0, None
    for thing in within_share(things):
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
