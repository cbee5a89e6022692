"""People are asked for text, choices and forms; the step gets what was validated."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django import forms

import durable
from durable import InvalidInput, Workflow, days, step
from durable.models import AuditEntry, Execution, Wait
from durable.testing import assert_completed, assert_waiting_for, drain, run
from tests.cases import WorkflowTestCase


class ContractForm(forms.Form):
    title = forms.CharField(max_length=20)
    begins = forms.DateField()
    total = forms.DecimalField(required=False)

    def clean_title(self) -> str:
        return str(self.cleaned_data["title"]).upper()


class QuestionTests(WorkflowTestCase):
    def asked(self, ask: Any) -> Execution:
        class P(Workflow):
            forms = {"contract": ContractForm}

            @step
            def one(self, data):
                return {"got": ask(self)}

        execution = run(P)
        assert_waiting_for(execution, input="q")
        return execution

    def got(self, ask: Any, answer: Any) -> Any:
        execution = self.asked(ask)
        self.assertEqual(durable.provide_input(execution.id, "q", answer).pk, execution.pk)
        drain()
        assert_completed(execution)
        return execution.result["got"]

    def refused(self, ask: Any, answer: Any) -> dict[str, Any]:
        execution = self.asked(ask)
        with self.assertRaises(InvalidInput) as caught:
            durable.provide_input(execution.id, "q", answer)
        wait = Wait.objects.get(execution=execution)
        self.assertEqual((wait.status, wait.answer), ("open", None))
        self.assertEqual((wait.by_name, drain()), ("", 0))
        assert_waiting_for(execution, input="q")
        self.assertFalse(AuditEntry.objects.filter(execution_id=execution.pk).exists())
        self.assertTrue(all(caught.exception.errors.values()))
        return caught.exception.errors

    def test_text(self) -> None:
        for ask in (lambda s: s.wait_for_text("q"), lambda s: s.wait_for_input("q")):
            self.assertEqual(self.got(ask, "Zoë"), "Zoë")
            for bad in ("", None, 5, ["x"], {"a": 1}):
                self.refused(ask, bad)

    def test_typed_inputs(self) -> None:
        for kind, answer, wanted in [
            ("integer", 5, 5),
            ("integer", "5", 5),
            ("number", "1.50", Decimal("1.50")),
            ("boolean", False, False),
            ("boolean", "yes", True),
            ("date", "2025-03-01", date(2025, 3, 1)),
            ("datetime", "2025-03-01T12:00:00Z", datetime(2025, 3, 1, 12, tzinfo=UTC)),
            ("email", "a@b.de", "a@b.de"),
        ]:
            with self.subTest(kind=kind, answer=answer):
                found = self.got(lambda s, kind=kind: s.wait_for_input("q", kind), answer)
                self.assertEqual((found, type(found)), (wanted, type(wanted)))
        for kind, bad in [
            ("integer", "x"),
            ("integer", True),
            ("integer", 1.5),
            ("number", "NaN"),
            ("boolean", "maybe"),
            ("date", 5),
            ("date", "yesterday"),
            ("email", "a"),
        ]:
            self.refused(lambda s, kind=kind: s.wait_for_input("q", kind), bad)

    def test_a_choice_is_one_of_the_values(self) -> None:
        def ask(self: Any) -> Any:
            return self.wait_for_choice("q", choices=["a", ("b", "Label of b"), (3, "Three")])

        for answer, wanted in [("a", "a"), ("b", "b"), (3, 3), ("3", 3)]:
            self.assertEqual(self.got(ask, answer), wanted)
        for bad in ("Label of b", "c", 4, None, "", ["a"], {"a": "a"}, True):
            self.refused(ask, bad)

    def test_multiple_is_a_list_of_values(self) -> None:
        def ask(self: Any) -> Any:
            return self.wait_for_choice("q", choices=[1, 2, 3], multiple=True)

        self.assertEqual(self.got(ask, [3, 1]), [3, 1])
        for bad in (1, [4], [1, 1], []):
            self.refused(ask, bad)

    def test_choices_in_wait_for_input_make_it_a_choice(self) -> None:
        def ask(self: Any) -> Any:
            return self.wait_for_input("q", choices=["a", "b"])

        self.assertEqual(self.got(ask, "b"), "b")
        self.refused(ask, "c")

    def test_a_form_of_fields_is_a_dict(self) -> None:
        def ask(self: Any) -> Any:
            return self.wait_for_form(
                "q",
                fields=[
                    {"name": "city"},
                    {"name": "size", "type": "integer", "required": False},
                    {"name": "colour", "type": "choice", "choices": ["red", ("blue", "Blue")]},
                    {"name": "when", "type": "date", "label": "When?", "help_text": "a day"},
                ],
            )

        answer = {"city": "Ulm", "colour": "blue", "when": "2025-03-01"}
        wanted = {"city": "Ulm", "size": None, "colour": "blue", "when": date(2025, 3, 1)}
        self.assertEqual(self.got(ask, answer), wanted)
        errors = self.refused(ask, {"city": "", "size": "x", "colour": "green", "more": 1})
        self.assertEqual(set(errors), {"city", "size", "colour", "when", "more"})
        self.assertEqual(set(self.refused(ask, {})), {"city", "colour", "when"})
        for bad in ("text", []):
            self.assertEqual(set(self.refused(ask, bad)), {"__all__"})

    def test_a_form_of_the_class_gives_its_cleaned_data(self) -> None:
        for ask in (
            lambda s: s.wait_for_form("q", form="contract"),
            lambda s: s.wait_for_input("q", form="contract"),
        ):
            found = self.got(ask, {"title": "deal", "begins": "2025-03-01", "total": "1.5"})
            wanted = {"title": "DEAL", "begins": date(2025, 3, 1), "total": Decimal("1.5")}
            self.assertEqual(found, wanted)
            errors = self.refused(ask, {"title": "x" * 21, "begins": "soon"})
            self.assertEqual(set(errors), {"title", "begins"})

    def test_a_form_that_the_class_lacks_fails_the_step(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.wait_for_form("q", form="contract")

        self.assertFailed(run(P), "DefinitionError", "contract")

    def test_what_is_asked_is_on_record(self) -> None:
        execution = self.asked(
            lambda s: s.wait_for_choice(
                "q",
                choices=[("a", "A")],
                prompt="Which?",
                metadata={"hint": (1, 2)},
                due=days(1),
                remind=days(2),
                assignees="user:kim",
            )
        )
        wait = execution.waits.get()
        self.assertEqual(wait.question["prompt"], "Which?")
        self.assertEqual(wait.question["choices"], [["a", "A"]])
        self.assertEqual(wait.question["metadata"], {"hint": (1, 2)})
        self.assertEqual(wait.assignees, ["user:kim"])
        self.assertEqual(wait.due_at - wait.opened_at, days(1))
        self.assertEqual(wait.question["remind"], days(2).total_seconds())

    def test_a_question_that_cant_be_asked_fails_the_step(self) -> None:
        for call in (
            lambda s: s.wait_for_choice("q", choices=[]),
            lambda s: s.wait_for_choice("q", choices="abc"),
            lambda s: s.wait_for_form("q"),
            lambda s: s.wait_for_form("q", fields=[]),
            lambda s: s.wait_for_form("q", fields=[{"name": "a", "type": "txt"}]),
            lambda s: s.wait_for_input("q", "txt"),
            lambda s: s.wait_for_text(""),
            lambda s: s.wait_for_text(5),
            lambda s: s.wait_for_text("q", promt="?"),
            lambda s: s.wait_for_approval("q", quorum=0),
        ):

            class P(Workflow):
                @step
                def one(self, data, call=call):
                    call(self)

            execution = run(P)
            execution.refresh_from_db()
            self.assertEqual(execution.status, "failed")
        self.assertFalse(Wait.objects.exists())

    def test_two_questions_of_one_name_are_answered_one_after_the_other(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {"got": [self.wait_for_text("q"), self.wait_for_text("q")]}

        execution = run(P)
        for answer in ("a", "b"):
            assert_waiting_for(execution, input="q")
            durable.provide_input(execution.id, "q", answer)
            drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": ["a", "b"]})
