"""Wake the worker's main thread from another thread or from a signal handler."""

from __future__ import annotations

import queue


class Bell:
    """Ends a wait; a ring without a waiting thread ends the next wait.

    Not a ``threading.Event``: its lock may be held by the very line that a signal handler
    interrupts. ``SimpleQueue.put`` may be called at any point.
    """

    def __init__(self) -> None:
        self._rings: queue.SimpleQueue[None] = queue.SimpleQueue()

    def ring(self) -> None:
        """End the current wait, or else the next one."""
        if self._rings.empty():
            self._rings.put(None)

    def wait(self, timeout: float) -> None:
        """Wait for a ring, at most ``timeout`` seconds; many rings count as one."""
        try:
            self._rings.get(timeout=max(0.0, timeout))
            while True:
                self._rings.get_nowait()
        except queue.Empty:
            return
