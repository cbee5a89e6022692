"""Cancelling: from every status, while a step runs, against a completion, with one winner."""

from __future__ import annotations

import threading
from typing import Any

from django.test import override_settings

import durable
from durable import Data, Retry, Workflow, hours, minutes, step
from durable.engine.duties.workers import block_orphans
from durable.engine.run.claim import claim_due
from durable.models import AuditEntry, Execution
from durable.models.fields import uuid7
from durable.testing import advance, drain, run, time_travel, worker
from tests.cases import PATIENCE, ThreadedTestCase, WorkflowTestCase, elsewhere, together, until


def define() -> type[Workflow]:
    class Asking(Workflow):
        @step
        def ask(self, data: Data) -> Data:
            return {"name": self.wait_for_text("name")}

        @step
        def after(self, data: Data) -> Data:
            return {**data, "after": True}

    return Asking


class CancelTests(WorkflowTestCase):
    """Waiting work ends at once, whatever it waits for."""

    def setUp(self) -> None:
        super().setUp()
        self.workflow = define()

    def cancelled(self, execution: Execution) -> None:
        found = durable.cancel(execution.id, "not wanted")
        self.assertEqual(found.pk, execution.pk)
        self.assertEqual((found.status, found.cancel_reason), ("cancelled", "not wanted"))
        self.assertIsNotNone(found.finished_at)
        found.refresh_from_db()
        self.assertEqual(found.status, "cancelled")
        self.assertIsNone(found.ready_at or found.wake_at or found.worker)
        drain()
        found.refresh_from_db()
        self.assertEqual(found.status, "cancelled")

    def test_pending(self) -> None:
        self.cancelled(durable.start(self.workflow))

    def test_scheduled_for_later(self) -> None:
        self.cancelled(durable.start(self.workflow, delay=hours(1)))

    def test_waiting_closes_the_wait_and_the_attempt(self) -> None:
        execution = run(self.workflow)
        self.cancelled(execution)
        (wait,) = execution.waits.all()
        self.assertEqual((wait.status, wait.told), ("cancelled", True))
        self.assertIsNotNone(wait.resolved_at)
        (attempt,) = execution.steps
        self.assertEqual(attempt.status, "cancelled")
        self.assertIsNotNone(attempt.ended_at)

    def test_answered_but_not_yet_woken(self) -> None:
        execution = run(self.workflow)
        durable.provide_input(execution.id, "name", "kim")
        self.cancelled(execution)
        self.assertEqual(execution.waits.get().status, "answered")

    def test_waiting_for_a_retry(self) -> None:
        class Flaky(Workflow):
            @step(retry=Retry(max_attempts=3, base=hours(1)))
            def only(self, data: Data) -> None:
                raise ValueError

        self.cancelled(run(Flaky))

    def test_paused(self) -> None:
        execution = run(self.workflow)
        durable.pause(execution.id)
        self.cancelled(execution)
        self.assertEqual(execution.waits.get().status, "cancelled")

    def test_blocked(self) -> None:
        execution = durable.start(self.workflow)
        Execution.objects.filter(pk=execution.pk).update(kind="asking@9", version=9)
        block_orphans([])
        execution.refresh_from_db()
        self.assertEqual(execution.status, "blocked")
        self.cancelled(execution)

    def test_compensate_is_remembered(self) -> None:
        found = durable.cancel(durable.start(self.workflow).id, compensate=True)
        self.assertTrue(found.cancel_compensate)

    def test_a_finished_execution_can_t_be_cancelled(self) -> None:
        class Quick(Workflow):
            @step
            def only(self, data: Data) -> None:
                if data.get("fail"):
                    raise ValueError

        cancelled = durable.cancel(durable.start(Quick).id)
        for execution in (run(Quick), run(Quick, {"fail": True}), cancelled):
            execution.refresh_from_db()
            with self.assertRaises(durable.InvalidTransition) as caught:
                durable.cancel(execution.id)
            for word in (str(execution.pk), execution.status):
                self.assertIn(word, str(caught.exception))
        self.assertEqual(AuditEntry.objects.filter(action="cancel").count(), 1)


class InFlightTests(WorkflowTestCase):
    """A step in flight ends, its checkpoint is accepted, no further step starts."""

    def run_cancelling(self, fail: bool = False, wait: bool = False, **options: Any) -> Execution:
        seen: list[Any] = []
        self.seen = seen

        class Busy(Workflow):
            @step(atomic=False, **options)
            def first(self, data: Data) -> Data:
                seen.append(self.cancel_requested)
                durable.cancel(self.id, "stop")
                seen.append(self.cancel_requested)
                if fail:
                    raise ValueError
                if wait:
                    self.wait_for_event("never")
                return {"kept": True}

            @step
            def second(self, data: Data) -> None:
                seen.append("second")

        return run(Busy)

    def test_it_sees_the_request_and_its_checkpoint_is_accepted(self) -> None:
        execution = self.run_cancelling()
        self.assertEqual(self.seen, [False, True])
        self.assertEqual((execution.status, execution.data), ("cancelled", {"kept": True}))
        self.assertIsNone(execution.result)
        (attempt,) = execution.steps
        self.assertEqual((attempt.status, attempt.output), ("completed", {"kept": True}))

    def test_the_last_step_never_completes_the_execution(self) -> None:
        class Last(Workflow):
            @step(atomic=False)
            def only(self, data: Data) -> Data:
                durable.cancel(self.id)
                return {"kept": True}

        execution = run(Last)
        self.assertEqual((execution.status, execution.data), ("cancelled", {"kept": True}))
        self.assertEqual(execution.steps.get().status, "completed")

    def test_an_atomic_step_too(self) -> None:
        class Last(Workflow):
            @step
            def only(self, data: Data) -> Data:
                durable.cancel(self.id)
                return {"kept": True}

        execution = run(Last)
        self.assertEqual((execution.status, execution.data), ("cancelled", {"kept": True}))

    def test_one_that_fails_is_not_tried_again(self) -> None:
        execution = self.run_cancelling(fail=True, retry=5)
        self.assertEqual(execution.status, "cancelled")
        self.assertEqual(execution.steps.get().status, "failed")

    def test_one_that_would_wait_ends_instead(self) -> None:
        execution = self.run_cancelling(wait=True)
        self.assertEqual(execution.status, "cancelled")
        self.assertEqual(execution.waits.get().status, "cancelled")

    def test_cancelling_twice_is_no_error_while_it_runs_and_keeps_the_first_reason(self) -> None:
        class Twice(Workflow):
            @step(atomic=False)
            def only(self, data: Data) -> None:
                durable.cancel(self.id, "first")
                durable.cancel(self.id, "second")

        self.assertEqual(run(Twice).cancel_reason, "first")


class ThreadTests(ThreadedTestCase):
    @override_settings(DURABLE={"POLL_INTERVAL": 0.02, "LEASE": 3})
    def test_a_worker_tells_the_running_step(self) -> None:
        begun = threading.Event()

        class Long(Workflow):
            @step(atomic=False)
            def only(self, data: Data) -> Data:
                begun.set()
                until(lambda: self.cancel_requested)
                return {"told": True}

        with worker():
            execution = durable.start(Long)
            self.assertTrue(begun.wait(PATIENCE))
            self.assertEqual(durable.cancel(execution.id).status, "running")
            until(lambda: durable.get_execution(execution.id).is_finished)
        execution.refresh_from_db()
        self.assertEqual((execution.status, execution.data), ("cancelled", {"told": True}))

    def test_cancel_against_completion_has_one_winner(self) -> None:
        class Quick(Workflow):
            @step
            def only(self, data: Data) -> Data:
                return {"done": True}

        outcomes = set()
        for _ in range(25):
            execution = durable.start(Quick)

            def cancel(pk: Any = execution.id) -> str:
                try:
                    durable.cancel(pk)
                except durable.InvalidTransition:
                    return "refused"
                return "accepted"

            _, told = together(drain, cancel)
            drain()
            execution.refresh_from_db()
            outcomes.add((told, execution.status))
        self.assertLessEqual(outcomes, {("accepted", "cancelled"), ("refused", "completed")})

    def test_cancel_waits_for_no_open_answer_of_somebody_else(self) -> None:
        execution = durable.start(define())
        with elsewhere() as other:
            (claim,) = other(lambda: claim_due(uuid7(), "default", ["asking@1"], 1))
            self.assertEqual(durable.cancel(execution.id).status, "running")
            self.assertEqual(claim.execution_id, execution.pk)


class FrozenTests(WorkflowTestCase):
    def test_a_cancelled_sleeper_never_wakes(self) -> None:
        class Sleeper(Workflow):
            @step
            def only(self, data: Data) -> None:
                self.sleep(minutes(5))

        with time_travel():
            execution = run(Sleeper)
            durable.cancel(execution.id)
            advance(hours=1)
            execution.refresh_from_db()
            self.assertEqual(execution.status, "cancelled")
