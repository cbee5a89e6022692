"""Inside a step ``self`` is the running execution; nothing can be kept on it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import durable
from durable import (
    Retry,
    Workflow,
    WorkflowMeta,
    clock,
    hours,
    minutes,
    seconds,
    step,
)
from durable.models import Execution
from durable.testing import advance, assert_completed, drain, run, time_travel
from tests.cases import WorkflowTestCase
from tests.shop.models import Order


class FactsTests(WorkflowTestCase):
    def seen(self, read: Any, input: Any = None, **options: Any) -> Any:
        found: list[Any] = []

        class P(Workflow):
            @step
            def one(self, data):
                found.append(read(self))

        execution = run(P, input, **options)
        assert_completed(execution)
        self.execution = execution
        return found[0]

    def test_id_and_branch_id_are_those_of_the_execution(self) -> None:
        found = self.seen(lambda step: (step.id, step.branch_id))
        self.assertEqual(found, (self.execution.id, self.execution.id))
        self.assertIsInstance(found[0], UUID)

    def test_execution_is_the_row(self) -> None:
        found = self.seen(lambda step: step.execution, tags={"tenant": "acme"})
        self.assertIsInstance(found, Execution)
        self.assertEqual(found, self.execution)
        self.assertEqual(found.tags, {"tenant": "acme"})

    def test_execution_is_read_when_it_is_first_used(self) -> None:
        fences: list[int] = []
        test = self

        class P(Workflow):
            @step
            def one(self, data):
                with test.assertNumQueries(0):
                    row = self.execution
                with test.assertNumQueries(1):
                    fences.append(row.fence)

        assert_completed(run(P))
        self.assertEqual(fences, [1])

    def test_subject_is_the_instance_that_the_execution_is_about(self) -> None:
        order = Order.objects.create(reference="a")
        self.assertEqual(self.seen(lambda step: step.subject, subject=order), order)
        self.assertIsNone(self.seen(lambda step: step.subject))

    def test_input_is_the_start_input_in_each_step(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.input["changed"] = True
                data["changed"] = True

            @step
            def two(self, data):
                return {"input": self.input}

        self.assertEqual(run(P, {"n": 1}).result, {"input": {"n": 1}})

    def test_what_a_step_does_to_its_input_stays_with_what_it_got(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.input["changed"] = True
                return {"input": self.input}

        self.assertEqual(run(P, {"n": 1}).result, {"input": {"n": 1}})

    def test_attempt_is_one_based_and_starts_anew_after_an_operators_retry(self) -> None:
        found: list[int] = []

        class P(Workflow):
            @step(retry=Retry(2, base=seconds(0)))
            def one(self, data):
                found.append(self.attempt)
                if len(found) < 4:
                    raise ValueError

        execution = run(P)
        durable.retry(execution.id)
        drain()
        assert_completed(execution)
        self.assertEqual(found, [1, 2, 1, 2])

    def test_now_is_the_engines_clock(self) -> None:
        with time_travel() as _:
            self.assertEqual(self.seen(lambda step: step.now()), clock.frozen_at())
        before = clock.read("default")
        found = self.seen(lambda step: step.now())
        self.assertLessEqual(abs(found - before), timedelta(seconds=30))
        self.assertIsNotNone(found.tzinfo)

    def test_error_is_none_outside_a_compensation(self) -> None:
        self.assertIsNone(self.seen(lambda step: step.error))

    def test_log_is_a_logger(self) -> None:
        self.assertEqual(self.seen(lambda step: step.log).__class__.__name__, "Logger")

    @time_travel()
    def test_deadline_is_when_the_time_of_this_attempt_is_over(self) -> None:
        found: list[Any] = []

        class P(Workflow):
            class Meta(WorkflowMeta):
                timeout = hours(2)

            @step
            def one(self, data):
                found.append(self.deadline - self.now())
                self.sleep(minutes(60))

            @step(timeout=minutes(5))
            def two(self, data):
                found.append(self.deadline - self.now())

            @step(timeout=hours(3))
            def three(self, data):
                found.append(self.deadline - self.now())

        class Q(Workflow):
            @step
            def one(self, data):
                found.append(self.deadline)

        execution = run(P)
        advance(minutes=60)
        assert_completed(execution)
        run(Q)
        wanted = [minutes(120), minutes(60), minutes(5), minutes(60), None]
        self.assertEqual(found, wanted)

    def test_cancel_requested_tells_a_long_step_to_stop(self) -> None:
        found: list[bool] = []

        class P(Workflow):
            @step(atomic=False)
            def one(self, data):
                found.append(self.cancel_requested)
                durable.cancel(self.id, "enough")
                found.append(self.cancel_requested)
                return {"stopped": True}

            @step
            def two(self, data):
                raise AssertionError("no further step starts")

        execution = run(P)
        self.assertEqual(found, [False, True])
        self.assertEqual((execution.status, execution.data), ("cancelled", {"stopped": True}))
        self.assertEqual(execution.steps.get().status, "completed")

    def test_a_failure_after_a_request_to_cancel_ends_cancelled(self) -> None:
        class P(Workflow):
            @step(atomic=False, retry=5)
            def one(self, data):
                durable.cancel(self.id, "enough")
                raise ValueError

        execution = run(P)
        self.assertEqual(execution.status, "cancelled")

    def test_a_wait_after_a_request_to_cancel_ends_cancelled(self) -> None:
        class P(Workflow):
            @step(atomic=False)
            def one(self, data):
                durable.cancel(self.id, "enough")
                self.sleep(hours(1))

        execution = run(P)
        self.assertEqual(execution.status, "cancelled")
        self.assertFalse(execution.waits.filter(status="open").exists())
