"""End a wait from elsewhere: another thread, or a signal handler."""

from __future__ import annotations

import queue


class Bell:
    """Waits are ended by a ring, which is heard later if nobody waits yet.

    A ``threading.Event`` would do, but for signal handlers: its lock may be held by the very
    line that the handler interrupts. ``SimpleQueue.put`` may be called at any point.
    """

    def __init__(self) -> None:
        self._rings: queue.SimpleQueue[None] = queue.SimpleQueue()

    def ring(self) -> None:
        """End the wait that there is, or else the next one."""
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
