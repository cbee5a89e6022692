"""Events and answers that are sent to an execution reach the waits of its branches and items."""

from __future__ import annotations

from typing import Any

import durable
from durable import AmbiguousWait, Workflow, chain, foreach, minutes, parallel, step
from durable.models import Execution
from durable.testing import advance, assert_completed, assert_waiting_for, drain, run, time_travel
from tests.cases import WorkflowTestCase


class EventTests(WorkflowTestCase):
    def two(self) -> Execution:
        class W(Workflow):
            @step
            def a(self, data: Any) -> Any:
                return {**data, "a": self.wait_for_event("e")}

            @step
            def b(self, data: Any) -> Any:
                return {**data, "b": self.wait_for_event("e")}

            flow = chain(parallel(a, b))

        return run(W)

    def test_the_oldest_open_wait_of_the_name_comes_first(self) -> None:
        execution = self.two()
        for payload in (1, 2):
            durable.send_event(execution.id, "e", payload)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.data, {"a": 1, "b": 2})

    def test_each_event_is_consumed_once(self) -> None:
        execution = self.two()
        durable.send_event(execution.id, "e", 1)
        drain()
        execution.refresh_from_db()
        self.assertEqual(execution.status, "waiting")
        assert_waiting_for(execution, event="e")

    def test_events_sent_early_are_found_by_branches(self) -> None:
        class W(Workflow):
            @step
            def before(self, data: Any) -> Any:
                self.wait_for_event("start")

            @step
            def a(self, data: Any) -> Any:
                return {**data, "a": self.wait_for_any(["x", "y"])}

            @step
            def b(self, data: Any) -> Any:
                return {**data, "b": self.wait_for_all(["p", "q"])}

            flow = chain(before, parallel(a, b))

        execution = run(W)
        for name in ("p", "y", "q", "start"):
            durable.send_event(execution.id, name, name.upper())
        drain()
        assert_completed(execution)
        self.assertEqual(execution.data, {"a": ("y", "Y"), "b": {"p": "P", "q": "Q"}})

    def test_timeouts_in_branches_take_effect(self) -> None:
        class W(Workflow):
            @step
            def a(self, data: Any) -> Any:
                return {**data, "a": self.wait_for_event("e", timeout=minutes(1), timeout_value=0)}

            @step
            def b(self, data: Any) -> Any:
                self.sleep(minutes(2))
                return {**data, "b": 1}

            flow = chain(parallel(a, b))

        with time_travel():
            execution = run(W)
            advance(minutes=3)
        assert_completed(execution)
        self.assertEqual(execution.data, {"a": 0, "b": 1})

    def test_published_events_reach_a_branch_by_its_key(self) -> None:
        class W(Workflow):
            @step
            def a(self, data: Any) -> Any:
                return {**data, "a": self.wait_for_event("paid", key="order:1")}

            @step
            def b(self, data: Any) -> Any: ...

            flow = chain(parallel(a, b))

        execution = run(W)
        durable.publish_event("paid", 5, key="order:1")
        drain()
        assert_completed(execution)
        self.assertEqual(execution.data["a"], 5)


class InputTests(WorkflowTestCase):
    def asking(self) -> Execution:
        class W(Workflow):
            @step
            def ask(self, data: Any, item: Any, index: int) -> Any:
                return {item: self.wait_for_text("name")}

            flow = chain(foreach("items", ask, concurrency=3, collect_as="r"))

        return run(W, {"items": ["a", "b", "c"]})

    def test_several_open_questions_of_a_name_are_ambiguous_and_listed(self) -> None:
        execution = self.asking()
        with self.assertRaises(AmbiguousWait) as caught:
            durable.provide_input(execution.id, "name", "kim")
        ids = set(execution.children.values_list("id", flat=True))
        self.assertEqual(set(caught.exception.branches), ids)

    def test_branch_tells_them_apart(self) -> None:
        execution = self.asking()
        for child in execution.children.order_by("-index"):
            durable.provide_input(execution.id, "name", f"kim{child.index}", branch=child.id)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.data["r"], [{"a": "kim0"}, {"b": "kim1"}, {"c": "kim2"}])

    def test_the_last_one_open_needs_no_branch(self) -> None:
        execution = self.asking()
        first, second, _ = execution.children.order_by("index")
        durable.provide_input(execution.id, "name", "x", branch=first.id)
        durable.provide_input(execution.id, "name", "y", branch=second.id)
        drain()
        durable.provide_input(execution.id, "name", "z")
        drain()
        assert_completed(execution)
