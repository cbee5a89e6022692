"""A thread that keeps the worker's lease, and sees what the database says of its claims."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from django.db import InterfaceError, OperationalError, connections

from durable import conf
from durable.conf import database
from durable.engine import workers
from durable.worker.connections import refresh_connections, release_connections

logger = logging.getLogger("durable.worker")


class Heartbeat:
    """Renews on a connection of its own, so that no step's transaction can starve it."""

    def __init__(
        self,
        register: Callable[[], UUID],
        held: Callable[[], set[UUID]],
        lost: Callable[[], None],
    ) -> None:
        self._register, self._held, self._lost = register, held, lost
        self.worker: UUID = register()
        self.cancelling: frozenset[UUID] = frozenset()
        self._unknown: set[UUID] = set()
        self._suspects: dict[UUID, tuple[object, float]] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="durable-heartbeat", daemon=True)

    @property
    def lease(self) -> timedelta:
        """How long the worker counts as alive without a sign of life."""
        return conf.duration("LEASE")

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Beat no more."""
        self._stopping.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        interval = self.lease.total_seconds() / 3
        look = min(interval, conf.duration("POLL_INTERVAL").total_seconds())
        renewed = time.monotonic()
        while not self._stopping.wait(look if self._held() else interval):
            try:
                refresh_connections()
                held = self._held()
                if held:
                    self.cancelling = frozenset(workers.asked_to_cancel(self.worker))
                if time.monotonic() - renewed >= interval * 0.95:
                    self._beat(held)
                    renewed = time.monotonic()
            except (OperationalError, InterfaceError) as error:
                logger.warning("no heartbeat: %s", error)
                connections[database()].close()
        release_connections()

    def _beat(self, held: set[UUID]) -> None:
        if not workers.renew(self.worker, self.lease, len(held)):
            logger.warning("worker %s was declared dead; its claims are lost", self.worker)
            self.worker = self._register()
            self._lost()
            return
        # A claim or a release whose commit was in doubt: the database thinks we hold it.
        unknown = workers.held(self.worker) - self._held()
        if forgotten := unknown & self._unknown:
            workers.free(self.worker, forgotten)
            logger.warning("freed %d executions that nobody here works on", len(forgotten))
        self._unknown = unknown

    def bury_expired(self) -> int:
        """Free what dead workers hold; say how many executions that were.

        On SQLite a step that holds the write lock starves the heartbeats of all others: there a
        worker is dead only if it has not beaten between two looks, a heartbeat apart.
        """
        freed, seen = 0, dict(workers.expired())
        patient = connections[database()].vendor == "sqlite"
        for worker, beat in seen.items():
            if worker == self.worker:
                continue
            if patient and self._suspects.get(worker, (None, 0.0))[0] != beat:
                self._suspects[worker] = (beat, time.monotonic())
                continue
            if patient and not self._waited_long_enough(worker):
                continue
            freed += workers.bury(worker)
            logger.warning("worker %s is dead: its executions are due again", worker)
        self._suspects = {k: v for k, v in self._suspects.items() if k in seen}
        return freed

    def _waited_long_enough(self, worker: UUID) -> bool:
        _, since = self._suspects[worker]
        return time.monotonic() - since >= min(self.lease.total_seconds() / 3, 5.0)
