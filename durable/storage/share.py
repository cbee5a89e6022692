"""A share of time for due work: a worker leaves what doesn't fit into it for its next look."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

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
