"""The watchdog thread: gives up attempts when their time is over, while their bodies still run."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import connections

from durable.conf import database
from durable.engine.body.step_transaction import Watch
from durable.engine.row.held import Claim
from durable.engine.run.session import Limited
from durable.errors import Abandoned, ClaimLost
from durable.worker.connections import cut_off, refresh_connections, release_connections

logger = logging.getLogger("durable.worker")

#: ended attempts that may stay in the heap before it is cleared of them
STALE = 100

_UNLIMITED = nullcontext()


@dataclass
class _Guarded:
    attempt: Limited | None  # None once it has ended, to free its data
    thread: threading.Thread
    connection: Any
    cancel: Callable[[], object] | None = None
    fired: bool = False
    let_go: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Watchdog:
    """Knows when each attempt must end, and gives it up then.

    ``abandoned`` is called with each given-up thread, ``doubtful`` when the failure of an attempt
    could not be written (its claim may have no thread then).
    """

    def __init__(
        self, abandoned: Callable[[threading.Thread], None], doubtful: Callable[[], None]
    ) -> None:
        self._abandoned, self._doubtful = abandoned, doubtful
        self._heap: list[tuple[float, int, _Guarded]] = []
        self._stale = 0
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._stopping = False
        self._here = threading.local()
        self._thread = threading.Thread(target=self._run, name="durable-watchdog", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout=5)

    # -- in the threads of the slots --------------------------------------------------------------

    def limit(self, attempt: Limited, limit: timedelta | None) -> AbstractContextManager[None]:
        """Give up ``attempt``, which runs in this thread, after ``limit``: ``Abandoned`` then."""
        return _UNLIMITED if limit is None else self._within(attempt, limit)

    @contextmanager
    def _within(self, attempt: Limited, limit: timedelta) -> Iterator[None]:
        guarded = _Guarded(attempt, threading.current_thread(), connections[database()])
        self._here.guarded = guarded
        end = time.monotonic() + max(0.0, limit.total_seconds())
        with self._changed:
            heapq.heappush(self._heap, (end, next(self._numbers), guarded))
            if self._heap[0][2] is guarded:
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
        """End the watch. True if the attempt was already given up.

        The thread must then touch no shared state.
        """
        self._here.guarded = None
        with guarded.lock:
            fired = guarded.fired
            if not fired:
                guarded.attempt = None
        if fired:
            guarded.let_go.wait()
            return True
        with self._changed:
            self._stale += 1
            if self._stale > STALE and self._stale > len(self._heap) // 2:
                self._heap = [entry for entry in self._heap if entry[2].attempt is not None]
                heapq.heapify(self._heap)
                self._stale = 0
        return False

    def on_give_up(self, cancel: Callable[[], object]) -> None:
        """Call ``cancel`` when the attempt of this thread is given up, at once if it has been."""
        guarded: _Guarded | None = getattr(self._here, "guarded", None)
        if guarded is None:
            return
        with guarded.lock:
            guarded.cancel = cancel
            late = guarded.fired
        if late:
            cancel()

    @property
    def watch(self) -> Watch | None:
        """The ``Watch`` of this thread's attempt, if its time is limited."""
        guarded: _Guarded | None = getattr(self._here, "guarded", None)
        attempt = guarded.attempt if guarded is not None else None
        return attempt.watch if attempt is not None else None

    # -- in its own thread --------------------------------------------------------------------

    def _run(self) -> None:
        while (guarded := self._next()) is not None:
            with guarded.lock:
                attempt = guarded.attempt
                if attempt is None:
                    self._stale = max(0, self._stale - 1)
                    continue
                guarded.fired = True
                attempt.watch.abandoned = True
            try:
                self._give_up(guarded, attempt)
            except Exception:
                logger.exception("could not end an attempt", extra=labels(attempt.claim))
                self._doubtful()
            finally:
                guarded.let_go.set()
        release_connections()

    def _next(self) -> _Guarded | None:
        with self._changed:
            while not self._stopping:
                now = time.monotonic()
                if self._heap and self._heap[0][0] <= now:
                    return heapq.heappop(self._heap)[2]
                # threading.TIMEOUT_MAX is centuries on most machines, weeks on some
                wait = min(self._heap[0][0] - now, 3600.0) if self._heap else None
                self._changed.wait(wait)
        return None

    def _give_up(self, guarded: _Guarded, attempt: Limited) -> None:
        claim = attempt.claim
        logger.warning("step %s of %s: time is over", claim.at.path, claim.execution_id)
        cut_off(guarded.connection, attempt.watch)  # its locks, which the write below may need
        self._abandoned(guarded.thread)
        guarded.let_go.set()
        if guarded.cancel is not None:
            guarded.cancel()
        refresh_connections()
        try:
            attempt.give_up()
        except ClaimLost:  # or its checkpoint was just committed, and no thread goes on with it
            self._doubtful()


def labels(claim: Claim) -> dict[str, object]:
    """The fields that structured log lines carry about the execution."""
    return {
        "execution": str(claim.execution_id),
        "workflow": claim.workflow,
        "step": claim.at.path,
        "attempt": claim.at.attempt,
    }
