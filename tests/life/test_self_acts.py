"""What a step does through ``self``: nothing is kept on it, progress and tags are shown."""

from __future__ import annotations

from typing import Any

import durable
from durable import (
    NotInExecution,
    Workflow,
    branch,
    chain,
    step,
)
from durable.testing import assert_completed, drain, run
from tests.cases import WorkflowTestCase


def helper() -> Any:
    """Code far from any step."""
    return durable.current()


class AssignmentTests(WorkflowTestCase):
    def test_attributes_cant_be_assigned(self) -> None:
        for name in ("total", "input", "attempt", "id", "_context", "one"):

            class P(Workflow):
                @step
                def one(self, data, name=name):
                    setattr(self, name, 1)

            with self.subTest(name):
                error = self.assertFailed(run(P), "AttributeError")
                self.assertIn(name, error["message"])

    def test_nor_deleted(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                del self._context

        self.assertFailed(run(P), "AttributeError")


class CurrentTests(WorkflowTestCase):
    def test_current_is_the_running_self_for_code_far_away_and_none_outside(self) -> None:
        found: list[Any] = []

        class P(Workflow):
            @step
            def one(self, data):
                found.append(helper() is self)
                return {"id": str(helper().id)}

        self.assertIsNone(helper())
        execution = run(P)
        self.assertEqual(found, [True])
        self.assertEqual(execution.result, {"id": str(execution.id)})
        self.assertIsNone(helper())

    def test_a_wait_can_be_asked_for_through_it(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {"got": helper().wait_for_event("go")}

        execution = run(P)
        self.assertIsNone(helper())
        durable.send_event(execution.id, "go", 5)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": 5})


class PlainCallTests(WorkflowTestCase):
    def test_calling_a_step_from_a_step_is_a_plain_method_call(self) -> None:
        class P(Workflow):
            @step(retry=5)
            def one(self, data):
                got = self.two([1, 2])  # no data, no record, no retry of its own
                return {"got": got, "attempt": self.attempt}

            @step(retry=5)
            def two(self, data):
                return sum(data)

            flow = chain(one, branch(on="never", cases={1: two}))

        execution = run(P)
        self.assertEqual(execution.result, {"got": 3, "attempt": 1})
        self.assertEqual([row.path for row in execution.steps], ["one"])

    def test_on_a_bare_instance_steps_are_plain_too_and_the_rest_needs_an_execution(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {**data, "one": 1}

        self.assertEqual(P().one({}), {"one": 1})
        for name in ("id", "input", "attempt", "execution", "idempotency_key", "deadline"):
            with self.assertRaisesRegex(NotInExecution, name):
                getattr(P(), name)


class WritingTests(WorkflowTestCase):
    def test_progress_is_shown_and_the_last_one_counts(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.heartbeat(progress=1)
                self.heartbeat(progress={"done": 2, "of": 3})
                self.heartbeat()

        self.assertEqual(run(P).progress, {"done": 2, "of": 3})

    def test_progress_and_tags_are_kept_when_the_step_waits_or_fails(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.heartbeat(progress="asking")
                self.set_tags(state="asking")
                self.wait_for_event("go")
                self.heartbeat(progress="failing")
                self.set_tags(state="failing")
                raise ValueError

        execution = run(P, tags={"tenant": "acme"})
        self.assertEqual(execution.progress, "asking")
        self.assertEqual(execution.tags, {"tenant": "acme", "state": "asking"})
        durable.send_event(execution.id, "go")
        drain()
        self.assertFailed(execution, "ValueError")
        self.assertEqual(execution.progress, "failing")
        self.assertEqual(execution.tags, {"tenant": "acme", "state": "failing"})

    def test_tags_find_the_execution(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.set_tags(tenant=data["tenant"], big=True)
                self.set_tags(again=None)

        found = [run(P, {"tenant": name}) for name in ("a", "b")]
        self.assertEqual(
            list(durable.list_executions(tags={"tenant": "b", "big": True})), found[1:]
        )
