"""A published event that no execution takes starts the workflows that it triggers, once each."""

from __future__ import annotations

from typing import Any
from unittest import mock

import durable
from durable import OnEvent, Workflow, step
from durable.engine.deliver import deliver_due
from durable.models import CorrelationKey, Event, Execution
from durable.testing import drain, run
from tests.cases import ThreadedTestCase, WorkflowTestCase, together


def welcome(name: str = "welcome", version: int = 1, on: str = "user.signed_up") -> type[Workflow]:
    called, number = name, version

    class Welcome(Workflow):
        class Meta:
            name = called
            version = number
            triggers = [OnEvent(on)]

        @step
        def greet(self, data: dict[str, Any]) -> None: ...

    return Welcome


def signup_by(own: Any) -> type[Workflow]:
    class Signup(Workflow):
        class Meta:
            triggers = [OnEvent("user.signed_up")]
            key = own if isinstance(own, str) else staticmethod(own)

        @step
        def one(self, data: dict[str, Any]) -> None: ...

    return Signup


def waiter() -> type[Workflow]:
    class Waiter(Workflow):
        @step
        def wait(self, data: dict[str, Any]) -> dict[str, Any]:
            return {"got": self.wait_for_event("user.signed_up")}

    return Waiter


def started(name: str = "welcome") -> list[Any]:
    found = Execution.objects.filter(workflow=name).order_by("created_at", "id")
    return list(found.values_list("input", flat=True))


class TriggerTests(WorkflowTestCase):
    """In one process."""

    def test_the_payload_is_the_input(self) -> None:
        welcome()
        event = durable.publish_event("user.signed_up", {"id": 7})
        drain()
        self.assertEqual(started(), [{"id": 7}])
        event.refresh_from_db()
        self.assertEqual(event.status, "delivered")
        drain()
        self.assertEqual(len(started()), 1)

    def test_other_events_start_nothing(self) -> None:
        welcome()
        durable.publish_event("user.left", {"id": 7})
        drain()
        self.assertEqual(started(), [])

    def test_each_workflow_with_the_trigger_starts(self) -> None:
        welcome()
        welcome("second")
        durable.publish_event("user.signed_up", {"id": 7})
        drain()
        self.assertEqual((len(started()), len(started("second"))), (1, 1))

    def test_the_highest_version_counts(self) -> None:
        welcome()
        welcome(version=2)
        welcome("retired")
        welcome("retired", version=2, on="something.else")
        durable.publish_event("user.signed_up", {})
        drain()
        self.assertEqual(Execution.objects.get(workflow="welcome").version, 2)
        self.assertEqual(started("retired"), [])

    def test_an_event_that_an_execution_takes_starts_nothing(self) -> None:
        welcome()
        waiting = durable.start(waiter(), keys=["user:7"])
        durable.publish_event("user.signed_up", {"id": 7}, key="user:7")
        drain()
        waiting.refresh_from_db()
        self.assertEqual(waiting.result, {"got": {"id": 7}})
        self.assertEqual(started(), [])

    def test_the_execution_carries_the_key_and_takes_what_comes_next(self) -> None:
        class Signup(Workflow):
            class Meta:
                triggers = [OnEvent("user.signed_up")]

            @step
            def wait(self, data: dict[str, Any]) -> dict[str, Any]:
                return {**data, "next": self.wait_for_event("user.signed_up")}

        durable.publish_event("user.signed_up", {"n": 1}, key="user:7")
        durable.publish_event("user.signed_up", {"n": 2}, key="user:7")
        drain()
        (execution,) = Execution.objects.filter(workflow="signup")
        self.assertEqual(execution.result, {"n": 1, "next": {"n": 2}})
        self.assertEqual(CorrelationKey.objects.get(execution=execution).key, "user:7")

    def test_what_was_kept_for_the_key_goes_to_the_execution_that_a_trigger_starts(self) -> None:
        class Signup(Workflow):
            class Meta:
                triggers = [OnEvent("user.signed_up")]

            @step
            def wait(self, data: dict[str, Any]) -> dict[str, Any]:
                return {
                    "seen": self.wait_for_event("user.seen"),
                    "came": self.wait_for_event("came"),
                }

        durable.publish_event("user.seen", 1, key="user:7")
        drain()
        durable.publish_event("came", 2, key="user:7")
        durable.publish_event("user.signed_up", {}, key="user:7")
        drain()
        self.assertEqual(Execution.objects.get().result, {"seen": 1, "came": 2})

    def test_without_trigger_or_taker_an_event_is_kept_for_the_first_that_gets_the_key(
        self,
    ) -> None:
        event = durable.publish_event("user.signed_up", {"id": 7}, key="user:7")
        drain()
        event.refresh_from_db()
        self.assertEqual(event.status, "kept")
        first = run(waiter(), keys=["user:7"])
        second = run("waiter", keys=["user:7"])
        self.assertEqual((first.status, second.status), ("completed", "waiting"))

    def test_a_payload_that_no_trigger_can_take_is_told_to_the_sender(self) -> None:
        welcome()
        signup_by("id")
        for key in (None, "user:7"):
            for wrong, why in ((["x"], "list"), ("text", "str"), (7, "int")):
                with (
                    self.subTest(wrong, key=key),
                    self.assertRaisesRegex(
                        durable.DurableError, rf"'user.signed_up'.*signup, welcome.*{why}"
                    ),
                ):
                    durable.publish_event("user.signed_up", wrong, key=key)
        self.assertFalse(Event.objects.exists())
        durable.publish_event("user.left", ["x"])
        self.assertEqual(Event.objects.count(), 1)

    def test_a_payload_of_which_no_key_can_be_made_is_told_to_the_sender(self) -> None:
        signup_by(lambda data: data["nothing"])
        with self.assertRaisesRegex(durable.DurableError, "Meta.key of signup.*KeyError"):
            durable.publish_event("user.signed_up", {"id": 7})
        welcome()  # this one can take it
        durable.publish_event("user.signed_up", {"id": 7})
        with self.assertLogs("durable.triggers", "ERROR"):
            drain()
        self.assertEqual((len(started()), len(started("signup"))), (1, 0))

    def test_what_an_execution_takes_may_be_anything(self) -> None:
        welcome()
        waiting = run(waiter(), keys=["user:7"])
        durable.publish_event("user.signed_up", [1], key="user:7")
        drain()
        waiting.refresh_from_db()
        self.assertEqual((waiting.result, started()), ({"got": [1]}, []))

    def test_an_event_that_was_published_before_is_the_first_still(self) -> None:
        first = durable.publish_event("user.signed_up", [1], event_id="evt_1")
        welcome()
        self.assertEqual(durable.publish_event("user.signed_up", [1], event_id="evt_1"), first)

    def test_one_that_nobody_could_refuse_starts_nothing_and_is_kept(self) -> None:
        event = durable.publish_event("user.signed_up", [1])
        welcome()  # deployed between
        with self.assertLogs("durable.triggers", "WARNING") as logs:
            drain()
        self.assertIn("a list", logs.output[0])
        event.refresh_from_db()
        self.assertEqual((event.status, started()), ("kept", []))

    def test_no_payload_is_an_empty_input(self) -> None:
        welcome()
        durable.publish_event("user.signed_up")
        drain()
        self.assertEqual(started(), [{}])

    def test_a_duplicate_of_the_event_starts_nothing_more(self) -> None:
        welcome()
        for _ in range(2):
            durable.publish_event("user.signed_up", {"id": 7}, event_id="evt_1")
            drain()
        self.assertEqual(len(started()), 1)


class SeveralWorkersTests(ThreadedTestCase):
    """Exactly once, however many deliver, and whatever dies."""

    def test_several_workers_start_one(self) -> None:
        welcome()
        for n in range(10):
            durable.publish_event(
                "user.signed_up", {"n": n}, key=f"user:{n % 3}" if n % 2 else None
            )

        def deliver() -> None:
            while Event.objects.pending().exists():
                deliver_due()

        for result in together(*[deliver] * 4):
            self.assertIsNone(result)
        numbers = [each["n"] for each in started()]
        self.assertEqual(len(numbers), len(set(numbers)))
        keyless = {n for n in range(10) if n % 2 == 0}
        self.assertLessEqual(keyless, set(numbers))

    def test_a_crash_before_the_commit_leaves_the_event_for_another(self) -> None:
        welcome()
        durable.publish_event("user.signed_up", {"id": 7})

        class Crash(BaseException):
            pass

        with (
            mock.patch("durable.engine.deliver.start_triggered") as start,
            self.assertRaises(Crash),
        ):
            from durable.engine.start.triggers import start_triggered

            def dies(event: Event) -> Any:
                start_triggered(event)
                raise Crash

            start.side_effect = dies
            deliver_due()
        self.assertEqual(started(), [])
        deliver_due()
        self.assertEqual(started(), [{"id": 7}])
