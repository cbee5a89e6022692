"""A failed attempt is tried again after its delay, which lies in the database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

import durable
from durable import Fail, Retry, RetryAfter, Workflow, WorkflowMeta, hours, minutes, seconds, step
from durable import clock
from durable.models import Execution
from durable.testing import advance, assert_completed, assert_step, drain, run, time_travel
from tests.engine.cases import EngineTestCase, die_in_the_next_step, statuses


def delays(workflow: type[Workflow], attempts: int) -> list[float]:
    """The seconds between the attempts of a workflow that always fails."""
    found = []
    execution = run(workflow)
    for _ in range(attempts - 1):
        execution.refresh_from_db()
        assert execution.status == "pending", execution.status
        assert execution.worker is None
        wait = execution.wake_at - clock.frozen_at()
        found.append(wait.total_seconds())
        advance(seconds=wait.total_seconds())
    return found


@time_travel()
class BackoffTests(EngineTestCase):
    def failing(self, **options: Any) -> type[Workflow]:
        class P(Workflow):
            @step(retry=Retry(jitter=0, **options))
            def one(self, data):
                raise ValueError("no")

        return P

    def test_exponential_delays_double(self) -> None:
        workflow = self.failing(max_attempts=5, base=seconds(2))
        self.assertEqual(delays(workflow, 5), [2, 4, 8, 16])

    def test_linear_delays_grow_by_the_base(self) -> None:
        workflow = self.failing(max_attempts=4, backoff="linear", base=minutes(1))
        self.assertEqual(delays(workflow, 4), [60, 120, 180])

    def test_constant_delays_stay(self) -> None:
        workflow = self.failing(max_attempts=4, backoff="constant", base=seconds(7))
        self.assertEqual(delays(workflow, 4), [7, 7, 7])

    def test_no_delay_exceeds_max_delay(self) -> None:
        workflow = self.failing(max_attempts=5, base=minutes(1), max_delay=minutes(3))
        self.assertEqual(delays(workflow, 5), [60, 120, 180, 180])

    def test_jitter_spreads_by_a_quarter_and_never_above_max_delay(self) -> None:
        class P(Workflow):
            @step(retry=Retry(max_attempts=40, backoff="constant", base=seconds(100)))
            def one(self, data):
                raise ValueError

        class Q(Workflow):
            @step(
                retry=Retry(40, backoff="constant", base=seconds(100), max_delay=seconds(100))
            )
            def one(self, data):
                raise ValueError

        found = delays(P, 40)
        self.assertTrue(all(75 <= delay <= 125 for delay in found), found)
        self.assertGreater(max(found), 105)
        self.assertLess(min(found), 95)
        self.assertLessEqual(max(delays(Q, 40)), 100)

    def test_a_number_is_short_for_a_retry_with_the_defaults(self) -> None:
        class P(Workflow):
            @step(retry=5)
            def one(self, data):
                raise ValueError

        for n, delay in enumerate(delays(P, 5)):
            self.assertTrue(0.75 * 2**n <= delay <= 1.25 * 2**n, (n, delay))
        self.assertFailed(Execution.objects.get(), "ValueError")

    def test_the_retry_waits_in_the_database_and_not_before_its_time(self) -> None:
        runs = []

        class P(Workflow):
            @step(retry=Retry(2, base=minutes(10), jitter=0))
            def one(self, data):
                runs.append(self.now())
                if len(runs) == 1:
                    raise ValueError

        execution = run(P)
        advance(minutes=9, seconds=59)
        self.assertEqual(len(runs), 1)
        self.assertEqual(statuses(execution), [("one", 1, "failed")])
        advance(seconds=1)
        self.assertEqual(runs[1] - runs[0], minutes(10))
        assert_completed(execution)
        self.assertEqual(statuses(execution), [("one", 1, "failed"), ("one", 2, "completed")])


@time_travel()
class AttemptTests(EngineTestCase):
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


@time_travel()
class RetryAfterTests(EngineTestCase):
    def test_retry_after_sets_the_next_delay_and_counts_as_an_attempt(self) -> None:
        class P(Workflow):
            @step(retry=Retry(3, base=seconds(1)))
            def one(self, data):
                raise RetryAfter(minutes(2), "try later")

        self.assertEqual(delays(P, 3), [120, 120])
        self.assertFailed(Execution.objects.get(), "RetryAfter", "try later")

    def test_retry_after_is_not_bound_by_max_delay_nor_by_on(self) -> None:
        class P(Workflow):
            @step(retry=Retry(2, on=(KeyError,), max_delay=seconds(1)))
            def one(self, data):
                raise RetryAfter(hours(5))

        self.assertEqual(delays(P, 2), [5 * 3600])

    def test_without_attempts_left_retry_after_fails(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                raise RetryAfter(minutes(2))

        self.assertFailed(run(P), "RetryAfter")

    def test_a_delay_that_is_none_fails_the_step_and_not_the_worker(self) -> None:
        for delay in (60, None, "1h"):
            with self.subTest(delay=delay):

                class P(Workflow):
                    @step(retry=2)
                    def one(self, data, delay=delay):
                        raise RetryAfter(delay)

                execution = run(P)
                advance(minutes=1)
                self.assertFailed(execution, "TypeError")

    def test_an_endless_delay_does_not_break_the_worker(self) -> None:
        for delay in (timedelta.max, timedelta(days=10**7)):

            class P(Workflow):
                @step(retry=2)
                def one(self, data, delay=delay):
                    raise RetryAfter(delay)

            execution = run(P)
            self.assertNotEqual(execution.status, "running")

    def test_a_delay_in_the_past_is_none(self) -> None:
        class P(Workflow):
            @step(retry=2)
            def one(self, data):
                if self.attempt == 1:
                    raise RetryAfter(minutes(-5))

        assert_completed(run(P))


class FailTests(EngineTestCase):
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
