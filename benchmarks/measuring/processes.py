"""The processes of a measurement: started, spoken to, and ended by their id."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent.parent
#: seconds in which a process must end when it is asked to
GRACE = 15.0


class AgentError(Exception):
    """A process of the bench has failed; the message has the end of what it printed."""


class Agent:
    """One ``benchmarks.agent`` process; a context manager that ends it for certain."""

    def __init__(
        self, python: str, engine: str, role: str, url: str, environment: dict[str, str]
    ) -> None:
        self.engine, self.role = engine, role
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by ``end``
        self.process = subprocess.Popen(
            [python, "-m", "benchmarks.agent", engine, role],
            cwd=ROOT,
            env={**os.environ, **environment, "BENCHMARK_URL": url, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def hear(self) -> dict[str, Any]:
        """The next line that it says."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AgentError(f"{self.engine} {self.role} ended: {self.printed()}")
        said: dict[str, Any] = json.loads(line)
        if "error" in said:
            raise AgentError(f"{self.engine} {self.role}: {said['error']}\n{self.printed()}")
        return said

    def tell(self, line: str = "") -> None:
        """Say one line to it."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ask(self, do: str, **arguments: Any) -> Any:
        """Have a client carry out a command; its answer."""
        self.tell(json.dumps({"do": do, **arguments}))
        return self.hear()["answer"]

    def printed(self) -> str:
        """The end of what it printed."""
        self._errors.seek(0)
        return self._errors.read()[-2000:]

    def kill(self) -> None:
        """SIGKILL, as a machine dies."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """Close its input: a client ends by that, a worker drains; kill it if it stays."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            with suppress(BrokenPipeError):
                self.process.stdin.close()
        try:
            self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.kill()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._errors.close()
