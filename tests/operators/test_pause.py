"""Pausing: nothing runs, nothing is lost meanwhile, deadlines take effect on resume."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import durable
from durable import Data, Retry, Workflow, WorkflowMeta, hours, step
from durable.models import Execution
from durable.testing import advance, assert_completed, assert_waiting_for, drain, run, time_travel
from tests.cases import WorkflowTestCase

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def define() -> type[Workflow]:
    class Asking(Workflow):
        @step
        def ask(self, data: Data) -> Data:
            if data.get("kind") == "event":
                answer = self.wait_for_event("go", timeout=hours(2), timeout_value="late")
            elif data.get("kind") == "timer":
                answer = self.sleep(hours(2))
            else:
                answer = self.wait_for_text("q", timeout=hours(2), timeout_value="late")
            return {"answer": answer, "at": self.now()}

    return Asking


@time_travel(NOON)
class PauseTests(WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.workflow = define()

    def paused(self, **input: Any) -> Execution:
        execution = run(self.workflow, input)
        found = durable.pause(execution.id)
        self.assertEqual(found.status, "paused")
        return found

    def stays(self, execution: Execution, status: str = "paused") -> None:
        drain()
        execution.refresh_from_db()
        self.assertEqual(execution.status, status)
        if status == "paused":
            self.assertIsNone(execution.ready_at or execution.wake_at or execution.worker)

    def test_what_has_not_begun_does_not_begin(self) -> None:
        execution = durable.start(self.workflow)
        durable.pause(execution.id)
        self.stays(execution)
        self.assertFalse(execution.steps.exists())
        durable.resume(execution.id)
        drain()
        assert_waiting_for(execution, input="q")

    def test_a_running_execution_stops_at_its_next_checkpoint(self) -> None:
        seen = []

        class Two(Workflow):
            @step(atomic=False)
            def first(self, data: Data) -> Data:
                seen.append(durable.pause(self.id).status)
                return {"first": True}

            @step
            def second(self, data: Data) -> None:
                seen.append("second")

        execution = run(Two)
        self.assertEqual(seen, ["running"])
        self.assertEqual((execution.status, execution.data), ("paused", {"first": True}))
        self.assertEqual(durable.resume(execution.id).status, "pending")
        drain()
        assert_completed(execution)
        self.assertEqual(seen, ["running", "second"])

    def test_a_pause_in_the_last_step_comes_too_late(self) -> None:
        class One(Workflow):
            @step(atomic=False)
            def only(self, data: Data) -> None:
                durable.pause(self.id)

        execution = run(One)
        assert_completed(execution)
        with self.assertRaises(durable.InvalidTransition):
            durable.resume(execution.id)

    def test_a_pause_taken_back_while_the_step_runs_changes_nothing(self) -> None:
        class Two(Workflow):
            @step(atomic=False)
            def first(self, data: Data) -> None:
                durable.pause(self.id)
                durable.resume(self.id)

            @step
            def second(self, data: Data) -> None: ...

        assert_completed(run(Two))

    def test_an_answer_meanwhile_is_recorded_and_taken_on_resume(self) -> None:
        execution = self.paused()
        durable.provide_input(execution.id, "q", "kim")
        self.stays(execution)
        self.assertEqual(execution.waits.get().answer, "kim")
        durable.resume(execution.id)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result["answer"], "kim")

    def test_an_answer_just_before_the_pause_is_not_lost(self) -> None:
        execution = run(self.workflow)
        durable.provide_input(execution.id, "q", "kim")
        durable.pause(execution.id)
        self.stays(execution)
        durable.resume(execution.id)
        drain()
        self.assertEqual(durable.get_execution(execution.id).result["answer"], "kim")

    def test_an_event_meanwhile_is_delivered_and_taken_on_resume(self) -> None:
        execution = self.paused(kind="event")
        durable.send_event(execution.id, "go", 7)
        self.stays(execution)
        durable.resume(execution.id)
        drain()
        self.assertEqual(durable.get_execution(execution.id).result["answer"], 7)

    def test_a_deadline_that_passes_meanwhile_takes_effect_on_resume(self) -> None:
        for kind in ("input", "event"):
            with self.subTest(kind):
                execution = self.paused(kind=kind)
                advance(hours=5)
                self.stays(execution)
                durable.resume(execution.id)
                drain()
                execution.refresh_from_db()
                self.assertEqual(execution.result["answer"], "late")

    def test_an_event_after_the_deadline_does_not_beat_it(self) -> None:
        execution = self.paused(kind="event")
        advance(hours=3)
        durable.send_event(execution.id, "go", "too late")
        drain()
        durable.resume(execution.id)
        drain()
        self.assertEqual(durable.get_execution(execution.id).result["answer"], "late")

    def test_a_deadline_still_ahead_stays_where_it_is(self) -> None:
        for kind in ("input", "timer"):
            with self.subTest(kind):
                begun = run(self.workflow, {"kind": kind})
                at = advance(minutes=0)
                durable.pause(begun.id)
                advance(hours=1)
                durable.resume(begun.id)
                advance(minutes=59)
                self.stays(begun, "waiting")
                advance(minutes=1)
                begun.refresh_from_db()
                self.assertEqual(begun.result["at"], at + hours(2))

    def test_the_workflow_s_own_deadline_goes_on(self) -> None:
        class Limited(Workflow):
            class Meta(WorkflowMeta):
                timeout = hours(1)

            @step
            def ask(self, data: Data) -> None:
                self.wait_for_text("q")

        execution = run(Limited)
        durable.pause(execution.id)
        advance(hours=2)
        self.stays(execution)
        durable.resume(execution.id)
        drain()
        execution.refresh_from_db()
        self.assertEqual((execution.status, execution.error["type"]), ("failed", "WorkflowTimeout"))

    def test_a_delayed_start_starts_at_its_time_or_on_resume(self) -> None:
        soon, later = (durable.start(self.workflow, delay=hours(n)) for n in (1, 3))
        durable.pause(soon.id)
        durable.pause(later.id)
        advance(hours=2)
        self.stays(soon)
        durable.resume(soon.id)
        durable.resume(later.id)
        drain()
        assert_waiting_for(soon, input="q")
        self.stays(later, "pending")
        self.assertFalse(later.steps.exists())
        advance(hours=1)
        assert_waiting_for(later, input="q")

    def test_a_retry_delay_is_not_shortened_by_a_pause(self) -> None:
        for waits in (False, True):
            with self.subTest(waits=waits):
                at: list[datetime] = []

                class Flaky(Workflow):
                    @step(retry=Retry(max_attempts=2, base=hours(1), jitter=0))
                    def only(self, data: Data, at: Any = at, waits: bool = waits) -> None:
                        if waits:
                            self.wait_for_event("go")
                        at.append(self.now())
                        if self.attempt == 1:
                            raise ValueError

                execution = durable.start(Flaky)
                durable.send_event(execution.id, "go")
                drain()
                durable.pause(execution.id)
                advance(minutes=10)
                durable.resume(execution.id)
                advance(minutes=49)
                self.assertEqual(len(at), 1)
                advance(minutes=1)
                self.assertEqual(at[1] - at[0], hours(1))
                assert_completed(execution)

    def test_a_paused_execution_can_be_paused_again_and_only_a_paused_one_resumed(self) -> None:
        execution = self.paused()
        self.assertEqual(durable.pause(execution.id).status, "paused")
        durable.resume(execution.id)
        with self.assertRaises(durable.InvalidTransition) as caught:
            durable.resume(execution.id)
        for word in (str(execution.pk), "waiting", "paused"):
            self.assertIn(word, str(caught.exception))

    def test_what_is_finished_can_t_be_paused(self) -> None:
        execution = durable.cancel(durable.start(self.workflow).id)
        for call in (durable.pause, durable.resume):
            with self.assertRaisesRegex(durable.InvalidTransition, "cancelled"):
                call(execution.id)


class PauseUnheardTests(WorkflowTestCase):
    """A pause that is asked for while the last step runs, and comes too late to be heard."""

    def failed(self) -> Execution:
        class Held(Workflow):
            class Meta(WorkflowMeta):
                on_failure = "hold"

            undone = False

            @step
            def book(self, data: Data) -> Data:
                return data

            @book.compensate
            def unbook(self, data: Data) -> Data:
                type(self).undone = True
                return data

            @step(atomic=False)
            def fails(self, data: Data) -> Data:
                if data.get("fails", True):
                    durable.pause(self.id)
                    raise ValueError("no")
                return data

        execution = run(Held, {})
        self.assertEqual(execution.status, "failed")
        self.assertFalse(execution.pause_requested)
        return execution

    def test_a_rollback_after_it_ends(self) -> None:
        execution = self.failed()
        durable.compensate(execution.id)
        self.assertLess(drain(max_steps=50), 10)
        execution.refresh_from_db()
        self.assertEqual(execution.status, "compensated")

    def test_a_retry_after_it_runs(self) -> None:
        execution = self.failed()
        Execution.objects.filter(pk=execution.pk).update(data={"fails": False})
        durable.retry(execution.id)
        drain()
        assert_completed(execution)
