"""What things cost: statements of a start, statements and commits of a pipeline."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.test.utils import CaptureQueriesContext

import durable
from durable import Data, Workflow, seconds, step
from durable.testing import drain, run, worker
from tests.cases import ThreadedTestCase, WorkflowTestCase
from tests.shop.models import Note

STEPS = 10
OURS = ("durable_execution", "durable_steprun", "durable_wait", "durable_event")


@dataclass
class Cost:
    """What was sent to the database by all threads, about executions."""

    writes: list[str] = field(default_factory=list)
    commits: int = 0


@contextmanager
def counted() -> Iterator[Cost]:
    """Count the writes, and the commits that carry at least one, of every connection."""
    cost, lock, dirty = Cost(), threading.Lock(), set[int]()
    execute, commit = CursorWrapper.execute, BaseDatabaseWrapper._commit

    def executing(self: Any, sql: Any, params: Any = None) -> Any:
        result = execute(self, sql, params)
        if str(sql).lstrip().startswith(("INSERT", "UPDATE", "DELETE", "WITH")) and any(
            table in str(sql) for table in OURS
        ):
            with lock:
                cost.writes.append(str(sql))
                if self.db.in_atomic_block:
                    dirty.add(id(self.db))
                else:
                    cost.commits += 1
        return result

    def committing(self: Any) -> Any:
        with lock:
            if id(self) in dirty:
                dirty.discard(id(self))
                cost.commits += 1
        return commit(self)

    with (
        mock.patch.object(CursorWrapper, "execute", executing),
        mock.patch.object(BaseDatabaseWrapper, "_commit", committing),
    ):
        yield cost


def pipeline(steps: int, body: Any) -> type[Workflow]:
    names: dict[str, Any] = {}
    for number in range(steps):

        def run_body(self: Any, data: Data) -> Any:
            return body(data)

        run_body.__name__ = f"step_{number}"
        names[f"step_{number}"] = step(run_body)
    return type("Pipeline", (Workflow,), {"__module__": __name__, **names})


def pure(data: Data) -> Data:
    return {"n": data.get("n", 0) + 1}


def writing(data: Data) -> Data:
    Note.objects.create(text="x")
    return {"n": data.get("n", 0) + 1}


class StatementTests(WorkflowTestCase):
    def test_a_start_is_one_insert(self) -> None:
        workflow = pipeline(1, pure)
        durable.start(workflow)  # who listens is remembered for two seconds
        with CaptureQueriesContext(connection) as seen:
            durable.start(workflow, {"n": 1}, queue="q", priority=1, tags={"a": 1})
        self.assertLessEqual(len(seen), 3)  # savepoint, insert, release
        with CaptureQueriesContext(connection) as seen:
            durable.start(workflow, {"n": 1}, idempotency_key="k")
        self.assertLessEqual(len(seen), 6)  # look first; a savepoint around the insert

    def test_a_step_costs_two_writes_in_the_kit(self) -> None:
        few, many = pipeline(2, pure), pipeline(12, pure)
        costs = []
        for workflow in (few, many):
            execution = durable.start(workflow)
            with CaptureQueriesContext(connection) as seen:
                drain()
            self.assertEqual(durable.get_execution(execution.id).status, "completed")
            costs.append(len(seen))
        # per step: two writes; savepoints for the body and for the checkpoint
        self.assertLessEqual(costs[1] - costs[0], 10 * 6)

    def test_claims_and_starts_cost_the_same_however_much_sleeps(self) -> None:
        class Sleeper(Workflow):
            @step
            def only(self, data: Data) -> None:
                self.wait_for_event("never")

        workflow = pipeline(1, pure)
        costs = []
        for sleepers in (0, 20):
            for _ in range(sleepers):
                run(Sleeper)
            durable.start(workflow)
            with CaptureQueriesContext(connection) as seen:
                drain()
            costs.append(len(seen))
        self.assertEqual(costs[0], costs[1])


class CommitTests(ThreadedTestCase):
    """At most 1 + steps + 1 commits for a pipeline without waits: start, steps, claim."""

    def cost_of(self, body: Any) -> Cost:
        workflow = pipeline(STEPS, body)
        with worker(concurrency=1):
            warm = durable.start(workflow)
            durable.wait_for_result(warm.id, timeout=seconds(30))
            with counted() as cost:
                execution = durable.start(workflow)
                result = durable.wait_for_result(execution.id, timeout=seconds(30))
        self.assertEqual(result, {"n": STEPS})
        return cost

    def test_of_pure_steps(self) -> None:
        cost = self.cost_of(pure)
        self.assertGreaterEqual(cost.commits, STEPS)
        self.assertLessEqual(cost.commits, 1 + STEPS + 1)
        # start; claim; two a step; the final status
        self.assertLessEqual(len(cost.writes), 1 + 1 + 2 * STEPS + 1, cost.writes)

    def test_of_steps_that_write(self) -> None:
        cost = self.cost_of(writing)
        self.assertLessEqual(cost.commits, 1 + STEPS + 1)
        self.assertLessEqual(len(cost.writes), 1 + 1 + 2 * STEPS + 1, cost.writes)
