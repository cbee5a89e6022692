"""Run a slow duty (mail) in a separate thread, so that nothing else waits for the duty."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from durable.engine.duties.duty import Duty
from durable.engine.duties.rota import Rota
from durable.worker.connections import refresh_connections, release_connections

logger = logging.getLogger("durable.worker")

LAST_WORDS = 5.0  # seconds that a stopping worker waits for the portion being done


class Aside:
    """Works until nothing is left to do; a daemon thread, so that it can't block the exit."""

    def __init__(self, duty: Duty, rota: Rota, done: Callable[[], None]) -> None:
        self._duty, self._rota, self._done = duty, rota, done
        self._thread: threading.Thread | None = None
        self._stopping = False

    @property
    def busy(self) -> bool:
        """Whether the thread runs now."""
        return self._thread is not None and self._thread.is_alive()

    def begin(self) -> None:
        """Start the thread, unless it runs already."""
        if self.busy or self._stopping:
            return
        name = f"durable-{self._duty.name}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Begin no more portions, and wait a little for the current one."""
        self._stopping = True
        if self._thread is not None:
            self._thread.join(timeout=LAST_WORDS)

    def _run(self) -> None:
        try:
            refresh_connections()
            while not self._stopping and self._rota.perform(self._duty):
                pass
        except Exception:  # perhaps from the database: due work stays due
            logger.exception("the duty %r failed", self._duty.name)
        finally:
            release_connections()
            self._done()
