"""A worker is killed in the middle of its steps; another one takes them over."""

from __future__ import annotations

import time

from benchmarks.engines import SLOTS
from benchmarks.measuring.bench import Bench
from benchmarks.scenarios import Scenario

LEASE = 6


def kill(bench: Bench, engine: str, number: int) -> None:
    """Seconds from SIGKILL until all that the dead worker held has ended elsewhere."""
    with bench.stage(engine, BENCHMARK_LEASE=str(LEASE)) as stage:
        stage.ask("start_many", kind="doomed", count=SLOTS)
        doomed = stage.worker(BENCHMARK_HANG="1")
        stage.working([doomed])
        stage.ask("wait_held", count=SLOTS)
        heir = stage.worker()
        stage.working([heir])
        time.sleep(1)  # the heir is up and has looked around
        doomed.kill()
        killed = time.monotonic()
        cost = stage.measure(lambda: stage.moment("wait"), [heir])
        seconds = time.monotonic() - killed
        stage.expect(SLOTS, 1)
    bench.keep(
        "recovery",
        engine,
        number,
        executions=SLOTS,
        lease=LEASE,
        seconds=seconds,
        beyond_lease=seconds - LEASE,
        cpu_ms=cost.per(SLOTS).get("cpu_ms", 0.0),
    )


SCENARIOS = (Scenario("recovery", kill, repeated=False),)
