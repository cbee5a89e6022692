"""The worker's main loop: do due work, claim executions for free slots, choose the next wait."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from math import inf

from django.db import Error

from durable import conf
from durable.authoring.parse import registry
from durable.engine.duties.duty import Duty, duties_of
from durable.engine.duties.pulse import Pulse, pulse
from durable.engine.duties.rota import Rota
from durable.engine.run.claim import claim_due
from durable.storage.reconnect import disconnect
from durable.worker.aside import Aside
from durable.worker.heartbeat import Heartbeat
from durable.worker.listener import Listener
from durable.worker.slots import Slots

logger = logging.getLogger("durable.worker")

LISTENING_POLL = 5.0  # seconds; polling goes on, slower, while notifications arrive
SHARE = 0.1  # seconds for each duty in each pass, as free slots wait meanwhile
NO_PROGRESS = 0.05  # seconds; the first pause while all due work is locked by others
PATIENCE = 0.5  # seconds; the longest such pause


class Dispatcher:
    """Runs one pass after the other, in the worker's main thread."""

    def __init__(
        self,
        slots: Mapping[str, Slots],
        heartbeat: Heartbeat,
        listener: Listener,
        ring: Callable[[], None],
        stopping: Callable[[], bool],
        *,
        burst: bool,
        max_executions: int | None,
    ) -> None:
        self._slots, self._heartbeat, self._listener = slots, heartbeat, listener
        self._stopping = stopping
        self._burst, self._left = burst, max_executions
        self._fruitless = 0
        self.rota = Rota(duties_of(dead=heartbeat.dead), SHARE)
        self._asides = {
            duty.name: Aside(duty, self.rota, ring) for duty in self.rota.duties if duty.own_thread
        }
        self.claimed = 0
        self.finished = False  # nothing is due (in a burst), or max_executions are done

    def look(self) -> float:
        """Do all due work and claim; return the seconds to wait before the next pass."""
        kinds = registry.kinds()
        idle_before = not self._busy()
        if self._left is not None and self._left <= 0 and idle_before:
            self.finished = True
            return 0.0
        seen = pulse(self._open_queues(), kinds)
        progress = self._bring_about(seen)
        claimed = self._claim(kinds) if seen.ready or progress else 0
        if progress:
            self._fruitless = 0
            return 0.0
        if claimed:  # all that was ready, or as many as there were free slots: each rings when free
            self._fruitless = 0
            return min(_poll_interval(), self._until_due(seen))
        if self._burst and idle_before and self._is_idle(seen):
            self.finished = True
            return 0.0
        return self._until_next(seen)

    def stop(self) -> None:
        """Start no more work in threads of their own, and wait a little for them."""
        for aside in self._asides.values():
            aside.stop()

    def _busy(self) -> bool:
        return any(slots.held() for slots in self._slots.values())

    def _open_queues(self) -> list[str]:
        if self._left is not None and self._left <= 0:
            return []
        return [name for name, slots in self._slots.items() if slots.free > 0]

    def _is_idle(self, seen: Pulse) -> bool:
        return self.rota.is_idle(seen) and not any(one.busy for one in self._asides.values())

    def _bring_about(self, seen: Pulse) -> int:
        """Do the due duties, for executions of all workers; return how much was done."""
        progress = 0
        for duty in self.rota.due(seen):
            if duty.own_thread:
                self._asides[duty.name].begin()
            else:
                progress += self._perform(duty)
        return progress

    def _perform(self, duty: Duty) -> int:
        """Do a portion of a duty; an error in it does not stop the worker."""
        try:
            return self.rota.perform(duty)
        except Error as error:
            logger.warning("the duty %r failed in the database: %s", duty.name, error)
        except Exception:
            logger.exception("the duty %r failed", duty.name)
        disconnect()
        return 0

    def _claim(self, kinds: frozenset[str]) -> int:
        """Claim executions for the free slots of each queue."""
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
        poll = _poll_interval()
        if self._listener.trusted:
            poll = max(poll, LISTENING_POLL)
        if not self.rota.is_idle(
            seen
        ):  # all due work is locked by others: look again, but not in a hot loop
            self._fruitless = min(self._fruitless + 1, 10)
            return min(poll, PATIENCE, NO_PROGRESS * 2.0 ** (self._fruitless - 1))
        self._fruitless = 0
        return min(poll, self._until_due(seen))

    @staticmethod
    def _until_due(seen: Pulse) -> float:
        until = seen.seconds_to_next()
        return inf if until is None else max(until, 0.001)


def _poll_interval() -> float:
    return conf.duration("POLL_INTERVAL").total_seconds()
