"""A worker: claims due executions, gives them to its slots, and waits for the next to fall due."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Coroutine, Mapping
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connections

from durable import conf
from durable.authoring import registry
from durable.conf import database
from durable.engine import log_capture, runner, workers
from durable.engine.checkpoint import Accepted, Checkpoint
from durable.engine.claim import Claim, Pulse, claim_due, promote, pulse
from durable.engine.deliver import deliver_due
from durable.engine.session import Limited
from durable.worker.committer import Committer
from durable.worker.connections import refresh_connections, release_connections
from durable.worker.heartbeat import Heartbeat
from durable.worker.listener import Listener
from durable.worker.loop import EventLoop
from durable.worker.slots import Slots
from durable.worker.watchdog import Watchdog

logger = logging.getLogger("durable.worker")

LISTENING_POLL = 5.0  # seconds; polling is the truth even where notifications arrive
NO_PROGRESS = 0.05  # seconds; something is due, but somebody else has it locked
UPKEEP = 5.0  # seconds between looks for executions that nobody can run
MAX_ABANDONED = 20  # threads stuck in given-up attempts before the process asks to be replaced


class Worker:
    """Runs in threads of this process; ``run()`` blocks, ``start()`` does not."""

    def __init__(
        self,
        queues: Mapping[str, int] | None = None,
        *,
        burst: bool = False,
        max_executions: int | None = None,
    ) -> None:
        self.queues = dict(queues or conf.queues())
        self._burst, self._left = burst, max_executions
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self.abandoned = 0
        self._upkeep_at = 0.0
        self._thread: threading.Thread | None = None
        self._stack = ExitStack()
        self._slots = {
            name: Slots(name, size, self._execute, self._wake.set)
            for name, size in self.queues.items()
        }
        self._committer = Committer()
        self._watchdog = Watchdog(self._abandon)
        self._listener = Listener(self._wake.set)
        self._events = EventLoop()
        self._heartbeat: Heartbeat

    # -- life -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Work in the background until ``stop``."""
        self._thread = threading.Thread(target=self.run, name="durable-worker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop as on SIGTERM, and wait for it."""
        self.request_stop()
        if self._thread is not None:
            self._thread.join()

    def request_stop(self) -> None:
        """Claim nothing more; what runs leaves at its next checkpoint. Safe in signal handlers."""
        self._stopping.set()
        self._wake.set()

    def run(self) -> None:
        """Work until asked to stop (or, in a burst, until nothing is due), then drain."""
        self._stack.enter_context(log_capture.installed())
        self._heartbeat = Heartbeat(self._register, self._held, self._wake.set)
        for part in (self._committer, self._watchdog, self._listener, self._events):
            part.start()
        self._heartbeat.start()
        logger.info("worker %s is up: %s", self.worker, self.queues)
        try:
            while not self._stopping.is_set():
                pause = self._tick()
                if pause:
                    self._wake.wait(pause)
                self._wake.clear()
        finally:
            self._drain()

    def _drain(self) -> None:
        """Let what runs reach its next checkpoint, within the grace period; then let it go."""
        self._stopping.set()
        end = time.monotonic() + conf.duration("SHUTDOWN_GRACE").total_seconds()
        while self._held() and time.monotonic() < end and not self._now():
            self._wake.wait(0.1)
            self._wake.clear()
        for slots in self._slots.values():
            slots.stop()
        self._listener.stop()
        self._heartbeat.stop()
        try:
            if freed := workers.stop(self.worker):
                logger.warning("released %d executions that were still running", freed)
        except DatabaseError:
            logger.exception("could not sign off; the lease will run out")
        self._committer.stop()
        self._watchdog.stop()
        self._events.stop()
        self._stack.close()
        release_connections()
        logger.info("worker %s has stopped", self.worker)

    _hurry = False

    def hurry(self) -> None:
        """Release everything at once (a second SIGTERM)."""
        self._hurry = True
        self.request_stop()

    def _now(self) -> bool:
        return self._hurry

    def _register(self) -> UUID:
        return workers.register(
            f"{socket.gethostname()}:{os.getpid()}",
            list(self.queues),
            registry.kinds(),
            conf.duration("LEASE"),
            listening=connections[database()].vendor == "postgresql",
        )

    # -- one look at what is due ----------------------------------------------------------------

    def _tick(self) -> float:
        """Do what is due now; how many seconds to wait before the next look."""
        try:
            refresh_connections()
            return self._look()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("the database does not answer as it should: %s", error)
            connections[database()].close()
            return conf.duration("POLL_INTERVAL").total_seconds()

    def _look(self) -> float:
        kinds = registry.kinds()
        seen = pulse(self.queues, kinds)
        progress = 0
        if seen.sleepers_due:
            progress += promote()
        if seen.workers_expired:
            progress += self._heartbeat.bury_expired()
        if seen.messages:
            progress += deliver_due()
        if time.monotonic() - self._upkeep_at >= UPKEEP:
            progress += workers.block_orphans(kinds)
            self._upkeep_at = time.monotonic()
        if seen.ready or progress:
            progress += self._claim(kinds)
        if progress:
            return 0.0
        if self._burst and seen.idle and not self._held():
            self._stopping.set()
            return 0.0
        return self._until_next(seen)

    def _claim(self, kinds: frozenset[str]) -> int:
        """Fill the free slots of each queue."""
        taken = 0
        for name, slots in self._slots.items():
            limit = slots.free if self._left is None else min(slots.free, self._left)
            if limit <= 0 or self._stopping.is_set():
                continue
            for claim in claim_due(self.worker, name, kinds, limit):
                slots.submit(claim)
                taken += 1
                if self._left is not None:
                    self._left -= 1
        if self._left is not None and self._left <= 0 and not self._stopping.is_set():
            logger.info("the last of the executions asked for is claimed")
            self.request_stop_after_work()
        return taken

    def request_stop_after_work(self) -> None:
        """Claim nothing more, but take what is claimed as far as it goes."""
        threading.Thread(target=self._stop_when_empty, daemon=True).start()

    def _stop_when_empty(self) -> None:
        while self._held():
            time.sleep(0.02)
        self.request_stop()

    def _until_next(self, seen: Pulse) -> float:
        full = not any(slots.free for slots in self._slots.values())
        poll = (
            LISTENING_POLL
            if self._listener.works
            else conf.duration("POLL_INTERVAL").total_seconds()
        )
        if seen.ready and not full:
            return NO_PROGRESS  # locked by another worker's claim
        if seen.messages:
            return NO_PROGRESS
        until = seen.seconds_to_next()
        if until is None:
            return poll
        return min(poll, max(until, 0.001 if not seen.workers_expired else NO_PROGRESS))

    # -- the engine's session ---------------------------------------------------------------------

    @property
    def worker(self) -> UUID:
        """The id under which this worker is known; a new one if it was declared dead."""
        return self._heartbeat.worker

    @property
    def stopping(self) -> bool:
        """Whether no further step is to be started here."""
        return self._stopping.is_set()

    def commit(self, checkpoint: Checkpoint) -> Accepted | None:
        """Write one checkpoint together with those of other slots."""
        return self._committer.commit(checkpoint)

    def committed(self) -> None:
        """Commits are real here: Django runs the hooks itself."""

    def await_result(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run the body of an async step on the worker's event loop."""
        return self._events.run(coroutine, self._watchdog.on_give_up)

    def limit(self, attempt: Limited, limit: timedelta | None) -> AbstractContextManager[None]:
        """Give an attempt up when its time is over."""
        return self._watchdog.limit(attempt, limit)

    def cancel_requested(self, claim: Claim) -> bool:
        """What the heartbeat has seen, at most a poll interval old."""
        return claim.cancel_requested or claim.execution_id in self._heartbeat.cancelling

    def show_progress(self, claim: Claim, progress: Any) -> None:
        """Progress is written with the transaction that ends the attempt."""

    def _execute(self, claim: Claim) -> None:
        runner.run(claim, self)

    def _held(self) -> set[UUID]:
        return set().union(*(slots.held() for slots in self._slots.values()))

    def _abandon(self, thread: threading.Thread) -> None:
        self.abandoned += 1
        for slots in self._slots.values():
            if slots.abandon(thread):
                break
        if self.abandoned >= MAX_ABANDONED:
            logger.error("%d threads hang in given-up steps: stopping", self.abandoned)
            self.request_stop()
