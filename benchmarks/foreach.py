"""A foreach of many trivial items: items/s, the worker's peak memory, statements per item.

``DATABASE_URL=postgresql://… python benchmarks/foreach.py --items 100000 --batch 100``

The worker is a process of its own, which says at its end what it took. The figures are void
unless the counter that every item increments equals the number of items.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")


def workflow(concurrency: int, batch: int, collect: bool) -> type[Any]:
    """The workflow that is measured; the same class in both processes."""
    from durable import Workflow, chain, foreach, increment, step

    collect_as = "results" if collect else None

    class Campaign(Workflow):
        @step
        def send(self, data: Any, item: int, index: int) -> Any:
            return item if collect else increment(data, "sent")

        @step
        def after(self, data: Any) -> Any:
            return data

        flow = chain(
            foreach(
                lambda data: range(data["items"]),
                send,
                concurrency=concurrency,
                batch_size=batch,
                collect_as=collect_as,
            ),
            after,
        )

    return Campaign


def work(options: argparse.Namespace) -> None:
    """The worker process: until nothing is due; its last line is what it took."""
    import django

    django.setup()
    workflow(options.concurrency, options.batch, options.collect)
    from django.db.backends.signals import connection_created

    from durable.worker.worker import WorkerProcess

    statements = [0]

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements[0] += 1
        return execute(sql, params, many, context)

    def attend(connection: Any, **_: Any) -> None:
        if count not in connection.execute_wrappers:
            connection.execute_wrappers.insert(0, count)

    connection_created.connect(attend)
    profile = os.environ.get("BENCHMARK_PROFILE")
    if profile:
        import threading

        threading.Thread(target=_sample, args=(profile,), daemon=True).start()
    WorkerProcess(queues={"default": options.slots}, burst=True).run()
    used = resource.getrusage(resource.RUSAGE_SELF)
    took = {
        "statements": statements[0],
        "cpu": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss / 1024,
    }
    _say(json.dumps(took))


def _sample(path: str) -> None:
    """A sampling profiler of all threads, for whoever wants to know where the time goes."""
    import collections
    import traceback

    seen: collections.Counter[str] = collections.Counter()
    end = time.monotonic() + float(os.environ.get("BENCHMARK_SECONDS", "20"))
    while time.monotonic() < end:
        time.sleep(0.005)  # noqa: TID251
        for frame in sys._current_frames().values():
            for depth, entry in enumerate(reversed(traceback.extract_stack(frame))):
                if depth > 25:
                    break
                if "durable" in entry.filename or depth == 0:
                    seen[f"{Path(entry.filename).name}:{entry.lineno} {entry.name}"] += 1
    lines = [f"{number:6} {place}" for place, number in seen.most_common(80)]
    Path(path).write_text("\n".join(lines))


def _say(*words: Any) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Start the execution, let a worker process have it, and say what came of it."""
    options = _options()
    if options.work:
        work(options)
        return
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    import durable

    database = connection.creation.create_test_db(verbosity=0, autoclobber=True)
    call_command("check")
    environment = {**os.environ, "BENCHMARK_NAME": database}
    try:
        execution = durable.start(
            workflow(options.concurrency, options.batch, options.collect),
            {"items": options.items},
        )
        begun = time.perf_counter()
        worker = subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--work"],
            env=environment,
            stdout=subprocess.PIPE,
            check=True,
        )
        wall = time.perf_counter() - begun
        execution.refresh_from_db()
        done = execution.data.get("sent") or len(execution.data.get("results", ()))
        _say(execution.status, done, (execution.error or {}).get("message", ""))
        took = json.loads(worker.stdout.splitlines()[-1])
        seconds = (execution.finished_at - execution.started_at).total_seconds()
        _say(
            f"{options.items} items, concurrency={options.concurrency}, batch={options.batch}: "
            f"{options.items / seconds:.0f} items/s ({seconds:.1f} s, {wall:.1f} with start-up), "
            f"peak {took['peak_mb']:.0f} MB, {took['statements'] / options.items:.2f} "
            f"statements/item, worker CPU {1000 * took['cpu'] / options.items:.2f} ms/item"
        )
        if done != options.items:
            raise SystemExit("the counter is wrong")
    finally:
        connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--slots", type=int, default=32)
    parser.add_argument("--collect", action="store_true")
    parser.add_argument("--work", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
