"""Standing in for a step, and calling one directly."""

from __future__ import annotations

from typing import Any

import durable
from durable import Data, Workflow, branch, chain, step
from durable.testing import advance, assert_completed, replace_step, run, time_travel
from tests.cases import WorkflowTestCase


class ReplaceTests(WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()

        class Order(Workflow):
            @step
            def decide(self, data: Data) -> Data:
                return {**data, "kind": data["kind"]}

            @step(atomic=False, retry=2)
            def charge(self, data: Data) -> Data:
                raise AssertionError("the real one")

            @step(atomic=False)
            async def notify(self, data: Data) -> Data:
                raise AssertionError("the real one")

            flow = chain(decide, branch(on="kind", cases={"paid": chain(charge, notify)}))

        self.order = Order

    def test_a_fake_stands_in_also_in_branches_sync_and_async_and_is_gone_afterwards(self) -> None:
        def charge(self: Any, data: Data) -> Data:
            return {**data, "charged": self.attempt}

        async def notify(self: Any, data: Data) -> Data:
            return {**data, "notified": True}

        with replace_step(self.order, "charge", charge), replace_step(self.order, "notify", notify):
            execution = run(self.order, {"kind": "paid"})
        assert_completed(execution)
        self.assertEqual(execution.result, {"kind": "paid", "charged": 1, "notified": True})
        self.assertEqual(run(self.order, {"kind": "paid"}).status, "pending")

    def test_the_step_keeps_its_options(self) -> None:
        seen = []

        def charge(self: Any, data: Data) -> None:
            seen.append(self.attempt)
            raise ValueError

        with time_travel(), replace_step(self.order, "charge", charge):
            execution = run(self.order, {"kind": "paid"})
            advance(hours=1)
        execution.refresh_from_db()
        self.assertEqual((execution.status, seen), ("failed", [1, 2]))

    def test_fakes_nest_and_are_restored_after_an_error(self) -> None:
        outer, inner = (lambda self, data, n=n: {"n": n, "kind": ""} for n in (1, 2))
        original = self.order.definition.steps["decide"].function
        with replace_step(self.order, "decide", outer):
            with self.assertRaises(ZeroDivisionError), replace_step(self.order, "decide", inner):
                self.assertEqual(run(self.order).result["n"], 2)
                raise ZeroDivisionError
            self.assertEqual(run(self.order).result["n"], 1)
        self.assertIs(self.order.definition.steps["decide"].function, original)

    def test_of_a_subclass_only(self) -> None:
        class Special(self.order):  # type: ignore[misc, name-defined]
            pass

        with replace_step(Special, "decide", lambda self, data: {"kind": "x", "fake": True}):
            self.assertEqual(run(Special, {"kind": "x"}).result, {"kind": "x", "fake": True})
            self.assertEqual(run(self.order, {"kind": "x"}).result, {"kind": "x"})

    def test_what_can_t_be_replaced_is_said(self) -> None:
        async def fake(self: Any, data: Data) -> None: ...

        with (
            self.assertRaises(durable.DurableError) as caught,
            replace_step(self.order, "chrage", lambda self, data: data),
        ):
            pass
        for word in ("chrage", "charge", "notify"):
            self.assertIn(word, str(caught.exception))
        with (
            self.assertRaisesRegex(durable.DurableError, "async"),
            replace_step(self.order, "charge", fake),
        ):
            pass


class DirectTests(WorkflowTestCase):
    """A step is a plain method."""

    def test_called_directly_on_a_bare_instance_or_a_stub(self) -> None:
        class Mixed(Workflow):
            @step
            def plain(self, data: Data) -> Data:
                return {"sum": sum(data["items"])}

            @step
            def ask(self, data: Data) -> Data:
                return {**self.input, "ok": bool(self.wait_for_approval("manager"))}

        self.assertEqual(Mixed().plain({"items": [1, 2]}), {"sum": 3})
        with self.assertRaises(durable.NotInExecution):
            Mixed().ask({})
        stub = Mixed.stub(input={"n": 1}, answers={"manager": "approved"})
        self.assertEqual(stub.ask({}), {"n": 1, "ok": True})
