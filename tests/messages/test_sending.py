"""Sending and publishing events: who gets them, and what is refused."""

from __future__ import annotations

from typing import Any

import durable
from durable import Data, Workflow, WorkflowMeta, minutes, step
from durable.models import Event
from durable.testing import assert_completed, assert_waiting_for, drain, run
from tests.cases import WorkflowTestCase


def define() -> tuple[type[Workflow], type[Workflow]]:
    class Payment(Workflow):
        class Meta(WorkflowMeta):
            key = "order"

        @step
        def wait(self, data: Data) -> Data:
            return {**data, "got": self.wait_for_event("payment.success")}

    class Keyed(Workflow):
        @step
        def wait(self, data: Data) -> Data:
            return {**data, "got": self.wait_for_event("paid", key=data["order"])}

    return Payment, Keyed


class SendTests(WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.payment, self.keyed = define()

    def test_it_reaches_the_wait(self) -> None:
        execution = run(self.payment)
        event = durable.send_event(execution.id, "payment.success", {"amount": 7})
        self.assertIsInstance(event, Event)
        self.assertEqual(
            (event.name, event.payload, event.created), ("payment.success", {"amount": 7}, True)
        )
        self.assertEqual(event.execution_id, execution.pk)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": {"amount": 7}})

    def test_sent_before_the_execution_began_it_is_kept(self) -> None:
        execution = durable.start(self.payment, {}, delay=-minutes(1))
        durable.send_event(str(execution.id), "payment.success", 1)
        durable.send_event(execution.id, "payment.success", 2)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": 1})
        self.assertEqual(
            [(event.payload, event.status) for event in execution.events.all()],
            [(1, "consumed"), (2, "kept")],
        )

    def test_any_storable_payload_or_none_arrives_as_it_was(self) -> None:
        for payload in (None, True, 0, "text", [1, None], {"a": (1, {2})}, 1.5):
            execution = run(self.payment)
            durable.send_event(execution.id, "payment.success", payload)
            drain()
            execution.refresh_from_db()
            self.assertEqual(execution.result, {"got": payload})
            self.assertIs(type(execution.result["got"]), type(payload))

    def test_another_name_does_not_wake_it(self) -> None:
        execution = run(self.payment)
        durable.send_event(execution.id, "payment.failed")
        drain()
        assert_waiting_for(execution, event="payment.success")

    def test_to_a_finished_execution_it_is_refused_with_its_status(self) -> None:
        execution = durable.cancel(durable.start(self.payment).id)
        with self.assertRaises(durable.InvalidTransition) as caught:
            durable.send_event(execution.id, "payment.success")
        for word in ("payment.success", str(execution.pk), "cancelled"):
            self.assertIn(word, str(caught.exception))
        self.assertFalse(Event.objects.exists())

    def test_names_and_ids_that_no_column_holds_are_refused(self) -> None:
        execution = run(self.payment)
        wrong: list[Any] = ["", "n" * 256, "a\0b", "\ud800", 7, None]
        for value in wrong:
            calls = [
                lambda v=value: durable.send_event(execution.id, v),
                lambda v=value: durable.publish_event(v),
            ]
            if value is not None:
                calls += [
                    lambda v=value: durable.send_event(execution.id, "go", event_id=v),
                    lambda v=value: durable.publish_event("go", event_id=v),
                    lambda v=value: durable.publish_event("go", key=v),
                ]
            for number, call in enumerate(calls):
                shown = str(value)[:9].encode(errors="replace")
                refused = self.assertRaises(durable.DurableError)
                with self.subTest(value=shown, call=number), refused:
                    call()
        self.assertFalse(Event.objects.exists())


class PublishTests(WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.payment, self.keyed = define()

    def test_it_reaches_every_unfinished_execution_that_carries_the_key(self) -> None:
        by_meta = run(self.payment, {"order": "7"})
        by_start = run(self.payment, {"order": "8"}, keys=["7"])
        later = durable.start(self.payment, {}, keys=["7"], delay=minutes(5))
        other = run(self.payment, {"order": "9"})
        over = durable.cancel(durable.start(self.payment, {"order": "7"}).id)
        event = durable.publish_event("payment.success", 1, key="7")
        drain()
        assert_completed(by_meta)
        assert_completed(by_start)
        assert_waiting_for(other, event="payment.success")
        self.assertEqual(later.events.get().payload, 1)
        self.assertFalse(over.events.exists())
        event.refresh_from_db()
        self.assertEqual(event.status, "delivered")

    def test_a_key_of_a_wait_is_carried_from_then_on(self) -> None:
        execution = run(self.keyed, {"order": "order:1"})
        durable.publish_event("paid", {"n": 1}, key="order:1")
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result["got"], {"n": 1})

    def test_without_a_carrier_it_is_kept_for_the_first_that_gets_the_key(self) -> None:
        durable.publish_event("payment.success", "early", key="7")
        drain()
        first = run(self.payment, {"order": "7"})
        second = run(self.payment, {"order": "7"})
        assert_completed(first)
        self.assertEqual(first.result["got"], "early")
        assert_waiting_for(second, event="payment.success")

    def test_without_key_nobody_gets_it(self) -> None:
        execution = run(self.payment)
        durable.publish_event("payment.success", 1)
        drain()
        assert_waiting_for(execution, event="payment.success")
        self.assertFalse(execution.events.exists())
