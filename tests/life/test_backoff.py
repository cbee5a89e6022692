"""The delay before the next attempt follows the backoff, and lies in the database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from durable import (
    Retry,
    RetryAfter,
    Workflow,
    clock,
    hours,
    minutes,
    seconds,
    step,
)
from durable.models import Execution
from durable.testing import advance, assert_completed, run, time_travel
from tests.cases import WorkflowTestCase
from tests.life.cases import statuses


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
class BackoffTests(WorkflowTestCase):
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
            @step(retry=Retry(max_attempts=21, backoff="constant", base=seconds(100)))
            def one(self, data):
                raise ValueError

        class Q(Workflow):
            @step(retry=Retry(8, backoff="constant", base=seconds(100), max_delay=seconds(100)))
            def one(self, data):
                raise ValueError

        found = delays(P, 21)
        self.assertTrue(all(75 <= delay <= 125 for delay in found), found)
        self.assertGreater(max(found), 102)
        self.assertLess(min(found), 98)
        self.assertLessEqual(max(delays(Q, 8)), 100)

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
class RetryAfterTests(WorkflowTestCase):
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
