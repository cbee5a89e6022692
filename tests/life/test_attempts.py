"""What bounds an attempt, and what is kept of it.

Defects 13, 22, 23 and 26 of the original.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest import mock

from django.test import TestCase

import durable
from durable import Data, Fail, Retry, Workflow, minutes, seconds, step
from durable.models import Execution, StepRun
from durable.testing import advance, assert_completed, run
from tests.stage import (
    LEASE,
    NOON,
    Hand,
    at_noon,
    drain,
    fresh,
    history,
    pass_time,
    tick,
)


class OptionTests(TestCase):
    """13: a deadly step was retried for ever, and options were read by nobody; all are enforced."""

    def deaths(self, execution: Execution, number: int) -> None:
        """Let so many workers die in the execution's step, one after the other."""
        for _ in range(number):
            Hand("dies").must_claim()
            advance(seconds=LEASE.total_seconds() + 1, work=False)
            tick()

    def test_a_step_that_kills_its_workers_fails_after_max_recoveries(self) -> None:
        class Poison(Workflow):
            class Meta:
                max_recoveries = 2

            @step
            def kill(self, data: Data) -> None: ...

        with at_noon():
            execution = durable.start(Poison)
            self.deaths(execution, 2)
            self.assertEqual(fresh(execution).status, "pending")
            self.deaths(execution, 1)
            drain()
        execution = fresh(execution)
        self.assertEqual((execution.status, execution.error["type"]), ("failed", "StepCrashed"))
        self.assertEqual(history(execution), [("kill", 1, "failed")])

    def test_workers_that_die_are_counted_against_each_attempt_and_attempts_are_bounded(
        self,
    ) -> None:
        class Poison(Workflow):
            class Meta:
                max_recoveries = 0

            @step(retry=Retry(max_attempts=2, base=seconds(1), jitter=0))
            def kill(self, data: Data) -> None: ...

        with at_noon():
            execution = durable.start(Poison)
            self.deaths(execution, 1)
            drain()
            self.assertEqual(fresh(execution).status, "pending")
            advance(seconds=1, work=False)
            tick()
            self.deaths(execution, 1)
            drain()
        self.assertEqual(fresh(execution).status, "failed")
        self.assertEqual(history(execution), [("kill", 1, "failed"), ("kill", 2, "failed")])

    def test_a_step_that_takes_longer_than_its_timeout_fails(self) -> None:
        class Slow(Workflow):
            @step(atomic=False, timeout=minutes(1))
            def slow(self, data: Data) -> Data:
                advance(minutes=2, work=False)
                return {"done": True}

        with at_noon():
            execution = run(Slow)
        self.assertEqual((execution.status, execution.error["type"]), ("failed", "StepTimeout"))
        self.assertEqual(execution.data, {})

    def test_a_workflow_that_takes_longer_than_its_timeout_fails_waits_included(self) -> None:
        class Waits(Workflow):
            class Meta:
                timeout = minutes(1)

            @step
            def ask(self, data: Data) -> None:
                self.wait_for_event("go")

        with at_noon():
            execution = run(Waits)
            pass_time(seconds=59)
            self.assertEqual(fresh(execution).status, "waiting")
            pass_time(seconds=1)
        execution.refresh_from_db()
        self.assertEqual((execution.status, execution.error["type"]), ("failed", "WorkflowTimeout"))

    def test_the_queue_and_priority_of_the_workflow_decide_who_takes_it_and_when(self) -> None:
        class Slow(Workflow):
            class Meta:
                queue = "slow"

            @step
            def one(self, data: Data) -> None: ...

        class Urgent(Slow):
            class Meta:
                priority = 5

        slow, urgent = durable.start(Slow), durable.start(Urgent)
        self.assertIsNone(Hand("other", queues=("default",)).claim())
        hand = Hand("right", queues=("slow",))
        taken = [hand.must_claim().execution_id for _ in range(2)]
        self.assertEqual(taken, [urgent.pk, slow.pk])

    def test_a_step_has_as_many_attempts_as_its_retry_says(self) -> None:
        class Fails(Workflow):
            @step(retry=Retry(max_attempts=3, base=seconds(1), jitter=0))
            def fail(self, data: Data) -> None:
                raise ValueError("always")

        with at_noon():
            execution = run(Fails)
            for _ in range(4):
                pass_time(seconds=10)
        self.assertEqual(fresh(execution).status, "failed")
        self.assertEqual([attempt for _, attempt, _ in history(execution)], [1, 2, 3])


class BackoffTests(TestCase):
    """22: a backoff slept in the worker and held its slot; it is a due time in the database."""

    def test_an_execution_that_waits_for_its_retry_is_in_nobodys_hands(self) -> None:
        class Flaky(Workflow):
            @step(retry=Retry(max_attempts=2, base=minutes(10), jitter=0))
            def flaky(self, data: Data) -> Data:
                if self.attempt == 1:
                    raise ValueError("not yet")
                return {"attempt": self.attempt}

        class Other(Workflow):
            @step
            def one(self, data: Data) -> None: ...

        with at_noon():
            execution = durable.start(Flaky)
            hand = Hand()
            with mock.patch("time.sleep", side_effect=AssertionError("slept in the worker")):
                hand.run(hand.must_claim())
            parked = fresh(execution)
            self.assertEqual((parked.status, parked.worker), ("pending", None))
            self.assertEqual(
                (parked.ready_at, parked.wake_at), (None, NOON + timedelta(minutes=10))
            )
            # the slot is free for others, and nobody takes the retry before its time
            other = durable.start(Other)
            hand.run(hand.must_claim())
            assert_completed(other)
            pass_time(minutes=9)
            self.assertEqual(fresh(execution).status, "pending")
            pass_time(minutes=1)
        assert_completed(execution)
        self.assertEqual(execution.result, {"attempt": 2})

    def test_a_pause_does_not_shorten_the_delay_of_a_retry(self) -> None:
        class Flaky(Workflow):
            @step(retry=Retry(max_attempts=2, base=minutes(10), jitter=0))
            def flaky(self, data: Data) -> Data:
                self.sleep(seconds(1))  # answered before the failure: nothing to hurry for
                if self.attempt == 1:
                    raise ValueError("not yet")
                return {"at": self.now()}

        with at_noon():
            execution = run(Flaky)
            pass_time(seconds=1)
            durable.pause(execution.id)
            pass_time(minutes=1)
            durable.resume(execution.id)
            drain()
            self.assertEqual(fresh(execution).status, "pending")
            pass_time(minutes=9)
        assert_completed(execution)
        self.assertEqual(execution.result, {"at": NOON + timedelta(minutes=10, seconds=1)})

    def test_a_pause_during_a_wait_that_is_answered_meanwhile_ends_with_the_answer(self) -> None:
        class Waits(Workflow):
            @step
            def wait(self, data: Data) -> Data:
                return {"got": self.wait_for_event("go", timeout=minutes(10))}

        with at_noon():
            execution = run(Waits)
            durable.pause(execution.id)
            durable.send_event(execution.id, "go", 1)
            drain()
            durable.resume(execution.id)
            drain()
        assert_completed(execution)


class Unprintable(Exception):
    """Can't be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


class ErrorTests(TestCase):
    """23: errors that couldn't be stored hid the first one and left a zombie behind."""

    def failed_with(self, error: BaseException) -> dict[str, Any]:
        class Fails(Workflow):
            @step
            def fail(self, data: Data) -> None:
                raise error

        execution = run(Fails)
        self.assertEqual((execution.status, execution.worker), ("failed", None))
        self.assertEqual(StepRun.objects.get(execution=execution).error, execution.error)
        kept: dict[str, Any] = execution.error
        return kept

    def test_an_error_without_words_is_described(self) -> None:
        error = self.failed_with(Unprintable())
        self.assertEqual(error["type"], "Unprintable")
        self.assertIn("RuntimeError", error["message"])

    def test_text_that_no_database_stores_is_kept_readable(self) -> None:
        error = self.failed_with(ValueError("nul \x00 and surrogate \ud800 in one"))
        self.assertEqual(error["type"], "ValueError")
        self.assertIn("and surrogate", error["message"])
        self.assertNotIn("\x00", error["message"] + error["traceback"])

    def test_a_huge_error_is_cut(self) -> None:
        error = self.failed_with(ValueError("begin " + "x" * 10_000_000 + " end"))
        self.assertTrue(error["message"].startswith("begin"))
        self.assertTrue(error["message"].endswith("end"))
        self.assertLess(len(error["message"]) + len(error["traceback"]), 50_000)

    def test_details_that_can_not_be_stored_do_not_hide_the_error(self) -> None:
        error = self.failed_with(Fail("declined", type="card_declined", details={"x": object()}))
        self.assertEqual((error["type"], error["message"]), ("card_declined", "declined"))
        self.assertIn("not_storable", error["details"]["x"])

    def test_exits_and_interrupts_are_failures_of_the_step(self) -> None:
        for error in (SystemExit(3), KeyboardInterrupt(), MemoryError(), RecursionError()):
            with self.subTest(error=type(error).__name__):
                self.assertEqual(self.failed_with(error)["type"], type(error).__name__)


class RecordTests(TestCase):
    """26: the first start was overwritten, logs before a wait lost, inputs never recorded."""

    def test_the_first_start_logs_and_input_are_kept_across_waits_and_deaths(self) -> None:
        class Talks(Workflow):
            @step
            def talk(self, data: Data) -> Data:
                self.log.info("before the wait")
                self.wait_for_event("go")
                self.log.warning("after the wait")
                return {"out": data["in"]}

        with at_noon():
            execution = run(Talks, {"in": 1})
            self.assertEqual(execution.started_at, NOON)
            advance(minutes=5, work=False)
            durable.send_event(execution.id, "go")
            tick()
            Hand("dies").must_claim()
            pass_time(seconds=LEASE.total_seconds() + 1)
        assert_completed(execution)
        self.assertEqual(execution.started_at, NOON)
        (kept,) = execution.steps
        self.assertEqual((kept.input, kept.output), ({"in": 1}, {"out": 1}))
        self.assertEqual(kept.started_at, NOON)
        messages = [record["message"] for record in kept.log_records]
        self.assertEqual(messages, ["before the wait", "before the wait", "after the wait"])

    def test_each_attempt_keeps_its_own_input_and_logs(self) -> None:
        class Flaky(Workflow):
            @step(retry=Retry(max_attempts=2, base=seconds(1)))
            def flaky(self, data: Data) -> Data:
                self.log.info("attempt %d", self.attempt)
                data["touched"] = True
                if self.attempt == 1:
                    raise ValueError
                return data

        with at_noon():
            execution = run(Flaky, {"n": 1})
            pass_time(seconds=5)
        assert_completed(execution)
        first, second = execution.steps
        self.assertEqual((first.input, second.input), ({"n": 1}, {"n": 1}))
        said = [
            [record["message"] for record in attempt.log_records] for attempt in (first, second)
        ]
        self.assertEqual(said, [["attempt 1"], ["attempt 2"]])
