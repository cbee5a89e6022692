"""What a wait is, and how it ends.

Defects 4, 5, 7, 9 and 10 of the original.
"""

from __future__ import annotations

from django.test import TestCase, TransactionTestCase

import durable
from durable import Data, Workflow, days, minutes, step
from durable.engine.deliver import deliver_due
from durable.engine.duties import workers
from durable.errors import AlreadyAnswered, InvalidTransition
from durable.models import Event, StepRun, Wait
from durable.testing import advance, assert_completed, assert_waiting_for, run
from tests.stage import (
    LEASE,
    Hand,
    Killed,
    at_noon,
    drain,
    fresh,
    killed_at,
    pass_time,
    tick,
)


def outcomes() -> list[tuple[str, str, str]]:
    """Every wait in the order of opening: kind, name, outcome."""
    return list(Wait.objects.visible().values_list("kind", "name", "status"))


class TimeoutTests(TestCase):
    """4: timeouts of any/all never came back, or looped; the outcome of a wait is a row."""

    def test_any_gives_the_timeout_value_when_time_is_over(self) -> None:
        class Any_(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                got = self.wait_for_any(["a", "b"], timeout=minutes(5), timeout_value=("none", 0))
                return {"got": got}

        with at_noon():
            execution = run(Any_)
            pass_time(minutes=5)
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": ("none", 0)})
        self.assertEqual([status for _, _, status in outcomes()], ["timed_out"])

    def test_all_without_a_value_raises_once_and_says_what_came(self) -> None:
        class All(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                return {"got": self.wait_for_all(["a", "b"], timeout=minutes(5))}

        with at_noon():
            execution = run(All)
            durable.send_event(execution.id, "b", 2)
            pass_time(minutes=5)
        execution.refresh_from_db()
        self.assertEqual((execution.status, execution.error["type"]), ("failed", "WaitTimeout"))
        self.assertEqual(execution.error["details"], {"received": {"b": 2}})
        self.assertEqual(execution.steps.count(), 1)

    def test_none_is_a_timeout_value_like_any_other(self) -> None:
        class Nothing(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                got = self.wait_for_event("a", timeout=minutes(5), timeout_value=None)
                return {"got": got}

        with at_noon():
            execution = run(Nothing)
            pass_time(minutes=5)
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": None})

    def test_a_caught_timeout_lets_the_step_go_on_to_its_next_wait(self) -> None:
        class Patient(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                try:
                    self.wait_for_event("a", timeout=minutes(5))
                except durable.WaitTimeout:
                    return {"got": self.wait_for_event("b")}
                return {}

        with at_noon():
            execution = run(Patient)
            pass_time(minutes=5)
            assert_waiting_for(execution, event="b")
            durable.send_event(execution.id, "b", "late")
            drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": "late"})


class CancelledWaitTests(TestCase):
    """5: cancelling a wait did nothing to it and made later sleeps skip; each has its outcome."""

    def test_the_waits_of_a_cancelled_execution_are_cancelled_and_take_nothing(self) -> None:
        class Asks(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                return {"ok": self.wait_for_approval("manager")}

        execution = run(Asks)
        durable.cancel(execution.id, "no longer needed")
        self.assertEqual(outcomes(), [("input", "manager", "cancelled")])
        with self.assertRaisesMessage(AlreadyAnswered, "cancelled at"):
            durable.provide_input(execution.id, "manager", "approved")
        with self.assertRaises(InvalidTransition):
            durable.send_event(execution.id, "go")
        self.assertEqual(drain(), 0)
        self.assertEqual(fresh(execution).status, "cancelled")

    def test_after_a_retry_a_cancelled_wait_is_asked_anew_and_later_sleeps_sleep(self) -> None:
        class Timed(Workflow):
            class Meta:
                timeout = minutes(10)

            @step
            def ask(self, data: Data) -> Data:
                got = self.wait_for_event("go")
                self.sleep(minutes(5))
                return {"got": got}

        with at_noon():
            execution = run(Timed)
            pass_time(minutes=10)
            self.assertEqual(fresh(execution).status, "failed")
            self.assertEqual(outcomes(), [("event", "go", "cancelled")])
            durable.retry(execution.id)
            drain()
            assert_waiting_for(execution, event="go")
            durable.send_event(execution.id, "go", 1)
            drain()
            self.assertEqual(fresh(execution).status, "waiting")
            pass_time(minutes=4)
            self.assertEqual(fresh(execution).status, "waiting")
            pass_time(minutes=1)
        assert_completed(execution)


class Waiter(Workflow):
    """Parks in one wait."""

    class Meta:
        abstract = True

    @step
    def ask(self, data: Data) -> Data:
        return {"got": self.wait_for_event("go")}


class ParkTests(TransactionTestCase):
    """7: an event between registering the wait and parking was lost; it is one transaction."""

    def test_an_event_delivered_while_the_body_runs_is_found_at_the_park(self) -> None:
        class Hasty(Workflow):
            @step(atomic=False)
            def ask(self, data: Data) -> Data:
                if not Event.objects.exists():
                    durable.send_event(self.id, "go", "early")
                    deliver_due()  # finds no wait: this one is not parked yet
                return {"got": self.wait_for_event("go")}

        execution = run(Hasty)
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": "early"})

    def test_an_event_sent_and_not_yet_delivered_is_found_at_the_park(self) -> None:
        class Waits(Waiter):
            pass

        with at_noon():
            execution = durable.start(Waits)
            claim = (hand := Hand()).must_claim()
            durable.send_event(execution.id, "go", "early")
            hand.run(claim)
        assert_completed(execution)
        self.assertEqual(Event.objects.get().status, "consumed")

    def test_a_crash_while_parking_leaves_neither_wait_nor_status(self) -> None:
        class Waits(Waiter):
            pass

        self.crashes_while_parking(Waits)

    def test_nor_does_a_crash_of_one_that_has_more_to_write(self) -> None:
        class Tags(Waiter):
            @step
            def ask(self, data: Data) -> Data:
                self.set_tags(asked=True)
                return {"got": self.wait_for_event("go")}

        self.crashes_while_parking(Tags)

    def crashes_while_parking(self, waits: type[Workflow]) -> None:
        with at_noon():
            execution = durable.start(waits)
            claim = (hand := Hand()).must_claim()
            with killed_at("wait.before_commit"), self.assertRaises(Killed):
                hand.run(claim)
            self.assertEqual(fresh(execution).status, "running")
            self.assertFalse(Wait.objects.exists() or StepRun.objects.exists())
            pass_time(seconds=LEASE.total_seconds() + 1)
            assert_waiting_for(execution, event="go")


class EventTests(TestCase):
    """9: early events were lost, and a second wait got the first payload; there is an inbox."""

    def test_two_waits_of_one_name_get_two_events_in_order_early_or_late(self) -> None:
        class Twice(Workflow):
            @step
            def nap(self, data: Data) -> None:
                self.sleep(days(1))

            @step
            def ask(self, data: Data) -> Data:
                first = self.wait_for_event("go")
                return {**data, "first": first, "second": self.wait_for_event("go")}

            @step
            def again(self, data: Data) -> Data:
                return {**data, "third": self.wait_for_event("go")}

        with at_noon():
            execution = run(Twice, {"go": "data of that name"})
            durable.send_event(execution.id, "go", 1)
            drain()  # delivered before any wait is there: kept
            durable.send_event(execution.id, "go", 2)
            pass_time(days=1)
            assert_waiting_for(execution, event="go")
            durable.send_event(execution.id, "go", 3)
            drain()
        assert_completed(execution)
        expected = {"go": "data of that name", "first": 1, "second": 2, "third": 3}
        self.assertEqual(execution.result, expected)
        takers = Event.objects.values_list("wait", flat=True)
        self.assertEqual(len(set(takers)), 3)

    def test_an_event_that_nobody_wants_stays_for_the_wait_that_does(self) -> None:
        class Picky(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                wanted = self.wait_for_event("b")
                return {"got": [wanted, self.wait_for_event("a")]}

        execution = run(Picky)
        durable.send_event(execution.id, "a", 1)
        drain()
        durable.send_event(execution.id, "b", 2)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": [2, 1]})


class RerunTests(TestCase):
    """10: running a step again whose wait was on record failed the run; rows have a place."""

    def test_a_step_that_parks_again_in_the_same_wait_uses_its_row(self) -> None:
        class Waits(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                got = self.wait_for_event("go", timeout=minutes(5), timeout_value="over")
                return {"got": got}

        with at_noon():
            execution = run(Waits)
            # Its time comes while no worker has the workflow: set aside, then taken up, with
            # the wait still open. The body asks for it again.
            advance(minutes=5, work=False)
            tick()
            workers.block_orphans([])
            self.assertEqual(fresh(execution).status, "blocked")
            drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": "over"})
        self.assertEqual(Wait.objects.count(), 1)

    def test_a_step_with_several_waits_is_one_attempt_however_often_it_runs(self) -> None:
        class Naps(Workflow):
            @step
            def nap(self, data: Data) -> Data:
                for _ in range(3):
                    self.sleep(minutes(1))
                return {"at": self.now()}

        with at_noon():
            execution = run(Naps)
            for _ in range(2):
                advance(minutes=1, work=False)
                tick()
                Hand("dies in the step").must_claim()
                pass_time(seconds=LEASE.total_seconds() + 1)
            pass_time(minutes=1)
        assert_completed(execution)
        self.assertEqual([name for name, _, _ in outcomes()], ["timer"] * 3)
        self.assertEqual(StepRun.objects.count(), 1)
