"""SQLite, the testing kit, and the statements of trees: our engine in one or two processes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.engines import STEPS
from benchmarks.measuring.bench import Bench, Incomplete
from benchmarks.measuring.cost import cpu_of
from benchmarks.measuring.processes import Agent
from benchmarks.scenarios import Scenario


@contextmanager
def sqlite(bench: Bench, engine: str) -> Iterator[tuple[Agent, str]]:
    """A client of a fresh SQLite file, and the file's URL."""
    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{Path(directory) / 'bench.sqlite3'}"
        python = bench.python(engine)
        with Agent(python, engine, "prepare", url, {}) as agent:
            if agent.process.wait() != 0:
                raise Incomplete(f"no tables in SQLite: {agent.printed()}")
        with Agent(python, engine, "client", url, {}) as client:
            client.hear()
            yield client, url


def pipelines(bench: Bench, engine: str, number: int) -> None:
    """A backlog of pipelines in a SQLite file, one worker process."""
    count = max(2, bench.sizes.pipelines[engine] // 2)
    with sqlite(bench, engine) as (client, url):
        client.ask("start_many", kind="pipeline", count=count)
        with Agent(bench.python(engine), engine, "worker", url, {}) as worker:
            worker.hear()
            worker.tell()
            worker.hear()
            begun, cpu = time.monotonic(), cpu_of(worker.pid)
            seconds = client.ask("wait") - begun
            cpu = cpu_of(worker.pid) - cpu
        found = client.ask("verify", kind="pipeline", count=count)
    if any(seen != expected for seen, expected in found.values()):
        raise Incomplete(f"SQLite: {found}")
    steps = count * STEPS
    bench.keep(
        "sqlite",
        engine,
        number,
        executions=count,
        per_second=steps / seconds,
        worker_ms=1000 * cpu / steps,
    )


def kit(bench: Bench, engine: str, number: int) -> None:
    """``durable.testing`` on SQLite, in a transaction as ``TestCase`` has it."""
    claims = min(300, bench.sizes.starts)
    with sqlite(bench, engine) as (client, _):
        seconds = client.ask("call", method="kit_claims", count=claims)
        children = client.ask("call", method="kit_children", items=100)
    bench.keep(
        "kit",
        engine,
        number,
        executions=claims,
        claims_per_second=claims / seconds,
        children_seconds=children,
    )


def trees(bench: Bench, engine: str, number: int) -> None:
    """Statements for each execution of a tree, at a quarter of its size and at the whole."""
    deep, wide = bench.sizes.tree, 25 * bench.sizes.tree
    for method, size in (("fail_tree", deep), ("cancel_tree", deep), ("cancel_crowd", wide)):
        found = {}
        for part in (max(1, size // 4), size):
            with bench.stage(engine) as stage:
                found[part] = stage.ask("call", method=method, size=part) / part
        small, large = found.values()
        bench.keep(
            method.replace("_", "-"),
            engine,
            number,
            size=size,
            statements_each=large,
            growth=large / small,
        )


SCENARIOS = (
    Scenario("sqlite", pipelines),
    Scenario("kit", kit, repeated=False),
    Scenario("trees", trees, repeated=False),
)
