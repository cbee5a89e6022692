"""Starts per second: one by one, in one call, and one by one beside a working worker."""

from __future__ import annotations

from benchmarks.measuring.bench import Bench
from benchmarks.measuring.environments import NAMES
from benchmarks.scenarios import Scenario


def alone(bench: Bench, engine: str, number: int) -> None:
    """One by one, then many in one call; no worker is up."""
    kinds = ("one", "keyed-one") if engine == "ours" else ("one",)
    sizes = bench.sizes
    for kind in kinds:
        with bench.stage(engine) as stage:
            bench.server.settle()
            taken = stage.ask("start", kind=kind, count=sizes.starts)
            remaining = sizes.starts
            values = {"executions": sizes.starts, "per_second": sizes.starts / taken}
            if kind == "one" and engine != "dbos":
                taken = stage.ask("start_many", kind=kind, count=sizes.start_many)
                remaining += sizes.start_many
                values["many_per_second"] = sizes.start_many / taken
            stage.check_remaining(remaining)
        bench.keep(f"starts-{kind}", engine, number, **values)


def beside(bench: Bench, engine: str, number: int) -> None:
    """One by one while a worker works them off; all of them end."""
    count = bench.sizes.starts
    with bench.stage(engine) as stage:
        worker = stage.worker()
        stage.working([worker])
        taken = stage.ask("start", kind="one", count=count)
        stage.ask("wait")
        stage.verify("one", count)
    bench.keep("starts-beside", engine, number, executions=count, per_second=count / taken)


SCENARIOS = (
    Scenario("starts", alone, NAMES),
    Scenario("starts-beside", beside, ("ours", "absurd")),
)
