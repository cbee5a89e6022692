"""One run of the bench: the server, the sizes, the records; and how one measurement is set up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.measuring.cost import Cost, Meter
from benchmarks.measuring.environments import python_of
from benchmarks.measuring.processes import Agent
from benchmarks.measuring.server import Server, UnfitServer

#: seconds in which the connections of ended processes must be gone
GONE = 10.0


@dataclass(frozen=True)
class Sizes:
    """How much of everything is done in one run."""

    minutes: float  # what has not begun by then is left out, and said so
    rounds: int
    seconds: float  # of each pgbench run
    pipelines: dict[str, int]  # by engine, for the same time of work; ``rows`` takes a third
    latencies: int  # executions of one latency measurement
    starts: int
    start_many: int
    parked: int
    backlog: int  # one-step executions, with and without keys
    big: int  # sleeping and finished rows, each
    items: int
    idle: float  # seconds that an idle worker is watched
    fresh_workers: int
    tree: int  # the depth of the deepest tree, and a fortieth of the crowd that is cancelled
    growth: tuple[
        int, ...
    ]  # of what may be large: items, backlog, sleepers, finished rows, children
    inbox: tuple[int, ...]
    steps: tuple[int, ...]
    waits: tuple[int, ...]


@dataclass(frozen=True)
class Record:
    """What one measurement found."""

    scenario: str
    engine: str
    round: int
    values: dict[str, Any]


class Incomplete(Exception):
    """The engine did not do all of the work, or not rightly: its figures are void."""


@dataclass
class Bench:
    """What every scenario works with."""

    server: Server
    sizes: Sizes
    python: Callable[[str], str] = python_of
    #: the tests work beside others, on a server whose durability is off
    strict: bool = True
    records: list[Record] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    prefix: str = "bench"
    left_out: list[str] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    def late(self, what: str, share: float = 0.9) -> bool:
        """Whether this share of the run's time is over: then ``what`` is left out."""
        late = time.monotonic() - self.begun > share * 60 * self.sizes.minutes
        if late:
            self.left_out.append(what)
        return late

    def keep(self, scenario: str, engine: str, number: int, **values: Any) -> None:
        """Record the figures of one measurement."""
        self.records.append(Record(scenario, engine, number, values))

    @contextmanager
    def stage(self, engine: str, **environment: str) -> Iterator[Stage]:
        """A fresh database with the engine's tables, and a client process."""
        self.prepare(engine)
        with (
            self.server.database(self._name(engine), self._template(engine)) as url,
            Stage(self, engine, url, environment) as stage,
        ):
            yield stage

    def prepare(self, engine: str) -> None:
        """Create the engine's template once: later databases are copies of it."""
        name = self._template(engine)
        known = self.server.run("SELECT 1 FROM pg_database WHERE datname = %s", name)
        if known and name in self._prepared:
            return
        self.server.drop(name)
        self.server.run(f'CREATE DATABASE "{name}" TEMPLATE template0')
        url = self.server.url_of(name)
        with Agent(self.python(engine), engine, "prepare", url, self.paths()) as agent:
            if agent.process.wait() != 0:
                raise Incomplete(f"{engine} could not create its tables: {agent.printed()}")
        self._prepared.add(name)

    def paths(self) -> dict[str, str]:
        """An environment in which PostgreSQL's programs are found."""
        import os

        if self.server.binaries is None:
            return {}
        return {"PATH": f"{self.server.binaries}{os.pathsep}{os.environ['PATH']}"}

    def alone(self) -> None:
        """``UnfitServer`` if a process of an earlier measurement is still connected."""
        limit = time.monotonic() + GONE
        while self.strict:
            try:
                self.server.refuse_company()
                return
            except UnfitServer:
                if time.monotonic() > limit:
                    raise
                time.sleep(0.05)  # ended processes leave in their own time

    def clear(self) -> None:
        """Drop the templates."""
        for name in self._prepared:
            self.server.drop(name)

    def _template(self, engine: str) -> str:
        return f"{self.prefix}_template_{engine}"

    def _name(self, engine: str) -> str:
        return f"{self.prefix}_{engine}"

    def __post_init__(self) -> None:
        self._prepared: set[str] = set()


class Stage:
    """One engine in a database of its own, with a client at hand and workers on demand."""

    def __init__(self, bench: Bench, engine: str, url: str, environment: dict[str, str]) -> None:
        self.bench, self.engine, self.url = bench, engine, url
        self._environment = environment
        self._stack = ExitStack()

    def __enter__(self) -> Stage:
        self.bench.alone()
        self.client = self._agent("client")
        self.client.hear()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def ask(self, do: str, **arguments: Any) -> Any:
        """Have the client carry out a command."""
        return self.client.ask(do, **arguments)

    def moment(self, do: str, **arguments: Any) -> float:
        """Have the client wait for something; the moment when it was so."""
        found: float = self.client.ask(do, **arguments)
        return found

    @property
    def name(self) -> str:
        """The database's name."""
        return self.url.split("?")[0].rpartition("/")[2]

    def worker(self, **environment: str) -> Agent:
        """A worker process whose imports are done; it works when it is told."""
        agent = self._agent("worker", **environment)
        agent.hear()
        return agent

    def working(self, workers: Sequence[Agent]) -> None:
        """Let the workers work."""
        for worker in workers:
            worker.tell()
        for worker in workers:
            worker.hear()

    def measure(self, act: Callable[[], float | None], workers: Sequence[Agent] = ()) -> Cost:
        """The cost of ``act``, until the monotonic moment that it returns, if it returns one."""
        meter = Meter(self.bench.server, [worker.pid for worker in workers])
        return meter.stop(act())

    def drain(self, *, processes: int = 1) -> Cost:
        """The cost of a backlog, from the moment the workers are up until nothing remains."""
        self.bench.server.settle(self.name)
        workers = [self.worker() for _ in range(processes)]
        try:
            self.working(workers)
            return self.measure(lambda: self.moment("wait"), workers)
        finally:
            for worker in workers:
                worker.end()

    def verify(self, kind: str, count: int) -> None:
        """``Incomplete`` unless everything that was started has ended with the right result."""
        found: dict[str, list[int]] = self.ask("verify", kind=kind, count=count)
        for what, (seen, expected) in found.items():
            if seen != expected:
                raise Incomplete(f"{self.engine}, {kind}: {seen} {what} instead of {expected}")

    def expect(self, count: int, value: int) -> None:
        """``Incomplete`` unless so many executions have ended with that counter (our engine)."""
        found = self.ask("call", method="results", expected=value)
        if found != count:
            raise Incomplete(f"{self.engine}: {found} of {count} executions counted to {value}")

    def check_remaining(self, count: int) -> None:
        """``Incomplete`` unless so many are there that no worker has touched."""
        found = self.ask("remaining")
        if found != count:
            raise Incomplete(f"{self.engine}: {found} executions instead of {count}")

    def _agent(self, role: str, **environment: str) -> Agent:
        return self._stack.enter_context(
            Agent(
                self.bench.python(self.engine),
                self.engine,
                role,
                self.url,
                {**self.bench.paths(), **self._environment, **environment},
            )
        )
