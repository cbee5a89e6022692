"""Executions that are parked in a sleep or in the wait for an event, and resumed."""

from __future__ import annotations

import time

from benchmarks.measuring.bench import Bench
from benchmarks.measuring.cost import Cost
from benchmarks.measuring.processes import AgentError
from benchmarks.scenarios import Scenario

#: seconds until the worker is up, and the slowest parking per second: so far ahead the sleeps end
LEAD = 6
SLOWEST = 80


def sleeps(bench: Bench, engine: str, number: int) -> None:
    """All sleep until one moment; parked before it, and resumed after it."""
    count = bench.sizes.parked
    try:
        parked, resumed = _sleeps(bench, engine, count, LEAD + count / SLOWEST)
    except AgentError:  # a busy machine: they were not all parked in time
        parked, resumed = _sleeps(bench, engine, count, 5 * (LEAD + count / SLOWEST))
    _keep(bench, "sleep", engine, number, count, parked, resumed)


def _sleeps(bench: Bench, engine: str, count: int, lead: float) -> tuple[Cost, Cost]:
    with bench.stage(engine) as stage:
        until = time.time() + lead
        stage.ask("start_many", kind="sleep", count=count, data={"until": until})
        bench.server.settle(stage.name)
        worker = stage.worker()
        stage.working([worker])
        parked = stage.measure(lambda: stage.moment("wait_parked", count=count), [worker])
        time.sleep(max(0, until - time.time()))  # the sleeps are real
        resumed = stage.measure(lambda: stage.moment("wait"), [worker])
        stage.verify("sleep", count)
    return parked, resumed


def events(bench: Bench, engine: str, number: int) -> None:
    """Each waits for an event of its own; all are parked, then the events are sent one by one."""
    for kind in ("event", "keyed-event") if engine == "ours" else ("event",):
        _events(bench, engine, number, kind)


def _events(bench: Bench, engine: str, number: int, kind: str) -> None:
    count = bench.sizes.parked
    with bench.stage(engine) as stage:
        stage.ask("start", kind=kind, count=count)
        bench.server.settle(stage.name)
        worker = stage.worker()

        def resume() -> float:
            stage.ask("send")
            return stage.moment("wait")

        stage.working([worker])
        parked = stage.measure(lambda: stage.moment("wait_parked", count=count), [worker])
        resumed = stage.measure(resume, [worker])
        stage.verify(kind, count)
    _keep(bench, kind, engine, number, count, parked, resumed)


def _keep(
    bench: Bench, kind: str, engine: str, number: int, count: int, parked: Cost, resumed: Cost
) -> None:
    """Both parts: per second each, and together (without the idle time between them)."""
    first, then = parked.per(count), resumed.per(count)
    both = {
        name: first[name] + then[name]
        for name in ("cpu_ms", "worker_ms", "server_ms", "commits", "wal_bytes")
        if name in first and name in then
    }
    bench.keep(
        f"parked-{kind}",
        engine,
        number,
        executions=count,
        parked_per_second=first["per_second"],
        resumed_per_second=then["per_second"],
        per_second=count / (parked.seconds + resumed.seconds),
        **both,
    )


SCENARIOS = (
    Scenario("parked-sleep", sleeps, ("ours", "absurd")),
    Scenario("parked-event", events, ("ours", "absurd")),
)
