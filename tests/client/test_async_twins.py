"""Every call has an async twin, which does the same."""

from __future__ import annotations

import inspect

from asgiref.sync import sync_to_async

import durable
from durable import Data, Workflow, client, step
from durable.testing import drain
from tests.cases import WorkflowTestCase


class TwinTests(WorkflowTestCase):
    def test_each_public_function_has_one_with_the_same_signature(self) -> None:
        calls = [name for name in client.__all__ if not name.startswith("a")]
        calls.remove("wait_for_result")
        self.assertGreater(len(calls), 10)
        for name in [*calls, "wait_for_result"]:
            twin = getattr(durable, f"a{name}")
            self.assertTrue(inspect.iscoroutinefunction(twin), name)
            self.assertEqual(inspect.signature(twin), inspect.signature(getattr(durable, name)))
            self.assertEqual(twin.__name__, f"a{name}")

    async def test_a_life_by_twins(self) -> None:
        class Asking(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                return {"name": self.wait_for_text("name"), "go": self.wait_for_event("go")}

        work = sync_to_async(drain)
        execution = await durable.astart(Asking, {}, keys=["k"])
        await work()
        await durable.apause(execution.id)
        await durable.aresume(execution.id)
        await durable.areassign(execution.id, "name", to="user:kim")
        await durable.aprovide_input(execution.id, "name", "lee")
        await durable.apublish_event("go", 1, key="k")
        await work()
        found = await durable.aget_execution(execution.id)
        self.assertEqual(found.result, {"name": "lee", "go": 1})
        again = await durable.arerun(execution.id)
        await durable.asend_event(again.id, "other")
        await durable.acancel(again.id, "enough")
        with self.assertRaises(durable.InvalidTransition):
            await durable.aretry(again.id)
        many = await durable.astart_many(Asking, [{}, {}])
        self.assertEqual(len(many), 2)
        listed = [one async for one in await durable.alist_executions(Asking, status="pending")]
        self.assertEqual(len(listed), 2)
