"""Listen for notifications of work, on its own connection; only shortens the polling wait."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from math import inf
from typing import Any
from uuid import uuid4

from durable.storage.notify import CHANNEL, MORE, STANDS_FOR, from_elsewhere
from durable.storage.transaction import of_its_own

logger = logging.getLogger("durable.worker")

RECONNECT_AFTER = 5.0  # seconds
LOOK_EVERY = 0.02  # seconds between two looks at SQLite's data version
SETTLED = 4.0  # seconds; transactions that found no listener have ended by then
PROOF = 2.0  # seconds within which a notification from another connection must arrive
PROVE_EVERY = 30.0  # seconds
APART = 0.005  # seconds between two looks for which notifications are the reason
AGAIN = 2 * STANDS_FOR  # seconds after which a look covers all that MORE stands for


class Pace:
    """When to look for notifications: the first at once; what comes thick shares later looks."""

    def __init__(self) -> None:
        self._due, self._last, self._more = inf, -inf, False

    def hear(self, payload: str, now: float) -> None:
        """Plan the looks after a notification: one at once, and after ``MORE`` a second one."""
        soon = max(now, self._last + APART)
        if payload == MORE:
            soon = soon if self._due == inf else self._due
            self._more = True
        self._due = min(self._due, soon)

    def seconds(self, now: float, longest: float) -> float:
        """How long to wait for the next look, at most ``longest``."""
        return max(0.001, min(self._due - now, longest))

    def is_due(self, now: float) -> bool:
        """Whether to look now; then the look counts as begun."""
        if now < self._due:
            return False
        self._last, self._due = now, now + AGAIN if self._more else inf
        self._more = False
        return True


class Listener:
    """Calls ``wake`` at each notification; ``works`` is true once one has really arrived.

    Behind pgbouncer in transaction mode LISTEN is accepted, but only notifications sent on the same
    server connection arrive. A notification sent from another connection shows the difference; it
    is repeated, as poolers come and go. While it does not arrive, the worker polls.
    """

    def __init__(self, wake: Callable[[], None], changed: Callable[[], None]) -> None:
        self._wake, self._changed = wake, changed
        self._stopping = threading.Event()
        self.works = False
        self._since = 0.0
        self._thread = threading.Thread(target=self._run, name="durable-listener", daemon=True)

    @property
    def trusted(self) -> bool:
        """Whether listening has worked long enough that every sender notifies."""
        return self.works and time.monotonic() - self._since > SETTLED

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._stopping.set()
        self._thread.join(timeout=2)

    def _run(self) -> None:
        while not self._stopping.is_set():
            connection: Any = None
            try:
                connection = of_its_own()
                connection.ensure_connection()
                if connection.vendor == "postgresql":
                    self._listen(connection.connection)
                else:
                    self._look(connection.connection)
            except Exception as error:
                logger.info("not listening, polling instead: %s", error)
            finally:
                self._says(False)
                if connection is not None:
                    _close(connection)
            self._stopping.wait(RECONNECT_AFTER)

    def _says(self, works: bool) -> None:
        if works != self.works:
            self.works, self._since = works, time.monotonic()
            self._changed()

    def _look(self, raw: Any) -> None:
        """SQLite has no NOTIFY: look at its data version, which any other commit changes."""
        seen = None
        while not self._stopping.wait(LOOK_EVERY):
            (version,) = raw.execute("PRAGMA data_version").fetchone()
            self._says(True)
            if version != seen:
                seen = version
                self._wake()

    def _listen(self, raw: Any) -> None:
        proof = f"durable_proof_{uuid4().hex}"
        raw.execute(f"LISTEN {CHANNEL}")
        raw.execute(f"LISTEN {proof}")
        asked, open_since = -PROVE_EVERY, 0.0  # 0.0: the last proof has arrived
        pace = Pace()
        while not self._stopping.is_set():
            now = time.monotonic()
            if open_since and now - open_since > PROOF:
                raise RuntimeError("notifications don't arrive on this connection")
            if not open_since and now - asked >= PROVE_EVERY:
                asked = open_since = now
                from_elsewhere(proof)
            for heard in raw.notifies(timeout=pace.seconds(now, 0.5), stop_after=1):
                if heard.channel == proof:
                    open_since = 0.0
                    self._says(True)
                    pace.hear(MORE, time.monotonic())  # may have begun before we listened
                else:
                    pace.hear(heard.payload, time.monotonic())
            if pace.is_due(time.monotonic()):
                self._wake()


def _close(connection: Any) -> None:
    try:
        connection.close()
    except Exception as error:
        logger.debug("the listener's connection was broken already: %s", error)
