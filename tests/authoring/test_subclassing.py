"""A subclass runs its base's flow with its own steps, options and callables."""

from __future__ import annotations

from typing import Any

from durable import Retry, Workflow, WorkflowMeta, WorkflowNotFound, branch, chain, seconds, step
from durable.models import Execution
from durable.testing import assert_completed, assert_step, run
from tests.cases import WorkflowTestCase


def trace(data: dict[str, Any], name: str) -> dict[str, Any]:
    return {"trace": [*data.get("trace", []), name]}


class SubclassTests(WorkflowTestCase):
    def traced(self, workflow: type[Workflow], data: Any = None) -> list[str]:
        execution = run(workflow, data)
        assert_completed(execution)
        self.assertEqual([row.name for row in execution.steps], self.names(execution))
        found: list[str] = execution.result["trace"]
        return found

    def names(self, execution: Execution) -> list[str]:
        return [name.partition(" ")[0] for name in execution.result["trace"]]

    def test_an_overridden_step_runs_in_its_place_with_the_options_of_the_base(self) -> None:
        class Base(Workflow):
            @step(retry=Retry(3, base=seconds(0)))
            def a(self, data):
                return trace(data, "a")

            @step
            def b(self, data):
                return trace(data, "b")

        class Sub(Base):
            @step
            def a(self, data):
                if self.attempt < 3:
                    raise ValueError
                return trace(super().a(data), "b of sub")

            @step
            def c(self, data):
                return trace(data, "c")

        self.assertEqual(self.traced(Base), ["a", "b"])
        execution = run(Sub)
        assert_completed(execution)
        self.assertEqual(execution.result["trace"], ["a", "b of sub", "b", "c"])
        assert_step(execution, "a", attempts=3)

    def test_the_inherited_flow_finds_overrides_by_name(self) -> None:
        class Base(Workflow):
            @step
            def a(self, data):
                return trace(data, "a")

            @step
            def b(self, data):
                return trace(data, "b")

            def choose(self, data):
                return "x"

            flow = chain(b, branch(on=choose, cases={"x": a}, default=b), a)

        class Sub(Base):
            @step
            def a(self, data):
                return trace(data, "a of sub")

        class Other(Base):
            def choose(self, data):
                return "y"

        self.assertEqual(self.traced(Base), ["b", "a", "a"])
        self.assertEqual(self.traced(Sub), ["b", "a of sub", "a of sub"])
        self.assertEqual(self.traced(Other), ["b", "b", "a"])

    def test_a_subclass_may_have_a_flow_of_its_own(self) -> None:
        class Base(Workflow):
            @step
            def a(self, data):
                return trace(data, "a")

            @step
            def b(self, data):
                return trace(data, "b")

        class Sub(Base):
            @step
            def c(self, data):
                return trace(data, "c")

            flow = chain("b", c, Base.a)

        self.assertEqual(self.traced(Sub), ["b", "c", "a"])

    def test_meta_options_are_inherited_one_by_one(self) -> None:
        class Base(Workflow):
            class Meta(WorkflowMeta):
                name = "the_base"
                version = 4
                queue = "slow"
                priority = 2
                retry = Retry(2, base=seconds(0))

            @step
            def a(self, data):
                if self.attempt == 1:
                    raise ValueError
                return trace(data, "a")

        class Sub(Base):
            class Meta(WorkflowMeta):
                priority = 7

        execution = run(Sub)
        assert_completed(execution)
        found = (execution.workflow, execution.version, execution.queue, execution.priority)
        self.assertEqual(found, ("sub", 1, "slow", 7))
        assert_step(execution, "a", attempts=2)

    def test_an_abstract_base_cant_be_started(self) -> None:
        class Base(Workflow):
            class Meta(WorkflowMeta):
                abstract = True

            @step
            def a(self, data):
                return trace(data, "a")

        class Sub(Base):
            pass

        for start in (Base, "base"):
            with self.assertRaises(WorkflowNotFound):
                run(start)
        self.assertEqual(self.traced(Sub), ["a"])
