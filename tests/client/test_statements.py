"""What things cost: statements of a start, statements and commits of a pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.test.utils import CaptureQueriesContext

import durable
from durable import Data, Workflow, seconds, step
from durable.testing import drain, run, worker
from tests.cases import ThreadedTestCase, WorkflowTestCase
from tests.costs.counting import Cost, counted
from tests.shop.models import Note

STEPS = 10
OURS = ("durable_execution", "durable_steprun", "durable_wait", "durable_event")


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
    def cost(self, call: Callable[[], object]) -> int:
        """How many statements a call sends."""
        with CaptureQueriesContext(connection) as seen:
            call()
        return len(seen)

    def test_a_start_in_a_transaction_is_one_statement(self) -> None:
        workflow, order = pipeline(1, pure), Note.objects.create(text="x")
        given: dict[str, Any] = {"tags": {"a": 1}, "subject": order, "priority": 1, "queue": "q"}
        later = {"delay": seconds(60)}
        durable.start(workflow)  # notes for this transaction that nobody listens
        for options in ({}, given, later):
            with self.subTest(options=options):
                cost = self.cost(lambda o=options: durable.start(workflow, {"n": 1}, **o))
                self.assertEqual(cost, 1)
        self.assertEqual(
            self.cost(lambda: durable.start(workflow, {"n": 1}, keys=["a", "b"])),
            1 if connection.vendor == "postgresql" else 4,  # a savepoint around row and keys
        )

    def test_an_event_costs_one_look_at_its_execution(self) -> None:
        started = durable.start(pipeline(1, pure))  # notes that nobody listens
        send = lambda: durable.send_event(started.pk, "go", {"n": 1})  # noqa: E731
        self.assertEqual(self.cost(send), 4)  # look and insert, in a savepoint

    def test_an_idempotency_key_costs_no_look_before_the_insert(self) -> None:
        workflow = pipeline(1, pure)
        once = lambda: durable.start(workflow, {"n": 1}, idempotency_key="k")  # noqa: E731
        self.assertEqual(self.cost(once), 3)  # in a savepoint
        self.assertEqual(self.cost(once), 4)  # and who was first is read

    def test_a_start_sends_few_parameters(self) -> None:
        """The driver keeps the parsed text of short statements with few parameters."""
        sent, execute = list[tuple[str, int]](), CursorWrapper.execute

        def noting(self: Any, sql: Any, params: Any = None) -> Any:
            sent.append((sql, len(params or ())))
            return execute(self, sql, params)

        workflow = pipeline(1, pure)
        with mock.patch.object(CursorWrapper, "execute", noting):
            durable.start(workflow, {"n": 1}, tags={"a": 1}, keys=["k"])
        sql, number = max(sent, key=lambda one: one[1])
        self.assertLess(number, 20)
        self.assertLess(len(sql), 4096)

    def test_many_starts_are_a_statement_for_a_thousand(self) -> None:
        class Keyed(Workflow):
            class Meta:
                key = "n"

            @step
            def only(self, data: Data) -> None: ...

        inputs = [{"n": n} for n in range(2500)]
        self.assertEqual(
            self.cost(lambda: durable.start_many(pipeline(1, pure), inputs)),
            3 + 2,  # in a savepoint
        )
        self.assertEqual(self.cost(lambda: durable.start_many(Keyed, inputs)), 6 + 2)

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


class AloneTests(ThreadedTestCase):
    """Where no transaction is open."""

    def test_a_start_is_one_statement(self) -> None:
        """No BEGIN, no COMMIT, no NOTIFY of its own."""
        workflow = pipeline(1, pure)
        durable.start(workflow)
        for options in ({}, {"tags": {"a": 1}}, {"idempotency_key": "k"}):
            with self.subTest(options=options), CaptureQueriesContext(connection) as seen:
                durable.start(workflow, {"n": 1}, **options)
                self.assertEqual(len(seen), 1, seen.captured_queries)
        with CaptureQueriesContext(connection) as seen:
            durable.start(workflow, {"n": 1}, keys=["a"])
        self.assertEqual(len(seen), 1 if connection.vendor == "postgresql" else 4)


class CommitTests(ThreadedTestCase):
    """At most 1 + steps + 1 commits for a pipeline without waits: start, steps, claim."""

    def cost_of(self, body: Any) -> Cost:
        workflow = pipeline(STEPS, body)
        with worker(concurrency=1):
            warm = durable.start(workflow)
            durable.wait_for_result(warm.id, timeout=seconds(30))
            with counted(lambda sql: any(table in sql for table in OURS)) as cost:
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
