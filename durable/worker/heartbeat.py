"""The heartbeat thread: renews the lease, sees requested cancellations, writes progress."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connections

from durable import conf
from durable.conf import database
from durable.engine.body import progress
from durable.engine.body.progress import StepProgress
from durable.engine.duties import workers
from durable.engine.duties.duty import Expired
from durable.engine.row.held import Claim
from durable.storage.transaction import of_its_own
from durable.worker.connections import refresh_connections, release_connections

logger = logging.getLogger("durable.worker")

LONGEST_LOOK = 1.0  # seconds between two looks for requests to cancel running executions
AFTER_FAILURE = 1.0  # seconds until the next try when the database did not answer


class Heartbeat:
    """Renews the lease on a separate connection: no step's transaction can delay it."""

    def __init__(
        self,
        register: Callable[[], UUID],
        held: Callable[[], set[tuple[UUID, int]]],
        look_again: Callable[[], None],
        listening: Callable[[], bool],
    ) -> None:
        self._register, self._held, self._look_again = register, held, look_again
        self._listening = listening
        self.worker: UUID = register()
        self.cancelling: frozenset[UUID] = frozenset()
        self._unknown: set[tuple[UUID, int]] = set()
        self._doubtful = False
        self.notified = False  # senders know that the worker listens
        self._progress: dict[UUID, StepProgress] = {}
        self._lock = threading.Lock()
        self._suspects: dict[UUID, tuple[object, float]] = {}
        self._stopping = False
        self._soon = threading.Event()
        self._beat_now = False
        self._thread = threading.Thread(target=self._run, name="durable-heartbeat", daemon=True)

    @property
    def lease(self) -> timedelta:
        """How long the worker counts as alive without a renewal."""
        return conf.duration("LEASE")

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._stopping = True
        self._soon.set()
        self._thread.join(timeout=5)

    # -- called by other threads ------------------------------------------------------------------

    def look_soon(self) -> None:
        """Look soon at the claims: executions have been claimed."""
        self._soon.set()

    def beat_soon(self) -> None:
        """Renew soon: the worker's row has to change."""
        self._beat_now = True
        self._soon.set()

    def doubt(self) -> None:
        """Compare the claims with the database soon, and again: one may have no thread here."""
        self._doubtful = True
        self._soon.set()

    def show(self, claim: Claim, value: Any) -> None:
        """Publish a step's progress within a second; only the latest value is written."""
        open_transaction = connections[database()].in_atomic_block
        with self._lock:
            self._progress[claim.execution_id] = StepProgress(
                claim.root_id, claim.fence, value, open_transaction
            )
        self._soon.set()

    # -- the thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        connections[database()] = of_its_own()
        interval = self.lease.total_seconds() / 3
        look = min(interval, LONGEST_LOOK, conf.duration("POLL_INTERVAL").total_seconds())
        renewed = looked = time.monotonic()
        failed = False
        while not self._stopping:
            busy = self._held() or self._progress or self._doubtful
            due = renewed + interval
            if failed:
                due = looked + min(interval, AFTER_FAILURE)
            elif self._beat_now:
                due = looked
            elif busy:
                due = min(due, looked + look)
            self._soon.wait(max(0.0, due - time.monotonic()))
            self._soon.clear()
            now = time.monotonic()
            if self._stopping or now < due:
                continue  # woken early: the due time may have changed
            looked = now
            try:
                refresh_connections()
                changed = self._beat_now
                if now - renewed >= interval * 0.95 or changed:
                    self._beat_now = False
                    self._beat()
                    renewed = now
                if changed:
                    self._look_again()  # for work sent before senders knew that we listen
                self._look()
                failed = False
            except Exception as error:  # any error: the lease must be kept
                failed = True
                logger.warning("no heartbeat: %s", error)
                _hang_up()
        release_connections()

    def _beat(self) -> None:
        running, listening = len(self._held()), self._listening()
        if not workers.renew(self.worker, self.lease, running, listening=listening):
            logger.warning("worker %s was declared dead; its claims are lost", self.worker)
            self.worker = self._register()
            self._look_again()
        self.notified = listening
        self._free_unknown()

    def _look(self) -> None:
        if self._held():
            self.cancelling = frozenset(workers.asked_to_cancel(self.worker))
        if self._doubtful:
            self._doubtful = False
            self._free_unknown()
            self._doubtful = self._doubtful or bool(self._unknown)
        self._write_progress()

    def _free_unknown(self) -> None:
        """Free executions that only the database holds for us, if seen twice.

        A commit in doubt or a failed write leaves such claims.
        """
        unknown = workers.held(self.worker) - self._held()
        if forgotten := unknown & self._unknown:
            freed = workers.free(self.worker, forgotten)
            logger.warning("freed %d executions without a thread in this worker", freed)
        self._unknown = unknown

    def _write_progress(self) -> None:
        with self._lock:
            pending = dict(self._progress)
        if not pending:
            return
        done = progress.show(pending)
        with self._lock:
            for pk in done:
                if self._progress.get(pk) is pending[pk]:
                    del self._progress[pk]

    # -- dead workers -----------------------------------------------------------------------------

    def dead(self, expired: Expired) -> list[UUID]:
        """Which workers with an expired lease are dead; never this one.

        On SQLite a step that holds the write lock starves the heartbeats of all others: there a
        worker is dead only if it has not beaten between two looks, a heartbeat apart.
        """
        found, seen = list[UUID](), dict(expired)
        patient = connections[database()].vendor == "sqlite"
        for worker, beat in seen.items():
            if worker == self.worker:
                continue
            if patient and self._suspects.get(worker, (None, 0.0))[0] != beat:
                self._suspects[worker] = (beat, time.monotonic())
                continue
            if patient and not self._waited_long_enough(worker):
                continue
            found.append(worker)
            logger.warning("worker %s is dead: its executions are due again", worker)
        self._suspects = {k: v for k, v in self._suspects.items() if k in seen}
        return found

    def _waited_long_enough(self, worker: UUID) -> bool:
        _, since = self._suspects[worker]
        return time.monotonic() - since >= min(self.lease.total_seconds() / 3, 5.0)


def _hang_up() -> None:
    try:
        connections[database()].close()
    except Exception:  # too broken even for that
        connections[database()].connection = None
