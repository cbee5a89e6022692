"""Going on after a failure, and doing it again from the start or from a step."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import durable
from durable import (
    Data,
    Retry,
    Workflow,
    WorkflowMeta,
    branch,
    chain,
    foreach,
    hours,
    parallel,
    step,
)
from durable.models import Execution
from durable.testing import advance, assert_completed, assert_step, drain, run, time_travel
from tests.cases import WorkflowTestCase
from tests.shop.models import Order

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


class RetryTests(WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.ran: list[tuple[str, int]] = []
        self.works = False
        test = self

        class Flow(Workflow):
            @step
            def first(self, data: Data) -> Data:
                test.ran.append(("first", self.attempt))
                return {"first": True}

            @step(retry=Retry(max_attempts=2, base=hours(1), jitter=0))
            def second(self, data: Data) -> Data:
                test.ran.append(("second", self.attempt))
                if not test.works:
                    raise ValueError("broken")
                return {**data, "second": True}

        self.flow = Flow

    def failed(self) -> Execution:
        execution = durable.start(self.flow)
        advance(hours=1)
        execution.refresh_from_db()
        self.assertEqual(execution.status, "failed")
        self.ran.clear()
        return execution

    @time_travel(NOON)
    def test_it_continues_at_the_step_that_failed_keeping_what_is_done(self) -> None:
        execution = self.failed()
        self.works = True
        found = durable.retry(execution.id)
        self.assertEqual((found.status, found.error, found.finished_at), ("pending", None, None))
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"first": True, "second": True})
        self.assertEqual(self.ran, [("second", 1)])
        assert_step(execution, "second", attempts=3)

    @time_travel(NOON)
    def test_it_is_the_same_execution_with_its_queue_and_priority(self) -> None:
        execution = run(self.flow, priority=7, queue="slow", tags={"t": 1})
        advance(hours=1)
        execution.refresh_from_db()
        self.assertEqual(execution.status, "failed")
        again = durable.retry(execution.id)
        self.assertEqual(again.pk, execution.pk)
        self.assertEqual(
            (again.workflow, again.priority, again.queue, again.tags, again.status),
            (execution.workflow, 7, "slow", {"t": 1}, "pending"),
        )
        self.assertEqual(Execution.objects.count(), 1)

    @time_travel(NOON)
    def test_with_fresh_attempts(self) -> None:
        execution = self.failed()
        durable.retry(execution.id)
        drain()
        execution.refresh_from_db()
        self.assertEqual(execution.status, "pending")
        advance(hours=1)
        execution.refresh_from_db()
        self.assertEqual(execution.status, "failed")
        self.assertEqual(self.ran, [("second", 1), ("second", 2)])
        self.assertEqual(execution.error["attempt"], 2)

    @time_travel(NOON)
    def test_only_what_failed_or_is_blocked_can_be_retried(self) -> None:
        self.works = True
        done = run(self.flow)
        waiting = durable.start(self.flow, delay=hours(1))
        cancelled = durable.cancel(durable.start(self.flow, delay=hours(1)).id)
        for execution, status in (
            (done, "completed"),
            (waiting, "pending"),
            (cancelled, "cancelled"),
        ):
            with self.assertRaises(durable.InvalidTransition) as caught:
                durable.retry(execution.id)
            for word in (str(execution.pk), status, "failed"):
                self.assertIn(word, str(caught.exception))

    @time_travel(NOON)
    def test_a_workflow_that_ran_out_of_time_gets_its_time_anew(self) -> None:
        class Limited(Workflow):
            class Meta(WorkflowMeta):
                timeout = hours(1)

            @step
            def only(self, data: Data) -> Data:
                return {"got": self.wait_for_event("go")}

        execution = run(Limited)
        advance(hours=1)
        execution.refresh_from_db()
        self.assertEqual(execution.error["type"], "WorkflowTimeout")
        durable.retry(execution.id)
        drain()
        execution.refresh_from_db()
        self.assertEqual(execution.status, "waiting")
        durable.send_event(execution.id, "go", 1)
        drain()
        assert_completed(execution)

    def test_answers_are_kept_unless_the_step_is_restarted(self) -> None:
        test = self

        class Asking(Workflow):
            @step
            def only(self, data: Data) -> Data:
                name = self.wait_for_text("name")
                if not test.works:
                    raise ValueError
                return {"name": name}

        for restart in (False, True):
            self.works = False
            execution = run(Asking)
            durable.provide_input(execution.id, "name", "kim")
            drain()
            self.works = True
            durable.retry(execution.id, restart_step=restart)
            drain()
            execution.refresh_from_db()
            self.assertEqual(execution.status, "waiting" if restart else "completed")


class RerunTests(WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.ran: list[str] = []
        test = self

        class Flow(Workflow):
            @step
            def first(self, data: Data) -> Data:
                test.ran.append("first")
                return {"n": data["n"] + 1}

            @step
            def second(self, data: Data) -> Data:
                test.ran.append("second")
                if data["n"] == 13:
                    raise ValueError
                return {"n": data["n"] * 10}

            flow = chain(first, branch(on="n", cases={2: second}, default=second))

        self.flow = Flow

    def test_from_the_start_with_the_same_input_linked(self) -> None:
        order = Order.objects.create(reference="a")
        old = run(
            self.flow, {"n": 1}, keys=["k"], tags={"t": 1}, priority=3, queue="q", subject=order
        )
        self.ran.clear()
        new = durable.rerun(old.id)
        self.assertNotEqual(new.pk, old.pk)
        self.assertEqual((new.rerun_of, new.input, new.status), (old, {"n": 1}, "pending"))
        self.assertEqual((new.tags, new.priority, new.queue), ({"t": 1}, 3, "q"))
        self.assertEqual(new.subject, order)
        self.assertEqual([key.key for key in new.keys.all()], ["k"])
        drain()
        assert_completed(new)
        self.assertEqual(new.result, {"n": 20})
        self.assertEqual(self.ran, ["first", "second"])
        self.assertEqual(list(old.reruns.all()), [new])

    def test_an_old_version_stays_on_that_version(self) -> None:
        old = run(self.flow, {"n": 1})

        class Flow(Workflow):
            class Meta:
                version = 2

            @step
            def only(self, data: Data) -> Data:
                return {"n": 0}

        new = durable.rerun(old.id)
        drain()
        assert_completed(new)
        self.assertEqual((new.version, new.result), (1, {"n": 20}))

    def test_from_a_step_with_the_data_recorded_before_it(self) -> None:
        for name in ("second", "branch_n/2/second"):
            with self.subTest(name):
                old = run(self.flow, {"n": 1})
                path = old.steps.order_by("-started_at", "-id").first().path
                self.ran.clear()
                new = durable.rerun(old.id, from_step=path if "/" in name else name)
                drain()
                assert_completed(new)
                self.assertEqual((new.input, new.result), ({"n": 1}, {"n": 20}))
                self.assertEqual(self.ran, ["second"])

    def test_a_failed_one_from_the_step_that_failed(self) -> None:
        old = run(self.flow, {"n": 12})
        self.assertEqual(old.status, "failed")
        new = durable.rerun(old.id, from_step="second")
        self.assertEqual(new.data, {"n": 13})

    def test_the_old_idempotency_key_is_not_taken_along(self) -> None:
        old = run(self.flow, {"n": 1}, idempotency_key="k")
        self.assertIsNone(durable.rerun(old.id).idempotency_key)

    def test_a_step_without_record_is_refused_by_name_and_nothing_is_started(self) -> None:
        old = run(self.flow, {"n": 1})
        wrong: Any
        for wrong in ("third", "", "\0", 7):
            with self.subTest(wrong=wrong):
                with self.assertRaises(durable.InvalidTransition) as caught:
                    durable.rerun(old.id, from_step=wrong)
                self.assertIn(repr(wrong), str(caught.exception))
        self.assertEqual(Execution.objects.count(), 1)

    def test_a_branch_or_item_is_not_rerun_by_itself(self) -> None:
        class Parts(Workflow):
            @step
            def left(self, data: Data) -> None: ...
            @step
            def one(self, data: Data, item: int, index: int) -> None: ...

            flow = chain(parallel(left=left), foreach("items", one))

        old = run(Parts, {"items": [1]})
        for part in old.children.all():
            with self.assertRaisesRegex(durable.InvalidTransition, str(old.pk)):
                durable.rerun(part.pk)
        self.assertEqual(Execution.objects.roots().count(), 1)

    def test_a_step_inside_a_branch_or_item_is_no_place_to_start_from(self) -> None:
        class Blocks(Workflow):
            @step
            def left(self, data: Data) -> None: ...

            @step
            def one(self, data: Data, item: int, index: int) -> None: ...

            flow = chain(parallel(left=left), foreach("items", one))

        old = run(Blocks, {"items": [1]})
        assert_completed(old)
        for name in ("left", "one"):
            with self.assertRaisesRegex(durable.InvalidTransition, f"no recorded step '{name}'"):
                durable.rerun(old.id, from_step=name)
        self.assertFalse(old.reruns.exists())

    def test_an_unfinished_one_is_refused(self) -> None:
        execution = durable.start(self.flow, {"n": 1})
        with self.assertRaisesRegex(durable.InvalidTransition, "pending"):
            durable.rerun(execution.id)
