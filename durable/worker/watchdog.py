"""A thread that ends attempts whose time is over, while their bodies still run."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import connections

from durable.conf import database
from durable.engine.session import Limited
from durable.errors import Abandoned, ClaimLost
from durable.worker.connections import cut, refresh_connections, release_connections

logger = logging.getLogger("durable.worker")


@dataclass
class _Guarded:
    attempt: Limited
    thread: threading.Thread
    connection: Any
    cancel: Callable[[], object] | None = None
    over: bool = False
    fired: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class Watchdog:
    """Knows which attempt must end when."""

    def __init__(self, abandoned: Callable[[threading.Thread], None]) -> None:
        self._abandoned = abandoned
        self._heap: list[tuple[float, int, _Guarded]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._stopping = False
        self._here = threading.local()
        self._thread = threading.Thread(target=self._run, name="durable-watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout=5)

    @contextmanager
    def limit(self, attempt: Limited, limit: timedelta | None) -> Iterator[None]:
        """Give ``attempt`` (in this thread) up when ``limit`` is over: ``Abandoned`` then."""
        if limit is None:
            yield
            return
        guarded = _Guarded(attempt, threading.current_thread(), connections[database()])
        self._here.guarded = guarded
        end = time.monotonic() + max(0.0, limit.total_seconds())
        with self._changed:
            heapq.heappush(self._heap, (end, next(self._numbers), guarded))
            self._changed.notify()
        try:
            yield
        except BaseException:
            if self._leave(guarded):
                raise Abandoned("its time was over") from None
            raise
        if self._leave(guarded):
            raise Abandoned("its time was over")

    def _leave(self, guarded: _Guarded) -> bool:
        self._here.guarded = None
        with guarded.lock:
            guarded.over = True
            return guarded.fired

    def on_give_up(self, cancel: Callable[[], object]) -> None:
        """Call ``cancel`` if the attempt of this thread is given up."""
        guarded = getattr(self._here, "guarded", None)
        if guarded is not None:
            guarded.cancel = cancel

    def _run(self) -> None:
        while (guarded := self._next()) is not None:
            with guarded.lock:
                if guarded.over:
                    continue
                guarded.fired = True
                guarded.attempt.watch.abandoned = True
            self._give_up(guarded)
        release_connections()

    def _next(self) -> _Guarded | None:
        with self._changed:
            while not self._stopping:
                now = time.monotonic()
                if self._heap and self._heap[0][0] <= now:
                    return heapq.heappop(self._heap)[2]
                self._changed.wait(self._heap[0][0] - now if self._heap else None)
        return None

    def _give_up(self, guarded: _Guarded) -> None:
        logger.warning("attempt of %s is given up", guarded.attempt.claim.execution_id)
        cut(guarded.connection)  # its locks, which the write below may need
        if guarded.cancel is not None:
            guarded.cancel()
        self._abandoned(guarded.thread)
        refresh_connections()
        try:
            guarded.attempt.give_up()
        except ClaimLost:
            return
        except Exception:
            logger.exception("could not record a timeout; the claim will be freed")
