"""The assertions of the kit: what they find, and what they say if they do not."""

from __future__ import annotations

from typing import Any

import durable
from durable import Data, Workflow, hours, step
from durable.testing import assert_completed, assert_step, assert_waiting_for, drain, run
from tests.cases import WorkflowTestCase


class AssertionTests(WorkflowTestCase):
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

    def said(self, call: Any, *words: str) -> None:
        with self.assertRaises(AssertionError) as caught:
            call()
        for word in words:
            self.assertIn(word, str(caught.exception))

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
