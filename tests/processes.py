"""Worker processes that a test starts in its own database, and ends for certain."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connections

ROOT = Path(__file__).resolve().parent.parent

#: the file in which bodies note that they ran, whatever becomes of their transaction
LOG = "DURABLE_TEST_LOG"


class Child:
    """One ``durable_worker`` process."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process, self._output = process, output

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def code(self) -> int | None:
        """The exit code so far: ``None`` while it runs, minus the signal that killed it."""
        return self.process.poll()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self, seconds: float = 30.0) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(seconds)

    def output(self) -> str:
        """What it has printed so far."""
        return self._output.read_text()


class Processes:
    """Starts children; kills and collects what is left of them at the end."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._children = directory, list[Child]()
        self.log = directory / "ran.log"
        self.log.touch()

    def worker(
        self,
        *arguments: str,
        settings: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Child:
        """Start ``durable_worker`` with these arguments and this ``DURABLE``."""
        output = self._directory / f"worker-{len(self._children)}.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "django", "durable_worker", *arguments],
                cwd=ROOT,
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    "DJANGO_SETTINGS_MODULE": "tests.crash.settings",
                    "DURABLE_TEST_NAME": str(connections["default"].settings_dict["NAME"]),
                    "DURABLE_TEST_SETTINGS": json.dumps(dict(settings or {})),
                    LOG: str(self.log),
                    **(environment or {}),
                },
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        child = Child(process, output)
        self._children.append(child)
        return child

    def ran(self) -> list[str]:
        """The lines that bodies have noted."""
        return self.log.read_text().splitlines()

    def end(self) -> None:
        """Kill what still runs."""
        for child in self._children:
            if child.code is None:
                child.process.kill()
            child.process.wait(10)


@contextmanager
def processes() -> Iterator[Processes]:
    """Children for the length of the block; this process notes into the same log."""
    with tempfile.TemporaryDirectory(prefix="durable-") as directory:
        started = Processes(Path(directory))
        before = os.environ.get(LOG)
        os.environ[LOG] = str(started.log)
        try:
            yield started
        finally:
            started.end()
            if before is None:
                del os.environ[LOG]
            else:
                os.environ[LOG] = before


def note(line: str) -> None:
    """Note that a body runs: appended at once, whatever happens to process or transaction."""
    if path := os.environ.get(LOG):
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(file, f"{line}\n".encode())
        finally:
            os.close(file)
