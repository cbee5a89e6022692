"""Statements and commits of each unit of work, as limits that only go down."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import uuid4

from django.db import connection

import durable
from durable import clock, hours
from durable.models import Execution
from durable.testing import drain, time_travel, worker
from tests.cases import ThreadedTestCase
from tests.costs.counting import Cost, counted
from tests.costs.work import OneThread, define
from tests.worker.cases import WorkerTestCase

#: What one more of each costs, at the most: statements on PostgreSQL and on SQLite (where BEGIN
#: IMMEDIATE is one), commits. Each checkpoint is written by itself here; COMMIT is no statement.
#: A change that lowers a cost lowers its line.
LIMITS = {
    "start": (1, 1, 1),
    "start with a key": (1, 3, 1),
    "start of 1,000 in one call": (1, 2, 1),
    "claim of one": (2, 3, 1),
    "claim of 32": (2, 3, 1),
    "look without work": (1, 1, 0),
    "step": (2, 3, 1),
    "execution of one step": (3, 4, 1),
    "park in a sleep": (4, 5, 1),
    "resume after a sleep": (4, 5, 1),
    "park in an event wait": (5, 6, 1),
    "event sent": (3, 3, 1),
    "event taken, execution resumed": (4, 5, 1),
    "event published": (2, 2, 1),
    "published event taken": (13, 14, 2),
    "park in a question": (4, 5, 1),
    "answer": (6, 6, 1),
    "answer told, execution resumed": (4, 5, 1),
    "child called, run, collected": (24, 28, 4),
    "attempt that is retried": (4, 5, 1),
    "step, failure, compensation": (33, 38, 5),
    "item": (4.3, 7.1, 1.3),
    "item of a batch of ten": (0.46, 0.74, 0.13),
    "execution of one step in the testing kit": (7, 9, 3),
}

#: commits of a step under load, those of claims among them; the machine decides how many share one
SHARED = 0.5

FEW, MANY = 3, 13


class CostTests(ThreadedTestCase):
    """Counted where transactions commit; prepared work is not counted."""

    def setUp(self) -> None:
        super().setUp()
        self.flows = define()
        self.worker = OneThread()

    def cost(self, act: Callable[[], object]) -> Cost:
        with counted() as cost:
            act()
        return cost

    def assertCosts(self, unit: str, cost: Cost) -> None:
        """One of the unit keeps its limit."""
        self._hold(unit, len(cost.statements), cost.commits, cost)

    def assertOneMoreCosts(
        self,
        unit: str,
        prepare: Callable[[int], Callable[[], object]],
        each: int = 1,
        *,
        few: int = FEW,
        many: int = MANY,
    ) -> None:
        """The difference of ``many`` and ``few`` keeps the limit; each of them has ``each``."""
        costs = [self.cost(prepare(number)) for number in (few, many)]
        more = (many - few) * each
        statements = (len(costs[1].statements) - len(costs[0].statements)) / more
        self._hold(unit, statements, (costs[1].commits - costs[0].commits) / more, costs[0])

    def _hold(self, unit: str, statements: float, commits: float, sent: Cost) -> None:
        on_postgresql, on_sqlite, most_commits = LIMITS[unit]
        most = on_postgresql if connection.vendor == "postgresql" else on_sqlite
        print(f"{unit}: {statements:g} statements, {commits:g} commits")  # noqa: T201
        with self.subTest(unit):
            self.assertLessEqual(statements, most, "\n".join(sent.statements))
            self.assertLessEqual(commits, most_commits)

    # -- starts, claims, looks --------------------------------------------------------------------

    def test_a_start(self) -> None:
        flows = self.flows
        durable.start(flows.single)
        self.assertCosts("start", self.cost(lambda: durable.start(flows.single, {"n": 1})))
        keyed = self.cost(lambda: durable.start(flows.keyed, {"key": "k"}))
        self.assertCosts("start with a key", keyed)
        inputs = [{"n": number} for number in range(1000)]
        many = self.cost(lambda: durable.start_many(flows.single, inputs))
        self.assertCosts("start of 1,000 in one call", many)

    def test_a_claim(self) -> None:
        durable.start_many(self.flows.single, [{}] * 100)
        for unit, limit in (("claim of one", 1), ("claim of 32", 32)):
            with counted() as cost:
                claims = self.worker.claim(limit)
            self.assertEqual(len(claims), limit)
            self.assertCosts(unit, cost)

    def test_a_look_without_work(self) -> None:
        for _ in range(FEW):
            durable.start(self.flows.event)
        self.worker.work()
        self.assertCosts("look without work", self.cost(self.worker.work))

    # -- steps ------------------------------------------------------------------------------------

    def test_a_step(self) -> None:
        costs = []
        for flow in (self.flows.single, self.flows.steps):
            durable.start(flow)
            costs.append(self.cost(self.worker.work))
        few, many = costs
        self._hold(
            "step",
            (len(many.statements) - len(few.statements)) / 9,
            (many.commits - few.commits) / 9,
            many,
        )

    def test_an_execution(self) -> None:
        self.assertOneMoreCosts("execution of one step", self.started("single"))

    def test_an_attempt_that_is_retried(self) -> None:
        self.assertOneMoreCosts("attempt that is retried", self.started("again"))

    def test_a_step_that_is_undone(self) -> None:
        self.assertOneMoreCosts("step, failure, compensation", self.started("undone"))

    def test_an_execution_in_the_testing_kit(self) -> None:
        def prepare(number: int) -> Callable[[], object]:
            self.start("single", number)
            return drain

        self.assertOneMoreCosts("execution of one step in the testing kit", prepare)

    # -- waits ------------------------------------------------------------------------------------

    def test_a_sleep(self) -> None:
        self.assertOneMoreCosts("park in a sleep", self.started("sleep"))

    def test_the_end_of_a_sleep(self) -> None:
        with time_travel():

            def prepare(number: int) -> Callable[[], object]:
                self.start("sleep", number)
                self.worker.work()
                advanced = clock.frozen_at() + hours(2)
                return lambda: self.work_at(advanced)

            self.assertOneMoreCosts("resume after a sleep", prepare)

    def work_at(self, moment: datetime) -> None:
        with time_travel(moment):
            self.worker.work()

    def test_an_event(self) -> None:
        self.assertOneMoreCosts("park in an event wait", self.started("event"))
        self.assertWaitCosts("event", "event sent", "event taken, execution resumed", send)

    def test_a_published_event(self) -> None:
        self.assertWaitCosts("keyed_event", "event published", "published event taken", publish)

    def test_an_answer(self) -> None:
        self.assertOneMoreCosts("park in a question", self.started("answer"))
        self.assertWaitCosts("answer", "answer", "answer told, execution resumed", answer)

    def assertWaitCosts(
        self, flow: str, sent: str, taken: str, send: Callable[[Execution], object]
    ) -> None:
        """What it costs to end a wait, for the sender and for the worker."""

        def prepare(number: int) -> list[Execution]:
            started = self.start(flow, number)
            self.worker.work()
            return started

        def of_sender(number: int) -> Callable[[], object]:
            parked = prepare(number)
            return lambda: [send(one) for one in parked]

        def of_worker(number: int) -> Callable[[], object]:
            of_sender(number)()
            return self.worker.work

        self.assertOneMoreCosts(sent, of_sender)
        self.worker.work()
        self.assertOneMoreCosts(taken, of_worker)

    # -- trees ------------------------------------------------------------------------------------

    def test_a_child(self) -> None:
        self.assertOneMoreCosts("child called, run, collected", self.started("child"))

    def test_an_item(self) -> None:
        self.assertItemCosts("item", "items")
        self.assertItemCosts("item of a batch of ten", "batches")

    def assertItemCosts(self, unit: str, flow: str) -> None:
        def prepare(number: int) -> Callable[[], object]:
            durable.start(getattr(self.flows, flow), {"n": 0, "items": [0] * number})
            return self.worker.work

        self.assertOneMoreCosts(unit, prepare, few=200, many=400)

    # -- how they are prepared --------------------------------------------------------------------

    def start(self, flow: str, number: int) -> list[Execution]:
        inputs = [{"n": 0, "key": uuid4().hex} for _ in range(number)]
        return durable.start_many(getattr(self.flows, flow), inputs)

    def started(self, flow: str) -> Callable[[int], Callable[[], object]]:
        """Start so many executions, for the worker to work them off."""

        def prepare(number: int) -> Callable[[], object]:
            self.start(flow, number)
            return self.worker.work

        return prepare


class WorkerTests(WorkerTestCase):
    """A real worker, whose checkpoints share commits."""

    def test_the_steps_of_many_executions_share_commits(self) -> None:
        flows = define()
        with worker(concurrency=16):
            self.assertCompleted(durable.start(flows.single))
            with counted(lambda sql: "durable_execution" in sql) as cost:
                self.assertCompleted(*durable.start_many(flows.steps, [{}] * 60))
        print(f"a step under load: {cost.commits / 600:g} commits")  # noqa: T201
        self.assertLessEqual(cost.commits / 600, SHARED)


def send(execution: Execution) -> None:
    durable.send_event(execution.pk, "go", {"n": 1})


def publish(execution: Execution) -> None:
    durable.publish_event("go", {"n": 1}, key=execution.input["key"])


def answer(execution: Execution) -> None:
    durable.provide_input(execution.pk, "q", "yes")
