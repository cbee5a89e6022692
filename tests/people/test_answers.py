"""What people may answer.

Defect 27 of the original.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.test import TestCase

import durable
from durable import Data, Workflow, step
from durable.errors import InvalidInput
from durable.models import Execution, Wait
from durable.testing import assert_completed, run
from tests.stage import (
    drain,
)


class AnswerTests(TestCase):
    """27: people's answers were not validated; they are, per field, nothing stored on error."""

    def refused(self, execution: Execution, name: str, answer: Any) -> dict[str, list[str]]:
        """The messages of a refusal that has left nothing behind."""
        with self.assertRaises(InvalidInput) as caught:
            durable.provide_input(execution.id, name, answer)
        self.assertEqual(drain(), 0)
        wait = Wait.objects.get(name=name)
        self.assertEqual((wait.status, wait.answer, wait.by_name), ("open", None, ""))
        errors: dict[str, list[str]] = caught.exception.errors
        return errors

    def test_an_answer_that_is_no_choice_is_refused(self) -> None:
        class Choose(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                return {"size": self.wait_for_choice("size", choices=["s", "m"])}

        execution = run(Choose)
        for wrong in ("xl", None, 1, ["s"], {"s": "s"}):
            with self.subTest(wrong=wrong):
                self.assertTrue(self.refused(execution, "size", wrong))
        durable.provide_input(execution.id, "size", "m")
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"size": "m"})

    def test_a_form_names_each_field_that_is_wrong(self) -> None:
        class Fill(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                fields = [
                    {"name": "email", "type": "email"},
                    {"name": "age", "type": "integer"},
                    {"name": "plan", "type": "choice", "choices": ["a", "b"], "required": False},
                ]
                return self.wait_for_form("details", fields=fields)

        execution = run(Fill)
        wrong = {"email": "nobody", "age": "old", "plan": "z", "extra": 1}
        self.assertEqual(set(self.refused(execution, "details", wrong)), set(wrong))
        self.assertEqual(set(self.refused(execution, "details", {})), {"email", "age"})
        durable.provide_input(execution.id, "details", {"email": "kim@example.com", "age": "7"})
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result["age"], 7)

    def test_an_approval_is_approved_or_rejected_and_nothing_else(self) -> None:
        class Approve(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                return {"ok": self.wait_for_approval("manager", timeout=timedelta(days=1))}

        execution = run(Approve)
        for wrong in ("maybe", "", None, 2, {"approved": True}):
            with self.subTest(wrong=wrong):
                self.assertTrue(self.refused(execution, "manager", wrong))
