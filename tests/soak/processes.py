"""The processes of a run: clients of their own, and workers that a nursery forks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from tests.soak import place

ROOT = Path(__file__).resolve().parent.parent.parent


class Process(ABC):
    """A worker or a client, and what it prints."""

    def __init__(self, name: str) -> None:
        self.path = place.directory() / f"{name}.txt"
        self.pid = 0
        self.code: int | None = None
        self.killed = False

    @abstractmethod
    def look(self) -> int | None:
        """The exit code; ``None`` while it runs."""

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        if self.code is None:
            self.code = self.look()
        return self.code is None

    def signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.is_alive:
            os.kill(self.pid, number)

    def wait(self, seconds: float = 60.0) -> int:
        """Its exit code; it is killed if it does not end."""
        end = time.monotonic() + seconds
        while self.is_alive:
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.02)
        assert self.code is not None
        return self.code


class Client(Process):
    """A process of its own."""

    def __init__(self, name: str, *arguments: str) -> None:
        super().__init__(name)
        with self.path.open("wb") as file:
            self._process = _python("tests.soak.client", *arguments, stdout=file)
        self.pid = self._process.pid

    def look(self) -> int | None:
        return self._process.poll()


class Nursery:
    """The process that forks workers."""

    def __init__(self) -> None:
        self.process = _python(
            "tests.soak.nursery", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, *words: object) -> str:
        """What it answers."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return str(self.process.stdout.readline().strip())


class Worker(Process):
    """A child of the nursery, which collects it."""

    def __init__(self, nursery: Nursery, name: str, *arguments: str) -> None:
        super().__init__(name)
        self._nursery = nursery
        self.pid = int(nursery.ask(self.path, *arguments))

    def look(self) -> int | None:
        said = self._nursery.ask("end", self.pid, os.WNOHANG)
        return int(said) if said else None


def _python(module: str, *arguments: str, **options: Any) -> subprocess.Popen[Any]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=options.get("stdout") if module.endswith("client") else None,
        **options,
    )
