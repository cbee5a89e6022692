"""A step has so much time from its start, a workflow so much from its own, waits included."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import durable
from durable import (
    Retry,
    RetryAfter,
    StepTimeout,
    Workflow,
    WorkflowMeta,
    days,
    hours,
    minutes,
    seconds,
    step,
)
from durable.models import Execution
from durable.testing import advance, assert_completed, assert_step, drain, run, time_travel
from tests.cases import ThreadedTestCase, WorkflowTestCase
from tests.shop.models import Note

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


def work(**span: float) -> None:
    """A body takes its time."""
    advance(work=False, **span)


class StepTimeoutPromises:
    """The same whether the step's transaction is the outermost one or not."""

    def test_an_attempt_that_takes_longer_fails_with_step_timeout(self: Any) -> None:
        class P(Workflow):
            @step(timeout=minutes(1))
            def one(self, data):
                work(minutes=2)
                return {"done": True}

        execution = run(P)
        error = self.assertFailed(execution, "StepTimeout", "one")
        self.assertEqual((error["step"], error["attempt"]), ("one", 1))
        self.assertEqual(execution.data, {})

    def test_one_that_takes_as_long_as_it_may_is_in_time(self: Any) -> None:
        class P(Workflow):
            @step(timeout=minutes(5))
            def one(self, data):
                work(minutes=4)
                return {"done": True}

        assert_completed(run(P))

    def test_it_counts_as_a_failed_attempt(self: Any) -> None:
        class P(Workflow):
            @step(timeout=minutes(1), retry=Retry(3, base=seconds(0)))
            def one(self, data):
                work(minutes=2 if self.attempt < 3 else 0)
                return {"attempt": self.attempt}

        execution = run(P)
        assert_completed(execution)
        self.assertEqual(execution.result, {"attempt": 3})
        types = [row.error and row.error["type"] for row in execution.steps]
        self.assertEqual(types, ["StepTimeout", "StepTimeout", None])

    def test_what_an_abandoned_atomic_attempt_wrote_is_rolled_back(self: Any) -> None:
        class P(Workflow):
            @step(timeout=minutes(1), retry=Retry(2, base=seconds(0)))
            def one(self, data):
                Note.objects.create(text=f"attempt {self.attempt}")
                work(minutes=2 if self.attempt == 1 else 0)

            @step
            def two(self, data):
                return {"two": True}

        execution = run(P)
        assert_completed(execution)
        self.assertEqual(list(Note.objects.values_list("text", flat=True)), ["attempt 2"])
        assert_step(execution, "one", attempts=2)
        assert_step(execution, "two", attempts=1)

    def test_what_it_wrote_outside_of_a_transaction_stays_but_the_step_fails(self: Any) -> None:
        class P(Workflow):
            @step(timeout=minutes(1), atomic=False)
            def one(self, data):
                Note.objects.create(text="outside")
                work(minutes=2)

        self.assertFailed(run(P), "StepTimeout")
        self.assertEqual(Note.objects.count(), 1)

    def test_async_steps_have_a_timeout_too(self: Any) -> None:
        class P(Workflow):
            @step(timeout=minutes(1))
            async def one(self, data):
                work(minutes=2)

        self.assertFailed(run(P), "StepTimeout")


@time_travel(NOON)
class StepTimeoutTests(StepTimeoutPromises, WorkflowTestCase):
    def test_the_time_in_a_wait_is_not_the_attempts(self) -> None:
        class P(Workflow):
            @step(timeout=minutes(1))
            def one(self, data):
                self.sleep(days(1))
                work(seconds=30)
                self.wait_for_event("go")
                work(seconds=30)

        execution = run(P)
        advance(days=2)
        durable.send_event(execution.id, "go")
        drain()
        assert_completed(execution)

    def test_a_step_that_gives_up_on_it_is_not_tried_again(self) -> None:
        class P(Workflow):
            @step(timeout=minutes(1), retry=Retry(3, base=seconds(0), give_up_on=StepTimeout))
            def one(self, data):
                work(minutes=2)

        execution = run(P)
        self.assertFailed(execution, "StepTimeout")
        assert_step(execution, "one", status="failed", attempts=1)

    def test_it_is_retried_even_if_on_lists_other_errors(self) -> None:
        class P(Workflow):
            @step(timeout=minutes(1), retry=Retry(2, base=seconds(0), on=ConnectionError))
            def one(self, data):
                work(minutes=2 if self.attempt == 1 else 0)

        assert_completed(run(P))

    def test_a_failure_of_the_body_is_told_as_such(self) -> None:
        class P(Workflow):
            @step(timeout=minutes(1))
            def one(self, data):
                work(minutes=2)
                raise ValueError("late, but its own")

        self.assertFailed(run(P), "ValueError")


@time_travel(NOON)
class OutermostStepTimeoutTests(StepTimeoutPromises, ThreadedTestCase):
    pass


@time_travel(NOON)
class WorkflowTimeoutTests(WorkflowTestCase):
    def workflow(self, body: Any, **options: Any) -> type[Workflow]:
        class P(Workflow):
            class Meta(WorkflowMeta):
                timeout = hours(2)

            @step(**options)
            def one(self, data):
                return body(self, data)

        return P

    def assertTimedOut(self, execution: Execution, **passed: float) -> dict[str, Any]:
        advance(**passed)
        advance(seconds=-0.0)
        execution.refresh_from_db()
        self.assertNotIn(execution.status, ("failed", "completed"))
        advance(seconds=1)
        error = self.assertFailed(execution, "WorkflowTimeout")
        self.assertEqual(execution.finished_at, NOON + hours(2))
        return error

    def test_a_workflow_that_waits_too_long_fails_with_workflow_timeout(self) -> None:
        for body in (
            lambda self, data: self.wait_for_event("go"),
            lambda self, data: self.wait_for_text("go"),
            lambda self, data: self.sleep(days(1)),
            lambda self, data: self.wait_for_event("go", timeout=days(1), timeout_value=1),
        ):
            with time_travel(NOON):
                execution = run(self.workflow(body))
                error = self.assertTimedOut(execution, hours=2, seconds=-1)
                self.assertEqual(error["step"], "one")
                self.assertEqual(execution.waits.get().status, "cancelled")
                self.assertEqual(execution.steps.get().status, "cancelled")

    def test_one_that_waits_for_its_next_attempt_too(self) -> None:
        def body(self: Any, data: Any) -> Any:
            raise RetryAfter(hours(5))

        execution = run(self.workflow(body, retry=5))
        self.assertTimedOut(execution, hours=2, seconds=-1)
        self.assertEqual([row.status for row in execution.steps], ["failed"])

    def test_a_retry_before_the_deadline_still_runs(self) -> None:
        def body(self: Any, data: Any) -> Any:
            if self.attempt == 1:
                raise RetryAfter(hours(1))

        execution = run(self.workflow(body, retry=5))
        advance(hours=1)
        assert_completed(execution)

    def test_no_step_begins_after_the_deadline(self) -> None:
        class P(Workflow):
            class Meta(WorkflowMeta):
                timeout = hours(2)

            @step(atomic=False)
            def one(self, data):
                self.sleep(hours(1))

            @step
            def two(self, data):
                raise AssertionError("never")

        execution = run(P)
        advance(hours=3, work=False)
        drain()
        self.assertFailed(execution, "WorkflowTimeout")

    def test_a_step_that_runs_over_the_deadline_is_ended_by_it(self) -> None:
        execution = run(self.workflow(lambda self, data: work(hours=3), retry=5))
        self.assertFailed(execution, "WorkflowTimeout")
        assert_step(execution, "one", status="failed", attempts=1)

    def test_the_clock_starts_when_the_execution_is_to_begin(self) -> None:
        workflow = self.workflow(lambda self, data: self.sleep(hours(1)))
        execution = durable.start(workflow, delay=hours(5))
        advance(hours=6)
        assert_completed(execution)

    def test_an_operators_retry_gives_the_timeout_anew(self) -> None:
        execution = run(self.workflow(lambda self, data: self.wait_for_event("go")))
        advance(hours=2)
        self.assertFailed(execution, "WorkflowTimeout")
        advance(days=1)
        durable.retry(execution.id)
        advance(hours=1)
        durable.send_event(execution.id, "go")
        drain()
        assert_completed(execution)

    def test_without_a_timeout_a_workflow_waits_for_years(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.wait_for_event("go")

        execution = run(P)
        advance(days=5000)
        durable.send_event(execution.id, "go")
        drain()
        assert_completed(execution)

    def test_an_answer_before_the_deadline_counts_even_if_no_worker_was_up(self) -> None:
        execution = run(self.workflow(lambda self, data: {"got": self.wait_for_event("go")}))
        durable.send_event(execution.id, "go", 1)
        advance(hours=1, work=False)
        drain()
        assert_completed(execution)
