"""A child that can't be started fails the step that asks for it, like any error of its body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from durable import Workflow, WorkflowMeta, call_workflow, catch, chain, step
from durable.models import Execution
from durable.testing import assert_completed, run
from tests.cases import ThreadedTestCase, WorkflowTestCase


class Unprintable:
    """A key without a text."""

    def __str__(self) -> str:
        raise ValueError("no text")


KEYS: dict[str, Callable[[Any], Any] | str] = {
    "raises": lambda input: input["order"]["id"],
    "is too long": lambda input: "x" * 300,
    "is empty": lambda input: "",
    "can't be stored": lambda input: "a\0b",
    "has no text": lambda input: Unprintable(),
    "is no text, by name": "long",
}
INPUT = {"order": 1, "long": "x" * 300}


def keyed(how: Callable[[Any], Any] | str) -> type[Workflow]:
    """A child whose key is told in this way."""

    class Keyed(Workflow):
        class Meta(WorkflowMeta):
            key = how if isinstance(how, str) else staticmethod(how)

        @step
        def only(self, data):
            pass

    return Keyed


class ChildRefusals:
    """What the body is told, whichever way it asks."""

    def assertRefused(self: Any, parent: type[Workflow]) -> None:
        """The parent fails with an error of the library, and there is no child."""
        execution = run(parent)
        execution.refresh_from_db()
        self.assertEqual((execution.status, execution.recoveries), ("failed", 0), execution.error)
        self.assertEqual(execution.steps.get(status="failed").error["type"], self.types)
        self.assertFalse(Execution.objects.filter(parent=execution))

    def test_a_key_that_cant_be_told_fails_the_step(self: Any) -> None:
        for what, how in KEYS.items():
            child = keyed(how)
            self.types = "NotSerializable" if "stored" in what else "DurableError"

            class Calls(Workflow):
                @step
                def one(self, data, child=child):
                    self.call_workflow(child, INPUT)

            class Starts(Workflow):
                @step
                def one(self, data, child=child):
                    self.start_workflow(child, INPUT)

            class StartsUnfenced(Workflow):
                @step(atomic=False)
                def one(self, data, child=child):
                    self.start_workflow(child, INPUT)

            class StartsAsync(Workflow):
                @step
                async def one(self, data, child=child):
                    await self.astart_workflow(child, INPUT)

            class Stands(Workflow):
                flow = chain(call_workflow(child, lambda data: INPUT))

            for parent in (Calls, Starts, StartsUnfenced, StartsAsync, Stands):
                with self.subTest(what, parent=parent.__name__):
                    self.assertRefused(parent)

    def test_a_name_that_is_too_long_fails_the_step(self: Any) -> None:
        self.types = "DurableError"
        child = keyed(lambda input: "k")
        for atomic in (True, False):

            class Starts(Workflow):
                @step(atomic=atomic)
                def one(self, data, child=child):
                    self.start_workflow(child, INPUT, ref="x" * 300)

            with self.subTest(atomic=atomic):
                self.assertRefused(Starts)


class ChildRefusalTests(ChildRefusals, WorkflowTestCase):
    def test_the_body_may_catch_it_and_so_may_the_flow(self) -> None:
        child = keyed(KEYS["raises"])

        class Careful(Workflow):
            @step
            def one(self, data):
                try:
                    self.start_workflow(child, INPUT)
                except Exception as error:
                    return {"refused": type(error).__name__}

        class Catches(Workflow):
            @step
            def one(self, data):
                self.call_workflow(child, INPUT)

            @step
            def other(self, data):
                return {"refused": data["error"]["type"]} if "error" in data else {"refused": "yes"}

            flow = catch(one, {Exception: other})

        for parent in (Careful, Catches):
            execution = run(parent)
            assert_completed(execution)
            self.assertIn("refused", execution.result)


class CommittingChildRefusalTests(ChildRefusals, ThreadedTestCase):
    """The same where transactions really commit."""
