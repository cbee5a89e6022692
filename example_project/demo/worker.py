"""The workers: processes of their own, as one would run them in production."""

from __future__ import annotations

import signal
import subprocess
import sys

from example_project.demo.place import ROOT, WORKER_LOG

_started: list[Worker] = []


class DemoFailed(Exception):
    """Something did not happen as it should."""


class Worker:
    """``manage.py durable_worker``."""

    def __init__(self) -> None:
        with WORKER_LOG.open("ab") as log:
            self.process = subprocess.Popen(  # nosec B603
                [sys.executable, str(ROOT / "manage.py"), "durable_worker", "--concurrency", "20"],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        _started.append(self)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def check(self) -> None:
        """``DemoFailed`` if it has died by itself."""
        if (code := self.process.poll()) is not None:
            raise DemoFailed(f"worker {self.pid} ended by itself with {code}; see {WORKER_LOG}")

    def kill(self) -> None:
        """SIGKILL: no chance to say goodbye. ``DemoFailed`` if it was gone before."""
        self.process.send_signal(signal.SIGKILL)
        if (code := self.process.wait(10)) != -signal.SIGKILL:
            raise DemoFailed(f"worker {self.pid} ended with {code} before it could be killed")

    def stop(self) -> int:
        """SIGTERM: it finishes what it does and leaves. Returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(10)


def end_all() -> None:
    """End every process that was started and still runs, by its id."""
    for worker in _started:
        if worker.process.poll() is None:
            worker.process.kill()
            worker.process.wait(10)
