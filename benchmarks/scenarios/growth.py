"""What one item costs when there are ten, a hundred, ten thousand times as many of it."""

from __future__ import annotations

from benchmarks.measuring.bench import Bench, Stage
from benchmarks.scenarios import Scenario

#: executions taken from a backlog of any length
TAKEN = 500


def backlog(bench: Bench, engine: str, number: int) -> None:
    """The same number of executions taken from ever longer backlogs (copies of one row)."""
    for size in bench.sizes.growth:
        if bench.late(f"backlog: {size}"):
            break
        with bench.stage(engine) as stage:
            stage.ask("start", kind="one", count=1)
            sample = stage.ask("call", method="oldest")
            stage.ask("call", method="fill", sample=sample, begin=0, end=size)
            seconds = _taken(stage, min(TAKEN, size // 4))
        _keep(bench, engine, number, "backlog", size, seconds)


def _taken(stage: Stage, count: int) -> float:
    """Seconds for each of the first ``count`` executions of a backlog, or of a few more."""
    stage.bench.server.settle(stage.name)
    worker = stage.worker()
    stage.working([worker])
    cost = stage.measure(lambda: stage.moment("wait_steps", count=count), [worker])
    done: int = stage.ask("call", method="steps")
    worker.end()
    return cost.seconds / done


def events(bench: Bench, engine: str, number: int) -> None:
    """Events that lie in the inbox of one execution, taken one by one."""
    for size in bench.sizes.inbox:
        if bench.late(f"events of one inbox: {size}"):
            break
        with bench.stage(engine) as stage:
            stage.ask("start", kind="inbox", count=1, data={"items": size})
            stage.ask("send_all", count=size)
            cost = stage.drain()
            stage.expect(1, size)
        _keep(bench, engine, number, "events of one inbox", size, cost.seconds / size)


def children(bench: Bench, engine: str, number: int) -> None:
    """Children that one parent calls and collects."""
    for size in bench.sizes.inbox:
        if bench.late(f"children of one parent: {size}"):
            break
        with bench.stage(engine) as stage:
            stage.ask("start", kind="children", count=1, data={"items": size})
            cost = stage.drain()
            stage.ask("call", method="expect_children", items=size)
        _keep(bench, engine, number, "children of one parent", size, cost.seconds / size)


def steps(bench: Bench, engine: str, number: int) -> None:
    """Steps of one execution: rounds of a loop."""
    for size in bench.sizes.steps:
        if bench.late(f"steps of one execution: {size}"):
            break
        with bench.stage(engine) as stage:
            stage.ask("start", kind="rounds", count=1, data={"items": size})
            cost = stage.drain()
            stage.expect(1, size)
        _keep(bench, engine, number, "steps of one execution", size, cost.seconds / size)


def waits(bench: Bench, engine: str, number: int) -> None:
    """Waits in one step, each answered already when the step comes to it."""
    for size in bench.sizes.waits:
        if bench.late(f"waits in one step: {size}"):
            break
        with bench.stage(engine) as stage:
            stage.ask("start", kind="waits", count=1, data={"items": size})
            stage.ask("send_all", count=size)
            cost = stage.drain()
            stage.expect(1, size)
        _keep(bench, engine, number, "waits in one step", size, cost.seconds / size)


def _keep(bench: Bench, engine: str, number: int, what: str, size: int, seconds: float) -> None:
    bench.keep("growth", engine, number, what=what, size=size, item_ms=1000 * seconds)


SCENARIOS = (
    Scenario("growth-backlog", backlog, repeated=False),
    Scenario("growth-events", events, repeated=False),
    Scenario("growth-children", children, repeated=False),
    Scenario("growth-steps", steps, repeated=False),
    Scenario("growth-waits", waits, repeated=False),
)
