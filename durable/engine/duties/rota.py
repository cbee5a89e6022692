"""Choose the duties due in a process: by the pulse, and by the time since their last run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta

from durable import conf
from durable.engine.duties.duty import ONCE, Duty
from durable.engine.duties.pulse import Pulse
from durable.storage.share import is_over, share


class Rota:
    """The duties of one process; times are this process's monotonic clock, not the database's.

    ``share``: seconds after which a portion of a duty ends, so that the others are done too.
    """

    def __init__(self, duties: Sequence[Duty], share: float | None = None) -> None:
        self.duties, self._share = duties, share
        self.done: Counter[str] = Counter()  # the amount done, by name of duty
        self._again: dict[str, float] = {}  # when a duty is next due by its ``every``
        self._rests: dict[str, float] = {}  # until when a failed duty rests

    def due(self, seen: Pulse, *, upkeep: bool = True) -> Iterator[Duty]:
        """The duties to do now, in their order.

        Without ``upkeep`` only those of the first pass and those that the pulse shows.
        """
        for duty in self.duties:
            now = time.monotonic()
            by_clock = (upkeep or duty.every == ONCE) and self._is_time(duty, now)
            if (by_clock or duty.due(seen)) and now >= self._rests.get(duty.name, now):
                yield duty

    def _is_time(self, duty: Duty, now: float) -> bool:
        """Whether the duty is due by its ``every``."""
        return duty.every is not None and now >= self._again.get(duty.name, now)

    def perform(self, duty: Duty) -> int:
        """Do one portion of a duty; return its amount.

        A duty that raises rests for a poll interval; one with more to do than a portion is due
        again at once.
        """
        begun = time.monotonic()
        try:
            with share(None if duty.own_thread else self._share):
                count = duty.do(duty.at_once)
                whole = count < duty.at_once and not is_over()
        except Exception:
            self._rests[duty.name] = begun + conf.duration("POLL_INTERVAL").total_seconds()
            raise
        if duty.every is not None and whole:
            self._again[duty.name] = begun + duty.every.total_seconds()
        self.done[duty.name] += count
        return count

    def is_idle(self, seen: Pulse) -> bool:
        """Whether there is nothing to do or to claim, apart from duties with their own thread."""
        here = (duty for duty in self.duties if not duty.own_thread)
        return not (seen.ready or any(duty.due(seen) for duty in here))

    def restart(self, within: timedelta) -> None:
        """Make due at once the duties whose ``every`` is at most ``within``."""
        for duty in self.duties:
            if duty.every is not None and duty.every <= within:
                self._again.pop(duty.name, None)
