"""Run due executions in a test: in its own thread, or in a real worker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from durable.authoring.workflow import Workflow
from durable.conf import database
from durable.engine.duties import inline
from durable.engine.duties.duty import duties_of
from durable.engine.duties.rota import Rota
from durable.engine.start.start import StartOptions, start
from durable.errors import DurableError
from durable.models import Execution
from durable.testing import firing
from durable.testing.refreshing import refreshed

MAX_STEPS = 10_000


def run(
    workflow: type[Workflow] | str, input: Mapping[str, Any] | None = None, **options: Any
) -> Execution:
    """Start an execution, do all due work, and return the execution's row after that.

    ``options`` are those of ``durable.start``.
    """
    tags = options.pop("tags", None) or {}
    execution = start(workflow, input, StartOptions(tags=tags, **options))
    drain()
    return refreshed(execution)


def drain(max_steps: int = MAX_STEPS) -> int:
    """Do due work, in a fixed order, until nothing is due; return the number of claims.

    Schedules fire within ``time_travel(schedules=…)`` only.

    ``DurableError`` when ``max_steps`` claims were not enough: a workflow goes round in circles.
    """
    rota = Rota(duties_of(schedules=firing.rows, declare=firing.register))
    done = inline.work(max_steps, rota)
    if done >= max_steps and inline.work(1, rota):
        raise DurableError(
            f"drain() gave up after {max_steps} claims: a workflow keeps itself busy, or "
            "max_steps is too low"
        )
    return done


@contextmanager
def worker(concurrency: int = 4, queues: list[str] | None = None) -> Iterator[Any]:
    """Run a real worker in threads of this process; for ``TransactionTestCase``.

    ``DurableError`` inside a transaction (``TestCase``), of which its threads would see nothing;
    and on an SQLite database in memory.
    """
    from django.db import connections

    if connections[database()].in_atomic_block:
        raise DurableError(
            "worker() needs TransactionTestCase: the worker's threads have connections of their "
            "own, which can't see what this test's transaction has not committed"
        )
    from durable.worker.worker import WorkerProcess

    running = WorkerProcess(queues=dict.fromkeys(queues or ["default"], concurrency))
    running.start()
    try:
        yield running
    finally:
        running.stop()
