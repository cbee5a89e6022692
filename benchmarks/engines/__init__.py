"""The protocol of an engine under measurement; each has one file in this folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

#: How many executions (or jobs) one worker process runs at a time, for every engine.
SLOTS = 32
#: The steps of one pipeline.
STEPS = 10

#: What can be started, each verified by ``Engine.verify``:
#: ``pipeline`` ten steps that each return a small object; ``rows`` the same, and each step writes
#: one row through the engine's ORM in the transaction of its checkpoint; ``one`` a single step;
#: ``sleep`` sleeps until ``data["until"]`` (epoch seconds); ``event`` waits for one event.
Kind = str


class Engine:
    """One engine in its own process: it defines the same work with that engine's own means."""

    #: what ``pip install`` is given for the engine's virtual environment
    packages: ClassVar[tuple[str, ...]] = ()
    #: the kinds of work that the engine can do
    kinds: ClassVar[frozenset[Kind]] = frozenset({"pipeline", "one"})
    #: executions that are started for one pipeline: ten jobs where there are no checkpoints
    jobs: ClassVar[int] = 1
    #: said below the table of results
    note: ClassVar[str] = ""

    def __init__(self, url: str) -> None:
        """Import the engine and define the work; ``url`` is the database's."""
        self.url = url

    def prepare(self) -> None:
        """Create the engine's tables in an empty database."""
        raise NotImplementedError

    def open(self) -> None:
        """Connect as a client, so that the first start costs what any other costs."""

    def start(self, kind: Kind, data: dict[str, Any]) -> str:
        """Start one execution, in one call; its id."""
        raise NotImplementedError

    def start_many(self, kind: Kind, datas: list[dict[str, Any]]) -> None:
        """Start them in as few calls as the engine offers."""
        for data in datas:
            self.start(kind, data)

    def send(self, execution: str) -> None:
        """Send the event that the execution waits for."""
        raise NotImplementedError

    def finished(self, execution: str) -> bool:
        """Whether the execution is recorded as complete: one cheap query."""
        raise NotImplementedError

    def remaining(self) -> int:
        """How many executions are not complete yet."""
        raise NotImplementedError

    def parked(self) -> int:
        """How many executions are recorded as asleep or waiting, held by no worker."""
        raise NotImplementedError

    def verify(self, kind: Kind, count: int) -> dict[str, tuple[int, int]]:
        """Found and expected numbers, by name: results, checkpoints, rows."""
        raise NotImplementedError

    def work(self, slots: int, working: Callable[[], None]) -> None:
        """Run a worker in this process until ``stop``; call ``working`` once it is up."""
        raise NotImplementedError

    def stop(self) -> None:
        """End ``work``; called by a signal handler in the same thread."""
        raise SystemExit(0)

    def close(self) -> None:
        """Close every connection."""
