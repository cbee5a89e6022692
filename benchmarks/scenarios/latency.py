"""Milliseconds on an idle system: a start, an event, an answer, and the first start of a worker."""

from __future__ import annotations

from benchmarks.measuring.bench import Bench, Stage
from benchmarks.measuring.environments import NAMES
from benchmarks.measuring.processes import Agent
from benchmarks.scenarios import Scenario

#: executions before the first that counts: caches and prepared statements are warm then
WARM_UP = 5


def spread(milliseconds: list[float]) -> dict[str, float]:
    """Median and 95th percentile."""
    ordered = sorted(milliseconds)
    last = len(ordered) - 1
    return {"p50": ordered[round(0.5 * last)], "p95": ordered[round(0.95 * last)]}


def start(bench: Bench, engine: str, number: int) -> None:
    """From before the start of a one-step execution until its end can be read."""
    count = bench.sizes.latencies
    with bench.stage(engine) as stage:
        _worker(stage)
        stage.ask("latency", kind="one", count=WARM_UP)
        found = stage.ask("latency", kind="one", count=count)
        stage.verify("one", WARM_UP + count)
    bench.keep("latency", engine, number, executions=count, **spread(found))


def event(bench: Bench, engine: str, number: int) -> None:
    """From before the sending of an event until the end of the execution that waited for it."""
    _resume(bench, engine, number, "event", "send")


def answer(bench: Bench, engine: str, number: int) -> None:
    """The same for a person's answer."""
    _resume(bench, engine, number, "answer", "answer")


def _resume(bench: Bench, engine: str, number: int, kind: str, act: str) -> None:
    count = max(2, bench.sizes.latencies // 2)
    with bench.stage(engine) as stage:
        _worker(stage)
        stage.ask("resume_latency", kind=kind, count=WARM_UP, act=act)
        found = stage.ask("resume_latency", kind=kind, count=count, act=act)
        stage.verify(kind, WARM_UP + count)
    bench.keep(f"{kind}-latency", engine, number, executions=count, **spread(found))


def first(bench: Bench, engine: str, number: int) -> None:
    """The first start after a worker has come up, for several workers one after the other."""
    found: list[float] = []
    with bench.stage(engine) as stage:
        for _ in range(1 + bench.sizes.fresh_workers):
            worker = _worker(stage)
            found += stage.ask("latency", kind="one", count=1)
            worker.end()
        stage.verify("one", len(found))
    del found[0]  # the client itself was new
    bench.keep("first-start", engine, number, executions=len(found), **spread(found))


def commits(bench: Bench, engine: str, number: int) -> None:
    """Transactions that change something, for one pipeline alone on an idle worker."""
    count = 10
    with bench.stage(engine) as stage:
        worker = _worker(stage)
        stage.ask("latency", kind="pipeline", count=2)
        cost = stage.measure(
            lambda: stage.ask("latency", kind="pipeline", count=count) and None, [worker]
        )
        stage.verify("pipeline", 2 + count)
    bench.keep("commits-alone", engine, number, executions=count, **cost.per(count))


def _worker(stage: Stage) -> Agent:
    worker = stage.worker()
    stage.working([worker])
    return worker


SCENARIOS = (
    Scenario("latency", start, NAMES),
    Scenario("event-latency", event, ("ours", "dbos", "absurd")),
    Scenario("answer-latency", answer),
    Scenario("first-start", first),
    Scenario("commits-alone", commits),
)
