"""Steps per second and their cost: pipelines from a backlog, and the limit that pgbench sets."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from benchmarks.engines import SLOTS, STEPS
from benchmarks.measuring.bench import Bench
from benchmarks.measuring.environments import NAMES, engine_of
from benchmarks.scenarios import OURS, Scenario

#: One checkpoint as two statements in a transaction: what a durable step can't do without.
CHECKPOINT = """
\\set id random(1, 10000)
BEGIN;
UPDATE execution SET path = 'step', data = '{"n": 1}' WHERE id = :id AND fence = 1;
INSERT INTO step (execution, path, output) VALUES (:id, 'step', '{"n": 1}');
COMMIT;
"""
TABLES = """
CREATE TABLE execution (id bigint PRIMARY KEY, fence bigint, path text, data text);
CREATE TABLE step (id bigserial PRIMARY KEY, execution bigint, path text, output text);
INSERT INTO execution SELECT id, 1, '', '{"n": 0}' FROM generate_series(1, 10000) AS id;
VACUUM ANALYZE execution;
"""


def pipelines(bench: Bench, engine: str, number: int) -> None:
    """A backlog of pipelines, one worker process."""
    _pipelines(bench, engine, number, "pipeline")


def rows(bench: Bench, engine: str, number: int) -> None:
    """The same, and each body writes one row."""
    _pipelines(bench, engine, number, "rows")


def two_processes(bench: Bench, engine: str, number: int) -> None:
    """A backlog of pipelines, two worker processes."""
    _pipelines(bench, engine, number, "pipeline", processes=2)


def keyed(bench: Bench, engine: str, number: int) -> None:
    """Pipelines with a key, tags and a subject each."""
    _pipelines(bench, engine, number, "keyed-pipeline")


def _pipelines(bench: Bench, engine: str, number: int, kind: str, processes: int = 1) -> None:
    count = bench.sizes.pipelines[engine]
    if kind == "rows":
        count = max(2, count // 3)
    jobs = count * engine_of(engine).jobs
    with bench.stage(engine) as stage:
        stage.ask("start_many", kind=kind, count=jobs)
        cost = stage.drain(processes=processes)
        stage.verify(kind, jobs)
    name = kind if processes == 1 else "two-processes"
    bench.keep(name, engine, number, executions=count, **cost.per(count * STEPS))


def backlog(bench: Bench, engine: str, number: int) -> None:
    """A backlog of one-step executions, plain and keyed."""
    count = bench.sizes.backlog
    for kind in ("one", "keyed-one"):
        with bench.stage(engine) as stage:
            stage.ask("start_many", kind=kind, count=count)
            cost = stage.drain()
            stage.verify(kind, count)
        bench.keep(f"backlog-{kind}", engine, number, executions=count, **cost.per(count))


def limit(bench: Bench, engine: str, number: int) -> None:
    """Checkpoints per second of pgbench: one client, and as many as a worker has slots."""
    values: dict[str, float] = {}
    with bench.server.database("bench_limit") as url:
        for statement in filter(str.strip, TABLES.split(";")):
            bench.server.run(statement, database="bench_limit")
        for clients in (1, SLOTS):
            bench.server.settle()
            values[f"clients_{clients}"] = _pgbench(bench, url, clients)
    bench.keep("limit", engine, number, **values, by=_tool(bench))


def _tool(bench: Bench) -> str:
    return "pgbench" if bench.server.program("pgbench") else "a psycopg loop"


def _pgbench(bench: Bench, url: str, clients: int) -> float:
    program = bench.server.program("pgbench")
    seconds = max(1, round(bench.sizes.seconds))
    if program is None:
        return _loop(url, clients, seconds)
    with tempfile.TemporaryDirectory() as directory:
        script = Path(directory) / "checkpoint.sql"
        script.write_text(CHECKPOINT)
        options = ["--no-vacuum", "--protocol=prepared", f"--time={seconds}", f"--file={script}"]
        printed = subprocess.run(
            [program, *options, f"--client={clients}", f"--jobs={min(2, clients)}", url],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    found = re.search(r"^tps = ([\d.]+)", printed.stdout, re.MULTILINE)
    assert found is not None, printed.stdout
    return float(found[1])


def _loop(url: str, clients: int, seconds: int) -> float:
    """The same two statements from threads of this process."""
    import random
    import threading
    import time

    import psycopg

    done = [0] * clients
    ends = time.monotonic() + seconds

    def client(mine: int) -> None:
        with psycopg.connect(url, autocommit=True, prepare_threshold=0) as connection:
            while time.monotonic() < ends:
                execution = random.randint(1, 10000)
                with connection.transaction():
                    connection.execute(
                        "UPDATE execution SET path = 'step', data = '{\"n\": 1}' "
                        "WHERE id = %s AND fence = 1",
                        [execution],
                    )
                    connection.execute(
                        "INSERT INTO step (execution, path, output) "
                        "VALUES (%s, 'step', '{\"n\": 1}')",
                        [execution],
                    )
                done[mine] += 1

    threads = [threading.Thread(target=client, args=(mine,)) for mine in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / seconds


SCENARIOS = (
    Scenario("limit", limit),
    Scenario("pipeline", pipelines, NAMES),
    Scenario("two-processes", two_processes),
    Scenario("rows", rows, ("ours", "dbos")),
    Scenario("keyed-pipeline", keyed),
    Scenario("backlog", backlog, OURS),
)
