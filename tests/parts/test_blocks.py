"""Blocks of a flow: parallel, foreach, repeat, catch, children and compensation in miniature."""

from __future__ import annotations

from typing import Any

from django.test import TestCase

import durable
from durable import (
    ChildFailed,
    Fail,
    Workflow,
    catch,
    chain,
    days,
    foreach,
    increment,
    parallel,
    repeat,
    step,
)
from durable.testing import advance, assert_completed, drain, isolate_workflows, run, time_travel


class BlockTests(TestCase):
    def test_branches_change_their_own_copies_and_the_changes_are_merged(self) -> None:
        class Dashboard(Workflow):
            @step
            def init(self, data: Any) -> Any:
                return {"id": 1, "n": 0}

            @step
            def user(self, data: Any) -> Any:
                return increment({**data, "user": "kim"}, "n")

            @step
            def orders(self, data: Any) -> Any:
                return increment({**data, "orders": [1]}, "n", 2)

            @step
            def more(self, data: Any) -> Any:
                p = self.wait_for_event("go")
                return {**data, "p": p}

            @step
            def render(self, data: Any) -> Any:
                return {**data, "done": True}

            flow = chain(init, parallel(user, other=chain(orders, more)), render)

        execution = run(Dashboard)
        durable.send_event(execution.id, "go", 7)
        drain()
        assert_completed(execution)
        self.assertEqual(
            execution.data, {"id": 1, "n": 3, "user": "kim", "orders": [1], "p": 7, "done": True}
        )

    def test_a_failed_branch_fails_the_block_and_the_execution(self) -> None:
        class P(Workflow):
            @step
            def a(self, data: Any) -> Any:
                raise Fail("no", type="declined")

            @step
            def b(self, data: Any) -> Any:
                self.wait_for_event("never")

            flow = chain(parallel(a, b))

        execution = run(P)
        self.assertEqual((execution.status, execution.error["type"]), ("failed", "declined"))
        self.assertEqual({c.status for c in execution.children.all()}, {"failed", "cancelled"})

    def test_foreach_counts_every_item_whatever_the_concurrency(self) -> None:
        for concurrency in (1, 3, 50):
            with self.subTest(concurrency=concurrency), isolate_workflows():

                class Campaign(Workflow):
                    @step
                    def send(self, data: Any, item: Any, index: Any) -> Any:
                        return increment({**data, f"k{item}": index}, "sent")

                    @step
                    def after(self, data: Any) -> Any:
                        pass

                    flow = chain(foreach("items", send, concurrency=concurrency), after)

                execution = run(Campaign, {"items": list(range(10))})
                assert_completed(execution)
                self.assertEqual(execution.data["sent"], 10)
                self.assertEqual(execution.data["k7"], 7)

    def test_collects_results_in_order_and_continues_over_failures(self) -> None:
        class Collect(Workflow):
            @step
            def square(self, data: Any, item: Any, index: Any) -> Any:
                if item == 3:
                    raise ValueError("three")
                return item * item

            flow = chain(
                foreach("items", square, concurrency=2, collect_as="results", on_error="continue")
            )

        execution = run(Collect, {"items": [1, 2, 3, 4]})
        assert_completed(execution)
        self.assertEqual(execution.data["results"], [1, 4, None, 16])
        self.assertEqual(execution.data["square"]["failed"], 1)

    def test_repeat_until(self) -> None:
        class R(Workflow):
            @step
            def up(self, data: Any) -> Any:
                return {**data, "n": data["n"] + 1}

            @step
            def end(self, data: Any) -> Any:
                return {**data, "end": 1}

            flow = chain(repeat(up, until=lambda data: data["n"] >= 4), end)

        execution = run(R, {"n": 0})
        assert_completed(execution)
        self.assertEqual(execution.data, {"n": 4, "end": 1})

    def test_catch_undoes_its_inside_and_runs_the_handler_with_the_data_before(self) -> None:
        undone: list[Any] = []

        class C(Workflow):
            @step
            def before(self, data: Any) -> Any:
                return {"a": 1}

            @step
            def reserve(self, data: Any) -> Any:
                return {**data, "reserved": True}

            @reserve.compensate
            def release(self, data: Any) -> Any:
                undone.append(data)

            @step
            def charge(self, data: Any) -> Any:
                raise Fail("x", type="card_declined")

            @step
            def handle(self, data: Any) -> Any:
                return {**data, "handled": data["error"]["type"]}

            flow = chain(before, catch(chain(reserve, charge), {"card_declined": handle}))

        execution = run(C)
        assert_completed(execution)
        self.assertEqual(undone, [{"a": 1, "reserved": True}])
        self.assertEqual(execution.data["handled"], "card_declined")
        self.assertNotIn("reserved", execution.data)

    def test_a_failed_saga_is_compensated_newest_first(self) -> None:
        undone: list[Any] = []

        class Trip(Workflow):
            @step
            def flight(self, data: Any) -> Any:
                return {**data, "flight": 1}

            @flight.compensate
            def cancel_flight(self, data: Any) -> Any:
                undone.append(("flight", self.error["message"]))

            @step
            def hotel(self, data: Any) -> Any:
                return {**data, "hotel": 1}

            @hotel.compensate
            def cancel_hotel(self, data: Any) -> Any:
                self.sleep(days(1))
                undone.append(("hotel", data))

            @step
            def charge(self, data: Any) -> Any:
                raise ValueError("declined")

        with time_travel():
            execution = run(Trip)
            self.assertEqual(execution.status, "compensating")
            advance(days=1)
            execution.refresh_from_db()
        self.assertEqual(execution.status, "compensated")
        self.assertEqual(undone, [("hotel", {"flight": 1, "hotel": 1}), ("flight", "declined")])
        self.assertEqual(execution.error["type"], "ValueError")

    def test_call_workflow_returns_the_childs_data_or_raises_child_failed(self) -> None:
        class Child(Workflow):
            @step
            def one(self, data: Any) -> Any:
                if data.get("bad"):
                    raise ValueError("bad")
                return {"r": data["x"] * 2}

        class Parent(Workflow):
            @step
            def go(self, data: Any) -> Any:
                try:
                    result = self.call_workflow(Child, {"x": 4, "bad": data.get("bad")})
                except ChildFailed as error:
                    return {"failed": error.error["type"]}
                started = self.start_workflow(Child, {"x": 1})
                return {"r": result["r"], "started": started}

        execution = run(Parent)
        assert_completed(execution)
        self.assertEqual(execution.data["r"], 8)
        self.assertEqual(durable.get_execution(execution.data["started"]).data, {"r": 2})
        execution = run(Parent, {"bad": True})
        assert_completed(execution)
        self.assertEqual(execution.data, {"failed": "ValueError"})

    def test_cancel_with_compensate_stops_branches_first(self) -> None:
        undone: list[Any] = []

        class P(Workflow):
            @step
            def a(self, data: Any) -> Any:
                return {**data, "a": 1}

            @a.compensate
            def un_a(self, data: Any) -> Any:
                undone.append("a")

            @step
            def b(self, data: Any) -> Any:
                self.wait_for_event("never")

            flow = chain(parallel(a, b))

        execution = run(P)
        durable.cancel(execution.id, "stop", compensate=True)
        drain()
        execution.refresh_from_db()
        self.assertEqual((execution.status, undone), ("compensated", ["a"]))
