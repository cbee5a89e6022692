"""A failed attempt is tried again after its delay, which lies in the database."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

import durable
from durable import (
    Fail,
    Retry,
    Workflow,
    WorkflowMeta,
    step,
)
from durable.models import Execution
from durable.testing import assert_completed, assert_step, drain, run, time_travel
from tests.cases import WorkflowTestCase
from tests.life.cases import die_in_the_next_step, statuses


@time_travel()
class AttemptTests(WorkflowTestCase):
    def test_without_retry_a_step_has_one_attempt(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                raise ValueError("at once")

        execution = run(P)
        error = self.assertFailed(execution, "ValueError", "at once")
        self.assertEqual((error["step"], error["attempt"]), ("one", 1))
        self.assertIn("raise ValueError", error["traceback"])
        self.assertEqual(statuses(execution), [("one", 1, "failed")])

    def test_the_execution_fails_with_the_error_of_the_last_attempt(self) -> None:
        class P(Workflow):
            @step(retry=Retry(3, base=timedelta(0)))
            def one(self, data):
                raise ValueError(f"number {self.attempt}")

            @step
            def two(self, data):
                raise AssertionError("never")

        execution = run(P, {"a": 1})
        error = self.assertFailed(execution, "ValueError", "number 3")
        self.assertEqual(error["attempt"], 3)
        messages = [row.error["message"] for row in execution.steps]
        self.assertEqual(messages, ["number 1", "number 2", "number 3"])
        self.assertEqual(execution.data, {"a": 1})
        self.assertIsNone(execution.result)

    def test_attempts_are_counted_per_step(self) -> None:
        seen = []

        class P(Workflow):
            @step(retry=Retry(2, base=timedelta(0)))
            def one(self, data):
                seen.append(("one", self.attempt))
                if self.attempt == 1:
                    raise ValueError

            @step(retry=Retry(2, base=timedelta(0)))
            def two(self, data):
                seen.append(("two", self.attempt))
                if self.attempt == 1:
                    raise ValueError

        assert_completed(run(P))
        self.assertEqual(seen, [("one", 1), ("one", 2), ("two", 1), ("two", 2)])

    def test_only_errors_of_on_are_retried(self) -> None:
        class P(Workflow):
            @step(retry=Retry(3, base=timedelta(0), on=(ConnectionError, KeyError)))
            def one(self, data):
                raise data["error"]

        class Q(Workflow):
            raised: ClassVar[list[Exception]] = []

            @step(retry=Retry(3, base=timedelta(0), on=(ConnectionError, LookupError)))
            def one(self, data):
                raise Q.raised[0]

        for error, attempts in [
            (ConnectionResetError(), 3),
            (KeyError(), 3),
            (ValueError(), 1),
        ]:
            Q.raised[:] = [error]
            execution = run(Q)
            self.assertFailed(execution, type(error).__name__)
            assert_step(execution, "one", status="failed", attempts=attempts)

    def test_errors_of_give_up_on_are_not_retried(self) -> None:
        class P(Workflow):
            raised: ClassVar[list[Exception]] = []

            @step(retry=Retry(3, base=timedelta(0), give_up_on=ConnectionError))
            def one(self, data):
                raise P.raised[0]

        for error, attempts in [(ConnectionResetError(), 1), (ValueError(), 3)]:
            P.raised[:] = [error]
            assert_step(run(P), "one", status="failed", attempts=attempts)

    def test_meta_retry_is_the_default_of_its_steps(self) -> None:
        class P(Workflow):
            class Meta(WorkflowMeta):
                retry = Retry(2, base=timedelta(0))

            @step
            def default(self, data):
                if self.attempt == 1:
                    raise ValueError

            @step(retry=Retry(3, base=timedelta(0)))
            def own(self, data):
                if self.attempt < 3:
                    raise ValueError

            @step(retry=None)
            def none(self, data):
                raise ValueError

        execution = run(P)
        self.assertFailed(execution, "ValueError")
        for name, status, attempts in [
            ("default", "completed", 2),
            ("own", "completed", 3),
            ("none", "failed", 1),
        ]:
            assert_step(execution, name, status=status, attempts=attempts)

    def test_an_operators_retry_brings_fresh_attempts_and_keeps_what_is_done(self) -> None:
        seen = []

        class P(Workflow):
            @step
            def one(self, data):
                seen.append("one")
                return {"one": True}

            @step(retry=Retry(2, base=timedelta(0)))
            def two(self, data):
                seen.append(f"two {self.attempt}")
                if len(seen) < 5:
                    raise ValueError

        execution = run(P)
        self.assertFailed(execution, "ValueError")
        durable.retry(execution.id)
        drain()
        assert_completed(execution)
        self.assertEqual(seen, ["one", "two 1", "two 2", "two 1", "two 2"])
        self.assertIsNone(execution.error)


class FailTests(WorkflowTestCase):
    def test_fail_ends_the_step_without_a_retry_with_type_and_details(self) -> None:
        class P(Workflow):
            @step(retry=5)
            def one(self, data):
                raise Fail("no money", type="card_declined", details={"code": 51, "ids": (1, 2)})

        execution = run(P)
        error = self.assertFailed(execution, "card_declined", "no money")
        self.assertEqual(error["details"], {"code": 51, "ids": (1, 2)})
        assert_step(execution, "one", status="failed", attempts=1)

    def test_fail_has_a_type_of_its_own_without_one(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                raise Fail("just so")

        error = self.assertFailed(run(P), "Fail", "just so")
        self.assertEqual(error["details"], {})

    def test_a_worker_that_died_is_counted_before_the_attempt_that_fails(self) -> None:
        class P(Workflow):
            @step(retry=Retry(2, base=timedelta(0)))
            def one(self, data):
                raise ValueError(self.attempt)

        durable.start(P)
        die_in_the_next_step()
        drain()
        execution = Execution.objects.get()
        self.assertFailed(execution, "ValueError", "2")
        assert_step(execution, "one", status="failed", attempts=2)
