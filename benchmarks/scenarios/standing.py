"""A worker that has nothing to do, and one that works beside a million rows."""

from __future__ import annotations

import time

from benchmarks.engines import STEPS
from benchmarks.measuring.bench import Bench, Stage
from benchmarks.measuring.cost import cpu_of, resident_mb
from benchmarks.scenarios import Scenario

#: seconds until a worker has done what it does once at its start
SETTLED = 3.0


def idle(bench: Bench, engine: str, number: int) -> None:
    """Transactions, CPU and memory of a worker without work."""
    with bench.stage(engine) as stage:
        worker = stage.worker()
        stage.working([worker])
        time.sleep(SETTLED)  # nothing happens, and that is measured
        before, cpu = bench.server.transactions(stage.name), cpu_of(worker.pid)
        time.sleep(bench.sizes.idle)
        transactions = bench.server.transactions(stage.name) - before
        cpu = cpu_of(worker.pid) - cpu
        memory = resident_mb(worker.pid)
    bench.keep(
        "idle",
        engine,
        number,
        transactions_per_second=transactions / bench.sizes.idle,
        cpu_percent=100 * cpu / bench.sizes.idle,
        memory_mb=memory,
    )


def rows(bench: Bench, engine: str, number: int) -> None:
    """Pipelines beside ever more sleeping, then also finished executions.

    One database: empty, with sleepers, and with as many finished ones on top. The rows are copies
    of rows that the engine has written (a sleeper with its wait, a finished one with a step).
    """
    with bench.stage(engine) as stage:
        worker = stage.worker()
        stage.working([worker])
        stage.ask("start", kind="sleep", count=1, data={"until": 4e9})
        stage.ask("start", kind="one", count=1)
        stage.ask("wait_except", count=1)
        stage.ask("wait_parked", count=1)
        worker.end()
        samples = stage.ask("call", method="samples")
        stage.ask("call", method="forget")
        _pipelines(stage, number, "empty", 0)
        for what in ("sleepers", "finished"):
            there = 0
            for size in _sizes(bench):
                if bench.late(f"{what}: {size}"):
                    break
                stage.ask("call", method="fill", sample=samples[what], begin=there, end=size)
                there = size
                _pipelines(stage, number, what, size)


def _sizes(bench: Bench) -> list[int]:
    below = [size for size in bench.sizes.growth if size < bench.sizes.big]
    return [*below, bench.sizes.big]


def _pipelines(stage: Stage, number: int, what: str, size: int) -> None:
    count = max(2, stage.bench.sizes.pipelines["ours"] // 2)
    stage.ask("start_many", kind="pipeline", count=count)
    cost = stage.drain()
    stage.verify("pipeline", count)
    stage.ask("call", method="forget")
    stage.bench.keep(
        "growth",
        stage.engine,
        number,
        what=what,
        size=size,
        item_ms=1000 * cost.seconds / (count * STEPS),
        **cost.per(count * STEPS),
    )


SCENARIOS = (
    Scenario("idle", idle, repeated=False),
    Scenario("rows-beside", rows, repeated=False),
)
