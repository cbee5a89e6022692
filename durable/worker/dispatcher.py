"""Look at what is due, fill the free slots with it, and tell when to look again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from durable import conf
from durable.authoring import registry
from durable.engine.calendar import deployed, fire
from durable.engine.deliver import deliver_due
from durable.engine.duties import workers
from durable.engine.duties.pulse import Pulse, pulse
from durable.engine.parts.report import report_due
from durable.engine.run.claim import claim_due, promote
from durable.worker.heartbeat import Heartbeat
from durable.worker.listener import Listener
from durable.worker.slots import Slots
from durable.worker.teller import Teller

logger = logging.getLogger("durable.worker")

LISTENING_POLL = 5.0  # seconds; polling is the truth even where notifications arrive
NO_PROGRESS = 0.05  # seconds; something is due, but somebody else has it locked
PATIENCE = 0.5  # seconds; what that grows to
UPKEEP = 5.0  # seconds between looks for executions that nobody can run
SCHEDULES_EVERY = 6  # upkeeps between looks for schedules that nobody alive can start


class Dispatcher:
    """One look after the other, in the worker's main thread."""

    def __init__(
        self,
        slots: Mapping[str, Slots],
        heartbeat: Heartbeat,
        listener: Listener,
        teller: Teller,
        stopping: Callable[[], bool],
        *,
        burst: bool,
        max_executions: int | None,
    ) -> None:
        self._slots, self._heartbeat, self._listener = slots, heartbeat, listener
        self._teller = teller
        self._stopping = stopping
        self._burst, self._left = burst, max_executions
        self._upkeep_at = -UPKEEP
        self._upkeeps = 0
        self._fruitless = 0
        self._registered = False
        self.claimed = 0
        self.finished = False  # nothing is due (in a burst), or all that was asked for is done

    def look(self) -> float:
        """Do what is due now; how many seconds to wait before the next look."""
        kinds = registry.kinds()
        idle_before = not self._busy()
        if self._left is not None and self._left <= 0 and idle_before:
            self.finished = True
            return 0.0
        seen = pulse(self._open_queues(), kinds)
        if seen.notices_due:
            self._teller.begin()
        progress = self._bring_about(seen, kinds)
        if seen.ready or progress:
            progress += self._claim(kinds)
        if progress:
            self._fruitless = 0
            return 0.0
        if self._burst and seen.idle and idle_before and not self._teller.busy:
            self.finished = True
            return 0.0
        return self._until_next(seen)

    def _busy(self) -> bool:
        return any(slots.held() for slots in self._slots.values())

    def _open_queues(self) -> list[str]:
        if self._left is not None and self._left <= 0:
            return []
        return [name for name, slots in self._slots.items() if slots.free > 0]

    def _bring_about(self, seen: Pulse, kinds: frozenset[str]) -> int:
        """Make ready what has become due, whoever will run it; how much that was."""
        progress = 0
        if seen.sleepers_due:
            progress += promote()
        if seen.schedules_due:
            progress += fire.fire_due()
        if seen.workers_expired:
            progress += self._heartbeat.bury_expired()
        if seen.messages:
            progress += deliver_due() + report_due()
        if time.monotonic() - self._upkeep_at >= UPKEEP:
            self._upkeep_at = time.monotonic()
            progress += self._register() + workers.tidy(kinds)
            if self._upkeeps % SCHEDULES_EVERY == 0:
                progress += fire.fail_orphans()
            self._upkeeps += 1
        return progress

    def _register(self) -> int:
        """Make the schedules of the classes known, once; how many were new or changed."""
        if self._registered:
            return 0
        changed = deployed.register_declared()
        self._registered = True
        return changed

    def _claim(self, kinds: frozenset[str]) -> int:
        """Fill the free slots of each queue."""
        taken = 0
        for name in self._open_queues():
            slots = self._slots[name]
            limit = slots.free if self._left is None else min(slots.free, self._left)
            if limit <= 0 or self._stopping():
                continue
            for claim in claim_due(self._heartbeat.worker, name, kinds, limit):
                slots.submit(claim)
                taken += 1
                if self._left is not None:
                    self._left -= 1
        self.claimed += taken
        if taken:
            self._heartbeat.look_soon()
        if taken and self._left is not None and self._left <= 0:
            logger.info("the last of the executions asked for is claimed")
        return taken

    def _until_next(self, seen: Pulse) -> float:
        poll = conf.duration("POLL_INTERVAL").total_seconds()
        if self._listener.trusted:
            poll = max(poll, LISTENING_POLL)
        if not seen.idle:  # locked by somebody else: look again, but not in a hot loop
            self._fruitless = min(self._fruitless + 1, 10)
            return min(poll, PATIENCE, NO_PROGRESS * 2.0 ** (self._fruitless - 1))
        self._fruitless = 0
        until = seen.seconds_to_next()
        return poll if until is None else min(poll, max(until, 0.001))
