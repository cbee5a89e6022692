"""The slots: a bounded number of threads that run claims; given-up threads are replaced."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from uuid import UUID

from durable.engine.row.held import Claim
from durable.worker.arrival import connect_ahead
from durable.worker.connections import (
    open_caches,
    refresh_connections,
    release_connections,
    return_to_pool,
)
from durable.worker.watchdog import labels

logger = logging.getLogger("durable.worker")


class Slots:
    """At most ``size`` claims of one queue at a time. Daemon threads: none can block the exit.

    ``freed`` is called when a slot is free again, ``doubtful`` when the engine failed on a claim,
    so that no thread works on it any more.
    """

    def __init__(
        self,
        name: str,
        size: int,
        run: Callable[[Claim], None],
        freed: Callable[[], None],
        doubtful: Callable[[], None],
    ) -> None:
        self.name, self.size = name, size
        self._run, self._freed, self._doubtful = run, freed, doubtful
        self._queue: queue.SimpleQueue[Claim | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._held: dict[UUID, Claim] = {}
        self._along: dict[UUID, set[tuple[UUID, int]]] = {}  # the rest of a claim's batch
        self._jobs: dict[threading.Thread, Claim] = {}

    @property
    def free(self) -> int:
        """How many more claims fit now."""
        with self._lock:
            return self.size - len(self._held)

    def held(self) -> set[tuple[UUID, int]]:
        """The executions held here, each with the fence of its claim."""
        with self._lock:
            held = {(pk, claim.fence) for pk, claim in self._held.items()}
            return held.union(*self._along.values())

    def begin(self) -> None:
        """Start one thread ahead of the first claim."""
        with self._lock:
            self._start_thread(connect_ahead)

    def submit(self, claim: Claim) -> None:
        """Queue ``claim`` for a thread, and start one if needed."""
        with self._lock:
            self._held[claim.execution_id] = claim
            if claim.rest:
                along = {(other.execution_id, other.fence) for other in claim.rest}
                self._along[claim.execution_id] = along
            if len(self._threads) < min(self.size, len(self._held)):
                self._start_thread()
        self._queue.put(claim)

    def _start_thread(self, first: Callable[[], None] = lambda: None) -> None:
        thread = threading.Thread(
            target=self._work, args=(first,), name=f"durable-{self.name}", daemon=True
        )
        self._threads.add(thread)
        thread.start()

    def abandon(self, thread: threading.Thread) -> bool:
        """Stop counting on a thread with a given-up attempt; False if it is not one of these."""
        with self._lock:
            if thread not in self._threads:
                return False
            self._threads.discard(thread)
            claim = self._jobs.pop(thread, None)
            if claim is not None:
                self._forget(claim)
        self._freed()
        return True

    def stop(self) -> None:
        """Let idle threads end."""
        with self._lock:
            for _ in self._threads:
                self._queue.put(None)

    def _forget(self, claim: Claim) -> None:
        if self._held.get(claim.execution_id) is claim:
            del self._held[claim.execution_id]
            self._along.pop(claim.execution_id, None)

    def _work(self, first: Callable[[], None]) -> None:
        me = threading.current_thread()
        open_caches()
        first()
        while (claim := self._queue.get()) is not None:
            with self._lock:
                self._jobs[me] = claim
            failed = False
            try:
                refresh_connections()
                self._run(claim)
            except BaseException:
                failed = True
                logger.exception(
                    "could not go on with execution %s", claim.execution_id, extra=labels(claim)
                )
            return_to_pool()
            with self._lock:
                mine = self._jobs.pop(me, None) is not None
                if mine:
                    self._forget(claim)
            if failed:
                self._doubtful()
            if not mine:
                break  # given up meanwhile: another thread has replaced this one
            self._freed()
        release_connections()
