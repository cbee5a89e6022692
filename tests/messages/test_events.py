"""Events are kept, delivered first in first out, and each is consumed by one wait."""

from __future__ import annotations

from typing import Any

import durable
from durable import InvalidTransition, Workflow, branch, chain, step, wait_for_event
from durable.models import Event, Execution, Wait
from durable.testing import assert_completed, assert_waiting_for, drain, run
from tests.cases import WorkflowTestCase


def send(execution: Execution, *names: str, **named: Any) -> None:
    for name in names:
        durable.send_event(execution.id, name, f"{name} payload")
    for name, payload in named.items():
        durable.send_event(execution.id, name, payload)


class WaitForEventTests(WorkflowTestCase):
    def test_the_payload_is_returned_with_its_types(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {"got": self.wait_for_event("paid")}

        for payload in (None, {"a": (1, 2)}, [1], "x", 0, False, b"\x00", {"deep": [{}]}):
            execution = run(P)
            assert_waiting_for(execution, event="paid")
            self.assertEqual((execution.status, execution.worker), ("waiting", None))
            send(execution, paid=payload)
            drain()
            assert_completed(execution)
            self.assertEqual(execution.result, {"got": payload})
            self.assertIs(type(execution.result["got"]), type(payload))

    def test_another_event_wakes_nobody(self) -> None:
        runs: list[int] = []

        class P(Workflow):
            @step
            def one(self, data):
                runs.append(1)
                self.wait_for_event("paid")

        execution = run(P)
        send(execution, "other", "pai", "paid ", "PAID")
        drain()
        assert_waiting_for(execution, event="paid")
        self.assertEqual(len(runs), 1)

    def test_an_event_sent_before_the_wait_exists_is_delivered_when_it_comes(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.wait_for_event("first")

            @step
            def two(self, data):
                return {"got": self.wait_for_event("early")}

        execution = durable.start(P)
        send(execution, "early")
        drain()
        assert_waiting_for(execution, event="first")
        send(execution, "first")
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": "early payload"})

    def test_an_early_event_does_not_even_park_the_step(self) -> None:
        runs: list[int] = []

        class P(Workflow):
            @step
            def one(self, data):
                runs.append(self._context._claim.fence)
                return {"got": self.wait_for_event("early")}

        execution = durable.start(P)
        send(execution, "early")
        drain()
        assert_completed(execution)
        self.assertEqual(runs, [1, 1])

    def test_first_in_first_out_per_name(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                names = ["a", "b", "a", "a"]
                return {"got": [self.wait_for_event(name) for name in names]}

        execution = durable.start(P)
        for n, name in enumerate(["a", "a", "b", "a", "b"]):
            durable.send_event(execution.id, name, n)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": [0, 2, 1, 3]})

    def test_two_waits_for_one_name_get_two_events(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {"one": self.wait_for_event("go")}

            @step
            def two(self, data):
                return {**data, "two": self.wait_for_event("go")}

        execution = run(P)
        send(execution, go=1)
        drain()
        assert_waiting_for(execution, event="go")
        send(execution, go=2)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"one": 1, "two": 2})

    def test_each_event_is_consumed_by_one_wait_and_says_by_which(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.wait_for_event("go")
                self.wait_for_event("go")

        execution = run(P)
        for n in range(3):
            send(execution, go=n)
        drain()
        assert_completed(execution)
        events = list(Event.objects.order_by("created_at", "id"))
        waits = list(Wait.objects.order_by("ordinal"))
        self.assertEqual([event.status for event in events], ["consumed", "consumed", "kept"])
        self.assertEqual([event.wait_id for event in events], [waits[0].id, waits[1].id, None])
        self.assertEqual(Event.objects.filter(wait__isnull=False).count(), 2)

    def test_events_of_one_execution_are_not_those_of_another(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {"got": self.wait_for_event("go")}

        first, second = run(P), run(P)
        send(second, go=2)
        drain()
        assert_completed(second)
        assert_waiting_for(first, event="go")

    def test_names_have_nothing_to_do_with_keys_of_the_data(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                data["got"] = self.wait_for_event("paid")
                data["said"] = self.wait_for_text("paid")

        execution = run(P, {"paid": "key"})
        send(execution, paid="event")
        drain()
        durable.provide_input(execution.id, "paid", "input")
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"paid": "key", "got": "event", "said": "input"})

    def test_an_event_is_no_input_and_an_input_is_no_event(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.wait_for_text("name")

        execution = run(P)
        send(execution, "name")
        drain()
        assert_waiting_for(execution, input="name")

        class Q(Workflow):
            @step
            def one(self, data):
                self.wait_for_event("name")

        execution = run(Q)
        with self.assertRaises(durable.WaitNotFound):
            durable.provide_input(execution.id, "name", "x")

    def test_a_finished_execution_takes_no_events(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                pass

        execution = run(P)
        with self.assertRaisesRegex(InvalidTransition, "completed"):
            send(execution, "go")
        self.assertFalse(Event.objects.exists())

    def test_waits_and_events_of_a_run_are_on_record(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.wait_for_event("go")

        execution = run(P)
        send(execution, go={"n": 1})
        drain()
        wait = execution.waits.get()
        self.assertEqual((wait.status, wait.answer, wait.path), ("answered", {"n": 1}, "one"))
        self.assertEqual(execution.events.get().payload, {"n": 1})


class PlaceTests(WorkflowTestCase):
    def test_waits_work_in_nested_branches(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {**data, "one": self.wait_for_event("one")}

            @step
            def two(self, data):
                return {**data, "two": self.wait_for_event("two")}

            flow = branch(
                on="a",
                cases={1: chain(one, branch(on="b", cases={2: chain(two)}, name="inner"))},
                name="outer",
            )

        execution = run(P, {"a": 1, "b": 2})
        send(execution, "one", "two")
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result["two"], "two payload")
        paths = [row.path for row in execution.steps]
        self.assertEqual(paths, ["outer/1/one", "outer/1/inner/2/two"])

    def test_a_wait_stands_in_a_flow_and_puts_its_payload_into_the_data(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {"n": 1}

            @step
            def two(self, data):
                return {**data, "two": True}

            flow = chain(
                one,
                wait_for_event("paid", into="payment"),
                wait_for_event("shrug"),
                wait_for_event("paid", into="again", name="once_more"),
                two,
            )

        execution = run(P)
        send(execution, paid={"sum": 5})
        drain()
        send(execution, "shrug", paid={"sum": 6})
        drain()
        assert_completed(execution)
        self.assertEqual(
            execution.result, {"n": 1, "payment": {"sum": 5}, "again": {"sum": 6}, "two": True}
        )
