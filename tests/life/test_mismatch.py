"""Code that asks for what does not fit the record blocks the execution, and loses nothing."""

from __future__ import annotations

from typing import Any

import durable
from durable import days, hours
from durable.engine.duties import workers
from durable.models import Execution, Record, StepRun, Wait
from durable.testing import (
    assert_completed,
    assert_step,
    assert_waiting_for,
    drain,
    run,
)
from tests.cases import WorkflowTestCase
from tests.life.cases import a_worker
from tests.life.test_journal import asks, deploy


class MismatchTests(WorkflowTestCase):
    def blocked(self, before: Any, after: Any, answer: str = "a") -> Execution:
        execution = run(deploy(before))
        deploy(after)
        durable.send_event(execution.id, answer, f"{answer} payload")
        drain()
        return execution

    def test_code_that_asks_for_something_else_blocks_and_the_message_says_both(self) -> None:
        execution = self.blocked(asks("a"), asks("b"))
        self.assertBlocked(execution, "JournalMismatch", "event 'a'", "event 'b'", "restart_step")
        self.assertIsNone(execution.finished_at)
        self.assertEqual((execution.attempt, execution.recoveries), (1, 0))
        self.assertEqual(list(StepRun.objects.values_list("status", flat=True)), ["waiting"])
        self.assertEqual(Wait.objects.get().status, "answered")

    def test_another_kind_or_number_of_calls_blocks_too(self) -> None:
        for after in (
            lambda self, data: self.wait_for_text("a"),
            lambda self, data: self.sleep(days(1)),
            lambda self, data: self.wait_for_any(["a", "b"]),
            lambda self, data: self.run(int, name="a"),
            asks("b", "a"),
        ):
            with self.subTest():
                self.assertBlocked(self.blocked(asks("a"), after), "JournalMismatch")

    def test_a_run_that_is_new_before_a_recorded_one_blocks(self) -> None:
        def before(self: Any, data: Any) -> Any:
            self.run(int, name="first")
            self.wait_for_event("a")

        def after(self: Any, data: Any) -> Any:
            self.run(int, name="new")
            self.run(int, name="first")
            self.wait_for_event("a")

        self.assertBlocked(
            self.blocked(before, after), "JournalMismatch", "run 'new'", "run 'first'"
        )
        self.assertFalse(Record.objects.filter(name="new").exists())

    def test_new_calls_after_the_recorded_ones_fit(self) -> None:
        execution = self.blocked(asks("a"), asks("a", "b"))
        assert_waiting_for(execution, event="b")
        durable.send_event(execution.id, "b", "b payload")
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": ["a payload", "b payload"]})

    def test_code_that_asks_for_less_fits(self) -> None:
        execution = self.blocked(asks("a"), lambda self, data: {"done": True})
        assert_completed(execution)

    def test_retry_tries_again_and_with_code_that_fits_it_goes_on(self) -> None:
        execution = self.blocked(asks("a"), asks("b"))
        durable.retry(execution.id)
        drain()
        self.assertBlocked(execution, "JournalMismatch")
        deploy(asks("a"))
        durable.retry(execution.id)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": ["a payload"]})
        self.assertIsNone(execution.error)
        assert_step(execution, "one", attempts=1)

    def test_restart_step_forgets_the_records_of_the_step(self) -> None:
        calls: list[int] = []

        def before(self: Any, data: Any) -> Any:
            self.run(calls.append, 1, name="charge")
            self.wait_for_event("a")

        def after(self: Any, data: Any) -> Any:
            return {"b": self.wait_for_event("b"), "run": self.run(lambda: 5, name="charge")}

        execution = self.blocked(before, after)
        durable.retry(execution.id, restart_step=True)
        drain()
        assert_waiting_for(execution, event="b")
        durable.send_event(execution.id, "b", 1)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"b": 1, "run": 5})

    def test_it_is_tried_again_when_a_worker_that_fits_starts(self) -> None:
        execution = self.blocked(asks("a"), asks("b"))
        drain()
        self.assertBlocked(execution, "JournalMismatch")
        deploy(asks("a"))
        a_worker()
        execution.refresh_from_db()
        self.assertEqual(execution.status, "pending")
        drain()
        assert_completed(execution)

    def test_a_worker_of_other_workflows_does_not_touch_it(self) -> None:
        execution = self.blocked(asks("a"), asks("b"))
        workers.register("other", ["default"], ["q@1"], hours(1), listening=False)
        drain()
        self.assertBlocked(execution, "JournalMismatch")

    def test_a_mismatch_cant_be_swallowed(self) -> None:
        def after(self: Any, data: Any) -> Any:
            try:
                self.wait_for_event("b")
            except Exception:
                return {"swallowed": True}

        self.assertBlocked(self.blocked(asks("a"), after), "JournalMismatch")

    def test_answers_that_come_while_it_is_blocked_are_recorded(self) -> None:
        execution = self.blocked(asks("a"), asks("b"))
        durable.send_event(execution.id, "c", "early")
        drain()
        deploy(asks("a", "c"))
        durable.retry(execution.id)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": ["a payload", "early"]})

    def test_a_blocked_execution_can_be_cancelled(self) -> None:
        execution = self.blocked(asks("a"), asks("b"))
        durable.cancel(execution.id, "enough")
        execution.refresh_from_db()
        self.assertEqual(execution.status, "cancelled")
