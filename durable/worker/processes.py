"""Several worker processes under one parent: started, replaced when they die, stopped together."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

logger = logging.getLogger("durable.worker")

RESTART_PAUSE = 1.0  # seconds between a death and the replacement


def supervise(processes: int, arguments: Sequence[str]) -> int:
    """Run ``processes`` children of this command until stopped; the exit code.

    A child that ends with 0 was done (a burst) or told to stop, and is not replaced.
    """
    return _Supervisor(processes, [sys.executable, sys.argv[0], *arguments]).run()


class _Supervisor:
    def __init__(self, processes: int, command: list[str]) -> None:
        self._command = command
        self._stopping = threading.Event()
        self._children = [self._spawn() for _ in range(processes)]

    def _spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command)

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._forward)
        while self._children:
            for child in list(self._children):
                code = child.poll()
                if code is None:
                    continue
                self._children.remove(child)
                if code != 0 and not self._stopping.is_set():
                    logger.warning("worker process %d ended with %d: replaced", child.pid, code)
                    time.sleep(RESTART_PAUSE)
                    self._children.append(self._spawn())
            time.sleep(0.1)
        return 0

    def _forward(self, number: int, frame: object) -> None:
        self._stopping.set()
        for child in self._children:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
