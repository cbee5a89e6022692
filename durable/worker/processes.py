"""Run several worker processes under a parent that restarts dead ones and stops all together."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence

logger = logging.getLogger("durable.worker")

LOOK_EVERY = 0.1  # seconds
RESTART_PAUSE = 1.0  # seconds between a death and the replacement; doubles while they die young
LONGEST_PAUSE = 30.0
YOUNG = 10.0  # seconds

#: the environment variable with the parent's process id, for its children
PARENT = "DURABLE_WORKER_PARENT"


def supervise(processes: int, arguments: Sequence[str]) -> int:
    """Run ``processes`` children of this command until stopped; return the exit code.

    A child that ends with 0 has finished (a burst) or was stopped, and is not replaced.
    """
    return _Supervisor(processes, [*_python(), *arguments]).run()


def _python() -> list[str]:
    """The command that started this program: a script, or ``python -m``."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is None or not spec.name:
        return [sys.executable, sys.argv[0]]
    name = spec.name.removesuffix(".__main__")
    return [sys.executable, "-m", name]


class _Supervisor:
    def __init__(self, processes: int, command: list[str]) -> None:
        self._command = command
        self._stopping = False
        self._pause = RESTART_PAUSE
        self._restart_at: list[float] = [0.0] * processes
        self._children: dict[subprocess.Popen[bytes], float] = {}

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._forward)
        while self._children or (self._restart_at and not self._stopping):
            self._start_due()
            for child in list(self._children):
                if (code := child.poll()) is not None:
                    self._ended(child, code)
            time.sleep(LOOK_EVERY)
        return 0

    def _start_due(self) -> None:
        now = time.monotonic()
        for at in [at for at in self._restart_at if at <= now]:
            self._restart_at.remove(at)
            if self._stopping:
                continue
            # A session of its own: Ctrl-C reaches the parent only, which tells the children once.
            child = subprocess.Popen(  # nosec B603
                self._command, start_new_session=True, env={**os.environ, PARENT: str(os.getpid())}
            )
            self._children[child] = now
            if self._stopping:  # the signal came before the child was on the list
                child.send_signal(signal.SIGTERM)

    def _ended(self, child: subprocess.Popen[bytes], code: int) -> None:
        lived = time.monotonic() - self._children.pop(child)
        if code == 0 or self._stopping:
            return
        self._pause = min(self._pause * 2, LONGEST_PAUSE) if lived < YOUNG else RESTART_PAUSE
        self._restart_at.append(time.monotonic() + self._pause)
        logger.warning(
            "worker process %d ended with %d: another in %.0f s", child.pid, code, self._pause
        )

    def _forward(self, number: int, frame: object) -> None:
        self._stopping = True
        for child in list(self._children):
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)


def stop_with_parent(stop: Callable[[], None]) -> None:
    """In a child: stop when the parent has been killed, rather than work on unsupervised."""
    parent = os.environ.pop(PARENT, None)
    if parent is None:
        return

    def look() -> None:
        while os.getppid() == int(parent):
            time.sleep(1.0)
        logger.warning("the supervising process is gone: stopping")
        stop()

    threading.Thread(target=look, name="durable-parent", daemon=True).start()
