"""The assertions of the kit: what they find, and what they say if they do not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import durable
from durable import Data, Workflow, call_workflow, chain, foreach, hours, parallel, sleep, step
from durable.models import Execution
from durable.testing import (
    advance,
    assert_completed,
    assert_step,
    assert_waiting_for,
    drain,
    run,
    time_travel,
)
from tests.cases import WorkflowTestCase

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


class Saying(WorkflowTestCase):
    def said(self, call: Any, *words: str) -> None:
        """The assertion fails, with these words in its message."""
        with self.assertRaises(AssertionError) as caught:
            call()
        for word in words:
            self.assertIn(word, str(caught.exception))


class AssertionTests(Saying):
    """A failed assertion shows status, error and steps."""

    def setUp(self) -> None:
        super().setUp()

        class Asking(Workflow):
            @step
            def first(self, data: Data) -> Data:
                if data.get("fail"):
                    raise ValueError("broken")
                return data

            @step
            def ask(self, data: Data) -> None:
                self.wait_for_text("name", timeout=hours(1))
                self.wait_for_all(["a", "b"])

        self.workflow = Asking

    def test_of_completion(self) -> None:
        execution = run(self.workflow, {"fail": True})
        self.said(
            lambda: assert_completed(execution),
            "failed", "ValueError", "broken", "step first #1: failed", str(execution.pk),
        )  # fmt: skip

    def test_of_waits(self) -> None:
        execution = run(self.workflow)
        assert_waiting_for(execution, input="name")
        self.said(lambda: assert_waiting_for(execution, input="other"), "'other'", "'name'", "ask")
        self.said(lambda: assert_waiting_for(execution, event="a"), "event 'a'", "waiting")
        durable.provide_input(execution.id, "name", "x")
        drain()
        assert_waiting_for(execution, event="a")
        assert_waiting_for(execution, event="b")
        with self.assertRaises(TypeError):
            assert_waiting_for(execution)
        with self.assertRaises(TypeError):
            assert_waiting_for(execution, input="name", event="a")

    def test_of_steps(self) -> None:
        execution = run(self.workflow)
        assert_step(execution, "first", status="completed", attempts=1)
        assert_step(execution, "ask", status="waiting")
        self.said(lambda: assert_step(execution, "ask"), "'ask' is waiting, not completed")
        self.said(lambda: assert_step(execution, "first", attempts=2), "1 attempts, not 2")
        self.said(lambda: assert_step(execution, "last"), "'last' has not run", "step first #1")


class PartsTests(Saying):
    """Steps are found wherever in the execution they ran; of several, the message says which."""

    def setUp(self) -> None:
        super().setUp()

        class Order(Workflow):
            @step
            def begin(self, data: Data) -> Data:
                return {**data, "items": ["x", "y"]}

            @step
            def pack(self, data: Data) -> Data:
                return data

            @step
            def weigh(self, data: Data) -> Data:
                return data

            @step
            def price(self, data: Data, item: str, index: int) -> Data:
                if item == "y":
                    raise ValueError("no price")
                return {**data, "price": item}

            flow = chain(
                begin,
                parallel(left=chain(pack, weigh), right=pack),
                foreach("items", price, on_error="continue"),
            )

        self.execution = run(Order)
        assert_completed(self.execution)

    def test_of_a_branch(self) -> None:
        assert_step(self.execution, "weigh", status="completed", attempts=1)
        assert_step(self.execution, "parallel/right/pack")
        self.said(
            lambda: assert_step(self.execution, "pack"),
            "'pack'", "2 places", "parallel/left/pack", "parallel/right/pack",
        )  # fmt: skip

    def test_of_an_item(self) -> None:
        assert_step(self.execution, "price", item=0)
        assert_step(self.execution, "price", item=1, status="failed", attempts=1)
        self.said(
            lambda: assert_step(self.execution, "price"), "2 places", "item=0", "item=1", "price/do"
        )
        self.said(lambda: assert_step(self.execution, "price", item=2), "item 2", "has not run")

    def test_of_a_part_itself(self) -> None:
        (left,) = Execution.objects.filter(branch="left")
        assert_step(left, "pack")
        self.said(lambda: assert_step(left, "begin"), "has not run")

    def test_a_message_shows_the_steps_of_all_parts(self) -> None:
        self.said(
            lambda: assert_step(self.execution, "none"),
            "step parallel/left/weigh #1", "step price/do/price (item 1) #1: failed",
        )  # fmt: skip


@time_travel()
class WaitTests(Saying):
    """Timers are known by how long they take or when they end, children by their workflow."""

    def setUp(self) -> None:
        super().setUp()

        class Child(Workflow):
            @step
            def only(self, data: Data) -> None:
                self.wait_for_event("never")

        class Sleeping(Workflow):
            @step
            def only(self, data: Data) -> None:
                self.sleep(hours(2))
                self.sleep_until(NOON)

        class Calling(Workflow):
            flow = parallel(one=call_workflow(Child), two=sleep(hours(1)))

        self.child, self.sleeping, self.calling = Child, Sleeping, Calling

    def test_of_a_timer(self) -> None:
        with time_travel(NOON - hours(5)):
            execution = run(self.sleeping)
            for timer in (True, hours(2), NOON - hours(3)):
                assert_waiting_for(execution, timer=timer)
            for timer in (hours(1), NOON):
                self.said(
                    lambda timer=timer: assert_waiting_for(execution, timer=timer),  # type: ignore[misc]
                    "timer", "2:00:00", "2024-05-01 09:00",
                )  # fmt: skip
            advance(hours=2)
            assert_waiting_for(execution, timer=NOON)
            advance(hours=3)
            self.said(lambda: assert_waiting_for(execution, timer=True), "completed")

    def test_of_a_child(self) -> None:
        execution = run(self.calling)
        assert_waiting_for(execution, child=self.child)
        assert_waiting_for(execution, child="child")
        assert_waiting_for(execution, timer=hours(1))
        self.said(lambda: assert_waiting_for(execution, child="other"), "'other'", "child 'child'")
        child = Execution.objects.get(workflow="child")
        self.said(lambda: assert_waiting_for(child, child=self.child), "event 'never'")

    def test_exactly_one_is_asked_for_and_of_a_known_kind(self) -> None:
        execution = run(self.calling)
        for asked in (
            {"timer": True, "child": "child"},
            {"timer": False},
            {"timer": 5},
            {"child": 5},
            {"timer": NOON.replace(tzinfo=None)},
        ):
            with self.subTest(asked), self.assertRaises(TypeError):
                assert_waiting_for(execution, **asked)  # type: ignore[arg-type]
