"""Listen for notifications of work, on its own connection; only shortens the polling wait."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from durable.storage.notify import CHANNEL, from_elsewhere
from durable.storage.transaction import of_its_own

logger = logging.getLogger("durable.worker")

RECONNECT_AFTER = 5.0  # seconds
LOOK_EVERY = 0.02  # seconds between two looks at SQLite's data version
SETTLED = 4.0  # seconds; transactions that found no listener have ended by then
PROOF = 2.0  # seconds within which a notification from another connection must arrive
PROVE_EVERY = 30.0  # seconds


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
        while not self._stopping.is_set():
            now = time.monotonic()
            if open_since and now - open_since > PROOF:
                raise RuntimeError("notifications don't arrive on this connection")
            if not open_since and now - asked >= PROVE_EVERY:
                asked = open_since = now
                from_elsewhere(proof)
            for heard in raw.notifies(timeout=0.5, stop_after=1):
                if heard.channel == proof:
                    open_since = 0.0
                    self._says(True)
                self._wake()


def _close(connection: Any) -> None:
    try:
        connection.close()
    except Exception as error:
        logger.debug("the listener's connection was broken already: %s", error)
