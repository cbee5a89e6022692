"""The worker: starts and stops its threads, and is the session in which claims run."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import Error

from durable import conf
from durable.authoring.parse import registry
from durable.engine.body import log_capture
from durable.engine.duties import workers
from durable.engine.ends.checkpoint import Accepted, Checkpoint
from durable.engine.ends.parks import Park, Shared
from durable.engine.row.held import Claim
from durable.engine.run import runner
from durable.engine.run.session import Limited
from durable.storage.reconnect import disconnect
from durable.storage.statement import compile_all
from durable.worker.arrival import patiently
from durable.worker.bell import Bell
from durable.worker.committer import Committer
from durable.worker.connections import (
    refresh_connections,
    refuse_memory,
    release_connections,
    return_to_pool,
)
from durable.worker.dispatcher import Dispatcher
from durable.worker.heartbeat import Heartbeat
from durable.worker.listener import Listener
from durable.worker.loop import EventLoop
from durable.worker.slots import Slots
from durable.worker.watchdog import Watchdog

logger = logging.getLogger("durable.worker")

#: seconds in which a worker that does not hear notifications yet is not reported as up
SETTLING = 0.5

MAX_ABANDONED = 20  # threads stuck in given-up attempts before the process asks to be replaced


class WorkerProcess:
    """Runs in threads of this process; ``run()`` blocks, ``start()`` does not."""

    def __init__(
        self,
        queues: Mapping[str, int] | None = None,
        *,
        burst: bool = False,
        max_executions: int | None = None,
        on_up: Callable[[], None] = lambda: None,
    ) -> None:
        refuse_memory()
        self.queues = dict(queues or conf.queues())
        self._burst, self._max_executions, self._on_up = burst, max_executions, on_up
        self._bell = Bell()
        self._stopping = self._hurry = False
        self.claimed = 0  # claims so far; an execution claimed twice counts twice
        self.done: Mapping[str, int] = Counter()  # the amount done of each duty
        self._given_up: set[threading.Thread] = set()
        self.exhausted = False  # too many threads hang in given-up steps: start a new process
        self._thread: threading.Thread | None = None
        self._slots = {
            name: Slots(name, size, self._execute, self._bell.ring, self._doubt)
            for name, size in self.queues.items()
        }
        self._committer = Committer()
        self._watchdog = Watchdog(self._abandon, self._doubt)
        self._events = EventLoop()
        self._listener = Listener(self._bell.ring, lambda: self._heartbeat.beat_soon())
        self._heartbeat: Heartbeat
        self.was_up = False  # signed on with the database: ``worker`` is known

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
        """Claim nothing more; running steps end at their checkpoint. Safe in signal handlers."""
        self._stopping = True
        self._bell.ring()

    def hurry(self) -> None:
        """Release everything at once (a second SIGTERM). Safe in signal handlers."""
        self._hurry = True
        self.request_stop()

    def run(self) -> None:
        """Work until asked to stop (or, in a burst, until nothing is due), then drain.

        ``NoDatabase`` if the database does not answer within a lease.
        """
        with ExitStack() as stack:
            stack.callback(release_connections)
            stack.enter_context(log_capture.installed())
            self._heartbeat = patiently(self._sign_on, self._bell.wait, lambda: self._stopping)
            dispatcher = Dispatcher(
                self._slots,
                self._heartbeat,
                self._listener,
                self._bell.ring,
                lambda: self._stopping,
                burst=self._burst,
                max_executions=self._max_executions,
            )
            for part in (
                self._heartbeat,
                self._committer,
                self._watchdog,
                self._events,
                self._listener,
            ):
                part.start()
            next(iter(self._slots.values())).begin()
            self.was_up = True
            try:
                self._prepare()
                self._work(dispatcher)
            finally:
                self.claimed, self.done = dispatcher.claimed, dispatcher.rota.done
                self._drain(dispatcher)

    def _prepare(self) -> None:
        """Write the SQL of all statements; what fails here is written at its first use."""
        try:
            compile_all()
        except Error as error:
            logger.info("could not write the statements ahead: %s", error)
            disconnect()

    def _work(self, dispatcher: Dispatcher) -> None:
        """Look for work until the end; report that the worker is up once it is at its best."""
        longest, up = time.monotonic() + SETTLING, False
        while not (self._stopping or dispatcher.finished):
            pause = self._look(dispatcher)
            if not up and (self._heartbeat.notified or time.monotonic() >= longest):
                up = True
                self._say_up()
            self._bell.wait(pause if up else min(pause, SETTLING))
        if not up:
            self._say_up()

    def _say_up(self) -> None:
        logger.info("worker %s is up: %s", self.worker, self.queues)
        self._on_up()

    def _look(self, dispatcher: Dispatcher) -> float:
        """One pass of the dispatcher; after any error another pass follows."""
        try:
            refresh_connections()
            pause = dispatcher.look()
            return_to_pool()
            return pause
        except Error as error:
            logger.warning("the database does not answer as it should: %s", error)
        except Exception:
            logger.exception("a pass over the due work failed")
        disconnect()
        return conf.duration("POLL_INTERVAL").total_seconds()

    def _drain(self, dispatcher: Dispatcher) -> None:
        """Let running steps reach a checkpoint within the grace period, then release them."""
        self._stopping = True
        grace = conf.duration("SHUTDOWN_GRACE").total_seconds()
        end = time.monotonic() + grace
        if running := len(self._held()):
            logger.info("draining: %d executions have %.0f s to reach a checkpoint", running, grace)
        while self._held() and time.monotonic() < end and not self._hurry:
            self._bell.wait(0.1)
        for slots in self._slots.values():
            slots.stop()
        self._listener.stop()
        dispatcher.stop()
        self._heartbeat.stop()
        self._sign_off()
        self._committer.stop()
        self._watchdog.stop()
        self._events.stop()
        logger.info("worker %s has stopped", self.worker)

    def _sign_on(self) -> Heartbeat:
        return Heartbeat(self._register, self._held, self._bell.ring, lambda: self._listener.works)

    def _sign_off(self) -> None:
        try:
            refresh_connections()
            if freed := workers.sign_off(self.worker):
                logger.warning("released %d executions that were still running", freed)
        except Error:
            disconnect()
            logger.exception("could not sign off; the lease will run out")

    def _register(self) -> UUID:
        return workers.register(
            f"{socket.gethostname()}:{os.getpid()}",
            list(self.queues),
            registry.kinds(),
            conf.duration("LEASE"),
            listening=self._listener.works,
        )

    # -- the engine's session ---------------------------------------------------------------------

    @property
    def worker(self) -> UUID:
        """The id of this worker; it gets a new one when it was declared dead."""
        return self._heartbeat.worker

    @property
    def stopping(self) -> bool:
        """Whether no further step may start here."""
        return self._stopping

    @property
    def hurrying(self) -> bool:
        """Whether everything is to be released at once."""
        return self._hurry

    def commit(self, checkpoint: Checkpoint) -> Accepted | None:
        """Write one checkpoint together with those of other slots."""
        return_to_pool()  # the committer may need the connection
        return self._committer.commit(checkpoint)

    def park(self, one: Park) -> Shared:
        """Park one execution together with those of other slots."""
        return_to_pool()  # the committer may need the connection
        return self._committer.park(one)

    def committed(self) -> None:
        """Reset the connection for the next step; Django has run the hooks of the real commit."""
        refresh_connections(between_steps=True)

    def await_result(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run the body of an async step on the worker's event loop."""
        return_to_pool()  # the body has connections of its own
        return self._events.run(coroutine, self._watchdog.watch, self._watchdog.on_give_up)

    def limit(self, attempt: Limited, limit: timedelta | None) -> AbstractContextManager[None]:
        """Give an attempt up when its time is over."""
        return self._watchdog.limit(attempt, limit)

    def cancel_requested(self, claim: Claim) -> bool:
        """Whether the heartbeat has seen a request to cancel, at most a poll interval old."""
        return claim.cancel_requested or claim.execution_id in self._heartbeat.cancelling

    def show_progress(self, claim: Claim, progress: Any) -> None:
        """Pass the progress to the heartbeat, which writes it within a second."""
        self._heartbeat.show(claim, progress)

    def _execute(self, claim: Claim) -> None:
        runner.run(claim, self)

    def _held(self) -> set[tuple[UUID, int]]:
        return set().union(*(slots.held() for slots in self._slots.values()))

    def _doubt(self) -> None:
        self._heartbeat.doubt()

    def _abandon(self, thread: threading.Thread) -> None:
        self._given_up = {one for one in self._given_up if one.is_alive()} | {thread}
        for slots in self._slots.values():
            if slots.abandon(thread):
                break
        if len(self._given_up) >= MAX_ABANDONED and not self.exhausted:
            logger.error("%d threads hang in given-up steps: stopping", len(self._given_up))
            self.exhausted = True
            self.request_stop()
