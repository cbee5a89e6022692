"""What ``Meta`` and ``start`` say about name, queue, priority and defaults holds when it runs."""

from __future__ import annotations

from typing import Any

import durable
from durable import Workflow, WorkflowMeta, append, assign, chain, hours, increment, step, update
from durable.models import Execution, Queue
from durable.testing import advance, assert_completed, drain, run, time_travel
from tests.cases import WorkflowTestCase


class QueueTests(WorkflowTestCase):
    def test_meta_queue_and_that_of_start(self) -> None:
        class P(Workflow):
            class Meta(WorkflowMeta):
                queue = "slow"

            @step
            def one(self, data):
                return {"queue": self.execution.queue}

        self.assertEqual(run(P).result, {"queue": "slow"})
        self.assertEqual(run(P, queue="fast").result, {"queue": "fast"})

    def test_default_is_the_name_of_the_default_queue(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                pass

        self.assertEqual(durable.start(P).queue, "default")

    def test_from_a_paused_queue_nothing_is_taken(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                pass

        Queue.objects.create(name="default", paused=True)
        waits, runs = run(P), run(P, queue="other")
        assert_completed(runs)
        self.assertEqual(waits.status, "pending")
        Queue.objects.update(paused=False)
        drain()
        assert_completed(waits)


class PriorityTests(WorkflowTestCase):
    def test_higher_goes_first_then_the_older(self) -> None:
        order: list[str] = []

        class P(Workflow):
            @step
            def one(self, data):
                order.append(data["name"])

        class Urgent(P):
            class Meta(WorkflowMeta):
                priority = 5

        durable.start(P, {"name": "a"})
        durable.start(P, {"name": "b"}, priority=9)
        durable.start(Urgent, {"name": "c"})
        durable.start(P, {"name": "d"}, priority=-1)
        durable.start(P, {"name": "e"}, priority=5)
        durable.start(P, {"name": "f"})
        drain()
        self.assertEqual(order, ["b", "c", "e", "a", "f", "d"])
        self.assertEqual(Execution.objects.get(workflow="urgent").priority, 5)

    def test_it_holds_for_what_wakes_up_too(self) -> None:
        order: list[str] = []

        class P(Workflow):
            @step
            def one(self, data):
                self.sleep(hours(1))
                order.append(data["name"])

        with time_travel():
            durable.start(P, {"name": "a"})
            durable.start(P, {"name": "b"}, priority=1)
            advance(hours=1)
        self.assertEqual(order, ["b", "a"])


class NameTests(WorkflowTestCase):
    def test_the_name_is_the_class_name_in_snake_case_or_that_of_meta(self) -> None:
        class HTTPImport(Workflow):
            @step
            def one(self, data):
                pass

        class Other(Workflow):
            class Meta(WorkflowMeta):
                name = "process_order"

            @step
            def one(self, data):
                pass

        assert_completed(run("http_import"))
        assert_completed(run("process_order"))
        found = list(durable.list_executions(workflow=Other))
        self.assertEqual([row.workflow for row in found], ["process_order"])

    def test_meta_needs_no_base(self) -> None:
        class P(Workflow):
            class Meta:
                name = "plain"
                priority = 3

            @step
            def one(self, data):
                pass

        self.assertEqual(run("plain").priority, 3)

    def test_a_step_name_is_its_path(self) -> None:
        class P(Workflow):
            @step(name="charge card")
            def one(self, data):
                pass

            flow = chain(one, one.named("again"))

        paths = [row.path for row in run(P).steps]
        self.assertEqual(paths, ["charge card", "again"])


class HelperTests(WorkflowTestCase):
    def test_the_data_helpers_return_new_data_that_is_stored(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                data = assign(data, "a", 1)
                data = assign(data, b=2, c=3)
                data = assign(data, {"d": 4})
                data = update(data, "e", 5, lambda value: value + 1)
                data = update(data, "e", 5, lambda value: value + 1)
                data = append(data, "list", "x")
                data = append(data, "list", "y")
                data = increment(data, "n")
                return increment(data, "n", 2)

            @step
            def two(self, data):
                data = increment({**data}, "n")
                return {**append(data, "list", "z"), "n type": type(data["n"]).__name__}

        execution = run(P)
        assert_completed(execution)
        wanted: dict[str, Any] = {"a": 1, "b": 2, "c": 3, "d": 4, "e": 6}
        found = dict(execution.result)
        found.pop("n type")
        self.assertEqual(found, {**wanted, "list": ["x", "y", "z"], "n": 4})

    def test_a_plain_assignment_supersedes_an_increment(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {**increment(data, "n", 5), "n": 1}

            @step
            def two(self, data):
                return increment(data, "n")

        self.assertEqual(run(P, {"n": 10}).result, {"n": 2})
