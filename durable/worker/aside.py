"""A thread of its own for a duty that may be slow: a mail server holds nothing else up."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from durable.engine.duties.duty import Duty
from durable.engine.duties.rota import Rota
from durable.worker.connections import refresh_connections, release_connections

logger = logging.getLogger("durable.worker")

LAST_WORDS = 5.0  # seconds that a worker which stops waits for what is being done


class Aside:
    """Works while there is something to do, and ends then; a daemon, so that it can't hold exit."""

    def __init__(self, duty: Duty, rota: Rota, done: Callable[[], None]) -> None:
        self._duty, self._rota, self._done = duty, rota, done
        self._thread: threading.Thread | None = None
        self._stopping = False

    @property
    def busy(self) -> bool:
        """Whether it works now."""
        return self._thread is not None and self._thread.is_alive()

    def begin(self) -> None:
        """Do the duty, unless that goes on already."""
        if self.busy or self._stopping:
            return
        name = f"durable-{self._duty.name}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Begin no other portion; the one that is being done may end."""
        self._stopping = True
        if self._thread is not None:
            self._thread.join(timeout=LAST_WORDS)

    def _run(self) -> None:
        try:
            refresh_connections()
            while not self._stopping and self._rota.perform(self._duty):
                pass
        except Exception:  # of the database, perhaps: what is due stays due
            logger.exception("the duty %r failed", self._duty.name)
        finally:
            release_connections()
            self._done()
