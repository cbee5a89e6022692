"""A thread that tells people what they are asked: a slow mail server holds nothing else up."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from durable.people import notices
from durable.worker.connections import refresh_connections, release_connections

logger = logging.getLogger("durable.worker")

AT_ONCE = 10  # questions between two looks at whether the worker stops
LAST_MAIL = 5.0  # seconds that a worker which stops waits for the mail that is being sent


class Teller:
    """Works while there are notices, and ends then; a daemon, so that it can't hold exit."""

    def __init__(self, done: Callable[[], None]) -> None:
        self._done = done
        self._thread: threading.Thread | None = None
        self._stopping = False

    @property
    def busy(self) -> bool:
        """Whether it is telling somebody now."""
        return self._thread is not None and self._thread.is_alive()

    def begin(self) -> None:
        """Tell what is due, unless that goes on already."""
        if self.busy or self._stopping:
            return
        self._thread = threading.Thread(target=self._run, name="durable-notices", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Tell nobody else; what is being sent may end."""
        self._stopping = True
        if self._thread is not None:
            self._thread.join(timeout=LAST_MAIL)

    def _run(self) -> None:
        try:
            refresh_connections()
            while not self._stopping and notices.tell_due(AT_ONCE):
                pass
        except Exception:  # of the database: the notices stay due
            logger.exception("could not tell people what they are asked")
        finally:
            release_connections()
            self._done()
