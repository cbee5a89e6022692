"""A foreach of many trivial items, in batches and one by one: items per second and memory."""

from __future__ import annotations

from benchmarks.measuring.bench import Bench
from benchmarks.measuring.cost import peak_mb
from benchmarks.scenarios import Scenario


def foreach(bench: Bench, engine: str, number: int) -> None:
    """One execution with all the items, at a tenth of the size and at the whole."""
    for batch in (100, 1):
        for size in (bench.sizes.items // 10, bench.sizes.items):
            if bench.late(f"foreach of {size} in batches of {batch}"):
                break
            _foreach(bench, engine, number, batch, size)


def _foreach(bench: Bench, engine: str, number: int, batch: int, size: int) -> None:
    with bench.stage(engine) as stage:
        stage.ask("start", kind=f"foreach{batch}", count=1, data={"items": size})
        bench.server.settle(stage.name)
        worker = stage.worker()
        stage.working([worker])
        cost = stage.measure(lambda: stage.moment("wait"), [worker])
        peak = peak_mb(worker.pid)
        stage.expect(1, size)
    values = cost.per(size)
    bench.keep("foreach", engine, number, batch=batch, size=size, peak_mb=peak, **values)
    what = f"items, batches of {batch}" if batch > 1 else "items one by one"
    item_ms = 1000 / values["per_second"]
    bench.keep("growth", engine, number, what=what, size=size, item_ms=item_ms)


SCENARIOS = (Scenario("foreach", foreach, repeated=False),)
