"""What this release parses but does not execute is refused at the start, feature by feature."""

from __future__ import annotations

from typing import Any

import durable
from durable import (
    Cron,
    NotYetSupported,
    OnEvent,
    Workflow,
    WorkflowMeta,
    branch,
    call_workflow,
    catch,
    chain,
    foreach,
    parallel,
    repeat,
    step,
)
from durable.models import Execution
from durable.testing import drain, run
from tests.engine.cases import EngineTestCase


class Base(Workflow):
    class Meta:
        abstract = True

    @step
    def a(self, data, item=None, index=None):
        pass

    @step
    def b(self, data):
        pass


class Child(Workflow):
    class Meta:
        abstract = True

    @step
    def one(self, data):
        pass


class NotYetTests(EngineTestCase):
    def assertRefused(self, workflow: type[Workflow], feature: str) -> None:
        for call in (
            lambda: durable.start(workflow, {}, idempotency_key="k"),
            lambda: durable.start(workflow.definition.name),
            lambda: durable.start_many(workflow, [{}, {}]),
            lambda: run(workflow),
        ):
            with self.assertRaisesRegex(NotYetSupported, feature) as caught:
                call()
            self.assertIn(workflow.definition.name, str(caught.exception))
        self.assertFalse(Execution.objects.exists())

    def flowing(self, node: Any) -> type[Workflow]:
        class P(Base):
            flow = node

        return P

    def test_parallel(self) -> None:
        self.assertRefused(self.flowing(parallel(Base.a, Base.b)), "parallel")

    def test_foreach(self) -> None:
        self.assertRefused(self.flowing(foreach("items", Base.a)), "foreach")

    def test_repeat(self) -> None:
        self.assertRefused(self.flowing(repeat(Base.a, until="done")), "repeat")

    def test_catch(self) -> None:
        self.assertRefused(self.flowing(catch(Base.a, {"x": Base.b})), "catch")

    def test_one_that_is_deep_in_a_branch(self) -> None:
        node = chain(Base.a, branch(on="x", cases={1: chain(Base.b, parallel(Base.a))}))
        self.assertRefused(self.flowing(node), "parallel")

    def test_several_are_all_named(self) -> None:
        node = chain(parallel(Base.a), repeat(Base.b, until="done"))
        self.assertRefused(self.flowing(node), "parallel, repeat")

    def test_compensation(self) -> None:
        class P(Workflow):
            @step
            def a(self, data):
                pass

            @a.compensate
            def undo(self, data):
                pass

        self.assertRefused(P, "compensation")

    def test_a_standing_call_of_another_workflow(self) -> None:
        self.assertRefused(self.flowing(chain(Base.a, call_workflow("other"))), "call_workflow")

    def test_schedules(self) -> None:
        class P(Base):
            class Meta(WorkflowMeta):
                schedules = [Cron("0 9 * * *")]

        self.assertRefused(P, "schedules")

    def test_triggers(self) -> None:
        class P(Base):
            class Meta(WorkflowMeta):
                triggers = [OnEvent("user.signed_up")]

        self.assertRefused(P, "triggers")

    def test_on_failure(self) -> None:
        class P(Base):
            class Meta(WorkflowMeta):
                on_failure = "hold"

        self.assertRefused(P, "on_failure")

    def test_calls_of_children_in_a_step_fail_the_step_at_once(self) -> None:
        class Other(Child):
            pass

        for call in (
            lambda self: self.call_workflow(Other, {}),
            lambda self: self.start_workflow(Other, {}),
        ):

            class P(Workflow):
                @step(retry=5)
                def one(self, data, call=call):
                    call(self)

            execution = run(P)
            self.assertFailed(execution, "NotYetSupported", "_workflow")
            self.assertEqual(execution.steps.count(), 1)
        drain()
        self.assertFalse(Execution.objects.filter(workflow="other").exists())

    def test_a_workflow_without_them_starts(self) -> None:
        self.assertEqual(run(self.flowing(chain(Base.a, Base.b))).status, "completed")
