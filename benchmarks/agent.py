"""A process with one engine in its own environment: a client that obeys, or a worker.

``python -m benchmarks.agent ENGINE client|worker|prepare``, with the database in ``BENCHMARK_URL``.
It says and hears one line of JSON at a time; ``benchmarks.measuring.processes`` is the other end.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import IO, Any

from benchmarks.engines import SLOTS, Engine

POLL = 0.05  # seconds between two looks for the end
FINE = 0.001  # the same, where one execution's latency is measured
PATIENCE = 600.0


class Client:
    """What the client process can be asked for, each by the name of its method."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ids: list[str] = []

    def start(self, kind: str, count: int, data: dict[str, Any] | None = None) -> float:
        """Start one by one; the seconds that took."""
        given = inputs(count, data)
        begun = time.perf_counter()
        self._ids = [self._engine.start(kind, one) for one in given]
        return time.perf_counter() - begun

    def start_many(self, kind: str, count: int, data: dict[str, Any] | None = None) -> float:
        """Start in as few calls as the engine offers; the seconds that took."""
        given = inputs(count, data)
        begun = time.perf_counter()
        self._engine.start_many(kind, given)
        return time.perf_counter() - begun

    def wait(self) -> float:
        """Until nothing remains; the monotonic moment of the look that found so."""
        return self._until(lambda: self._engine.remaining() == 0)

    def wait_parked(self, count: int) -> float:
        """Until so many executions are parked; the moment. An error if one has ended before."""

        def reached() -> bool:
            if self._engine.parked() >= count:
                return True
            if self._engine.remaining() < count:
                raise TimeoutError("the first had ended before the last was parked")
            return False

        return self._until(reached)

    def _until(self, reached: Callable[[], bool]) -> float:
        limit = time.monotonic() + PATIENCE
        while True:
            begun = time.monotonic()
            if reached():
                return time.monotonic()
            if begun > limit:
                raise TimeoutError(f"{self._engine.remaining()} remain after {PATIENCE} s")
            # A look that takes long is taken less often: it must not cost what is measured.
            pause(max(POLL, 20 * (time.monotonic() - begun)))

    def wait_held(self, count: int) -> float:
        """Until so many executions are held by a worker (our engine); the moment."""
        return self._until(lambda: self.call("held") >= count)

    def wait_steps(self, count: int) -> float:
        """Until so many steps are completed (our engine); the moment."""
        return self._until(lambda: self.call("steps") >= count)

    def wait_except(self, count: int) -> float:
        """Until no more than so many remain; the moment."""
        return self._until(lambda: self._engine.remaining() <= count)

    def send(self) -> float:
        """Send its event to each execution that ``start`` has started; the seconds."""
        begun = time.perf_counter()
        for execution in self._ids:
            self._engine.send(execution)
        return time.perf_counter() - begun

    def send_all(self, count: int) -> float:
        """Send that many events to the one execution that was started last; the seconds."""
        begun = time.perf_counter()
        for _ in range(count):
            self._engine.send(self._ids[-1])
        return time.perf_counter() - begun

    def latency(self, kind: str, count: int) -> list[float]:
        """Milliseconds from before the start until the end is seen, one execution at a time."""
        found = []
        for data in inputs(count, None):
            begun = time.perf_counter()
            execution = self._engine.start(kind, data)
            found.append(self._ended(execution, begun))
            pause(0.02)
        return found

    def resume_latency(self, kind: str, count: int, act: str) -> list[float]:
        """Milliseconds from before ``act`` (``send``, ``answer``) until the end is seen."""
        found = []
        for data in inputs(count, None):
            execution = self._engine.start(kind, data)
            self._until(lambda: self._engine.parked() >= 1)
            pause(0.02)
            begun = time.perf_counter()
            getattr(self._engine, act)(execution)
            found.append(self._ended(execution, begun))
        return found

    def _ended(self, execution: str, begun: float) -> float:
        while not self._engine.finished(execution):
            if time.perf_counter() - begun > PATIENCE:
                raise TimeoutError(f"{execution} has not ended after {PATIENCE} s")
            pause(FINE)
        return 1000 * (time.perf_counter() - begun)

    def remaining(self) -> int:
        """How many are not complete."""
        return self._engine.remaining()

    def verify(self, kind: str, count: int) -> dict[str, tuple[int, int]]:
        """Found and expected numbers, by name."""
        return self._engine.verify(kind, count)

    def call(self, method: str, **arguments: Any) -> Any:
        """A method that this engine alone has."""
        return getattr(self._engine, method)(**arguments)


def inputs(count: int, data: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The input of each execution: a counter, a key of its own, and ``data``."""
    return [{"n": 0, "key": f"k{number}", **(data or {})} for number in range(count)]


def pause(seconds: float) -> None:
    """Let the others work."""
    time.sleep(seconds)


def say(out: IO[str], **words: Any) -> None:
    """One line to the parent."""
    out.write(json.dumps(words) + "\n")
    out.flush()


def obey(engine: Engine, out: IO[str]) -> None:
    """Carry out one command a line, until the input ends."""
    engine.open()
    client = Client(engine)
    say(out, up=os.getpid())
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(client, command.pop("do"))(**command)
        except Exception as error:
            say(out, error=f"{type(error).__name__}: {error}")
            continue
        say(out, answer=answer)
    engine.close()


def work(engine: Engine, out: IO[str]) -> None:
    """Say that the imports are done, wait for a word, work until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: engine.stop())
    say(out, up=os.getpid())
    if sys.stdin.readline():
        threading.Thread(target=_end_with_parent, daemon=True).start()
        with contextlib.suppress(SystemExit):
            engine.work(int(os.environ.get("BENCHMARK_SLOTS", SLOTS)), lambda: say(out, working=1))


def _end_with_parent() -> None:
    """A worker whose parent has gone, or has closed its input, stops."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """One of the three roles."""
    name, role = sys.argv[1:]
    # What an engine prints goes to standard error, where it can't be taken for an answer.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    engine: Engine = importlib.import_module(f"benchmarks.engines.{name}").ENGINE(
        os.environ["BENCHMARK_URL"]
    )
    if role == "prepare":
        engine.prepare()
    elif role == "worker":
        work(engine, out)
    else:
        obey(engine, out)


if __name__ == "__main__":
    main()
