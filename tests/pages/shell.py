"""A shell in a directory of its own, in which a test types what a page shows."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.typing.readme import ROOT

PATIENCE = 120.0  # seconds for any one thing to happen, on a busy machine too

#: programs that run until they are stopped, unless they are told to end by themselves
RESIDENT = re.compile(r"manage\.py (durable_worker(?!.*--burst)|runserver)\b")


def a_free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Shell:
    """A shell in a directory; what it starts with ``&`` ends with it."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory, self.port = directory, port
        binaries = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("DJANGO", "DURABLE", "DATABASE", "PYTEST", "PYTHON"))
        } | {"PATH": binaries, "PYTHONPATH": f"{directory}:{ROOT}", "PYTHONUNBUFFERED": "1"}
        self.started: list[subprocess.Popen[bytes]] = []
        self.said = ""

    def type(self, script: str) -> None:
        """Type a block; everything but servers and workers has to succeed.

        Started with ``&`` they run on, else they are stopped once all of the block are up.
        """
        script = script.replace("8000", str(self.port))
        for line in re.findall(r"^export (.*)$", script, re.MULTILINE):
            name, _, value = shlex.split(line)[0].partition("=")
            self.environment[name] = value
        before: list[str] = []
        watched: list[subprocess.Popen[str]] = []
        said = ""
        for line in script.splitlines():
            if not line.endswith(" &") and not RESIDENT.search(line):
                before.append(line)
                continue
            said += self._run("\n".join(before))
            before = []
            if line.endswith(" &"):
                self._start(shlex.split(line.removesuffix("&")))
            else:
                watched.append(self._watch(shlex.split(line, comments=True)))
        self.said = said + self._run("\n".join(before))
        for process in watched:
            self.said += _stopped(process)

    def _run(self, script: str) -> str:
        if not script.strip():
            return ""
        done = subprocess.run(
            ["sh", "-e", "-c", script],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        said = done.stdout + done.stderr
        if done.returncode:
            raise AssertionError(f"{script}\nended with {done.returncode}:\n{said}")
        return said

    def _start(self, command: list[str]) -> None:
        """Start what runs to the end of the test; a server is waited for until it answers."""
        if "runserver" in command:
            command.append("--noreload")  # or its child would outlive it
        with (self.directory / "output.txt").open("ab") as output:
            self.started.append(
                subprocess.Popen(
                    command,
                    cwd=self.directory,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
            )
        end = time.monotonic() + PATIENCE
        while "runserver" in command and not self._answered():
            if time.monotonic() > end or self.started[-1].poll() is not None:
                raise AssertionError((self.directory / "output.txt").read_text(encoding="utf-8"))
            time.sleep(0.05)  # noqa: TID251 - another process is at work

    def _answered(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False

    def _watch(self, command: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def close(self) -> None:
        """End what was started."""
        for process in self.started:
            process.terminate()
        for process in self.started:
            process.wait(PATIENCE)


def _stopped(worker: subprocess.Popen[str]) -> str:
    """Stop a worker as Ctrl-C does, once it is up; return its output. It has to end with 0."""
    assert worker.stdout is not None
    said = ""
    for line in worker.stdout:
        said += line
        if " is up" in line:
            worker.terminate()
            break
    said += worker.communicate(timeout=PATIENCE)[0]
    if worker.returncode or " is up" not in said:
        raise AssertionError(f"{worker.args!r} ended with {worker.returncode}:\n{said}")
    return said


@contextlib.contextmanager
def shell() -> Iterator[Shell]:
    """A shell in an empty directory."""
    with tempfile.TemporaryDirectory() as directory:
        opened = Shell(Path(directory), a_free_port())
        try:
            yield opened
        finally:
            opened.close()
