"""Answering questions: what fits, who may, who was first; reassigning."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib.auth.models import User

import durable
from durable import Data, Workflow, hours, step
from durable.models import AuditEntry, Execution, Wait
from durable.testing import advance, assert_completed, assert_waiting_for, drain, run, time_travel
from tests.cases import ThreadedTestCase, WorkflowTestCase, together

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


class ContractForm(forms.Form):
    name = forms.CharField(max_length=10)
    since = forms.DateField()


def define() -> type[Workflow]:
    class Asking(Workflow):
        forms: ClassVar = {"contract": ContractForm}

        @step
        def ask(self, data: Data) -> Data:
            options = dict(data.get("options", {}))
            if data["type"] == "approval":
                answer = self.wait_for_approval("q", **options)
            elif data["type"] == "many":
                answer = self.wait_for_choice("q", multiple=True, **options)
            else:
                answer = self.wait_for_input("q", type=data["type"], **options)
            return {"answer": answer, "type": type(answer).__name__}

    return Asking


FIELDS = [
    {"name": "n", "type": "integer", "label": "N"},
    {"name": "mail", "type": "email"},
    {"name": "why", "type": "text", "required": False},
]


class AnswerTests(WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.workflow = define()

    def asked(self, kind: str, **options: Any) -> Execution:
        execution = run(self.workflow, {"type": kind, "options": options})
        assert_waiting_for(execution, input="q")
        return execution

    def test_a_fitting_answer_is_what_the_step_gets(self) -> None:
        cases: list[tuple[str, dict[str, Any], Any, Any]] = [
            ("text", {}, "hello", "hello"),
            ("number", {}, "1.50", Decimal("1.50")),
            ("integer", {}, 7, 7),
            ("boolean", {}, False, False),
            ("date", {}, "2024-05-01", date(2024, 5, 1)),
            ("email", {}, "a@b.org", "a@b.org"),
            ("choice", {"choices": ["a", "b"]}, "b", "b"),
            ("choice", {"choices": [(1, "one"), (2, "two")]}, 2, 2),
            ("many", {"choices": ["a", "b", "c"]}, ["c", "a"], ["c", "a"]),
            ("form", {"fields": FIELDS}, {"n": "3", "mail": "a@b.org"},
             {"n": 3, "mail": "a@b.org", "why": ""}),
            ("form", {"form": "contract"}, {"name": "x", "since": "2024-05-01"},
             {"name": "x", "since": date(2024, 5, 1)}),
            ("approval", {}, "approved", "approved"),
            ("approval", {}, False, "rejected"),
        ]  # fmt: skip
        for kind, options, answer, expected in cases:
            with self.subTest(kind, answer=answer):
                execution = self.asked(kind, **options)
                returned = durable.provide_input(execution.id, "q", answer)
                self.assertEqual(returned.pk, execution.pk)
                drain()
                assert_completed(execution)
                self.assertEqual(execution.result["answer"], expected)

    def test_what_does_not_fit_has_a_message_per_field_and_nothing_is_stored(self) -> None:
        cases: list[tuple[str, dict[str, Any], Any, set[str]]] = [
            ("text", {}, "", {"__all__"}),
            ("text", {}, 5, {"__all__"}),
            ("number", {}, "NaN", {"__all__"}),
            ("integer", {}, 1.5, {"__all__"}),
            ("integer", {}, True, {"__all__"}),
            ("boolean", {}, "maybe", {"__all__"}),
            ("date", {}, "yesterday", {"__all__"}),
            ("email", {}, "nobody", {"__all__"}),
            ("choice", {"choices": ["a", "b"]}, "c", {"__all__"}),
            ("choice", {"choices": ["a", "b"]}, ["a"], {"__all__"}),
            ("many", {"choices": ["a", "b"]}, ["a", "a"], {"__all__"}),
            ("approval", {}, "maybe", {"__all__"}),
            ("approval", {}, None, {"__all__"}),
            ("form", {"fields": FIELDS}, {"n": "x", "mail": "y"}, {"n", "mail"}),
            ("form", {"fields": FIELDS}, {"n": 1, "mail": "a@b.org", "zip": 1}, {"zip"}),
            ("form", {"fields": FIELDS}, [], {"__all__"}),
            ("form", {"form": "contract"}, {"name": "x" * 11}, {"name", "since"}),
        ]
        for kind, options, answer, fields in cases:
            with self.subTest(kind, answer=repr(answer)[:30]):
                execution = self.asked(kind, **options)
                with self.assertRaises(durable.InvalidInput) as caught:
                    durable.provide_input(execution.id, "q", answer)
                self.assertEqual(set(caught.exception.errors), fields)
                self.assertTrue(all(caught.exception.errors.values()))
                (wait,) = execution.waits.all()
                self.assertEqual((wait.status, wait.answer), ("open", None))
        self.assertFalse(AuditEntry.objects.filter(action="provide_input").exists())

    def test_what_no_database_holds_is_refused_as_everywhere(self) -> None:
        deep: Any = []
        for _ in range(100_000):
            deep = [deep]
        for answer in ("a\0b", "\ud800", "x" * 10_000_000, float("nan"), 1e400, {1: 2}, deep):
            for kind in ("text", "number", "form"):
                options = {"fields": FIELDS} if kind == "form" else {}
                with self.subTest(kind, answer=type(answer).__name__):
                    execution = self.asked(kind, **options)
                    with self.assertRaisesRegex(durable.NotSerializable, "answer"):
                        durable.provide_input(execution.id, "q", answer)
                    self.assertEqual(execution.waits.get().status, "open")

    def test_who_answered_and_the_comment_come_with_the_decision(self) -> None:
        kim = User.objects.create_user("kim")
        execution = self.asked("approval")
        durable.provide_input(execution.id, "q", "approved", by=kim, comment="ok")
        wait = execution.waits.get()
        self.assertEqual((wait.by, wait.by_name, wait.comment), (kim, "kim", "ok"))
        self.assertIsNotNone(wait.resolved_at)

    def test_the_second_answer_is_told_who_was_first_and_changes_nothing(self) -> None:
        kim, lee = (User.objects.create_user(name) for name in ("kim", "lee"))
        execution = self.asked("approval")
        durable.provide_input(execution.id, "q", "approved", by=kim)
        for _ in range(2):  # before it is woken, and after it is finished
            with self.assertRaises(durable.AlreadyAnswered) as caught:
                durable.provide_input(execution.id, "q", "rejected", by=lee)
            self.assertEqual(caught.exception.by, "kim")
            self.assertIsNotNone(caught.exception.at)
            for word in ("q", "approved", "kim"):
                self.assertIn(word, str(caught.exception))
            drain()
        self.assertEqual(execution.waits.get().answer, "approved")

    def test_an_answer_after_the_deadline_is_told_so(self) -> None:
        with time_travel(NOON):
            execution = self.asked("text", timeout=hours(1))
            advance(hours=1, work=False)
            for _ in range(2):  # before and after a worker has seen the timeout
                with self.assertRaises(durable.AlreadyAnswered) as caught:
                    durable.provide_input(execution.id, "q", "late")
                self.assertIsNone(caught.exception.by)
                drain()
        execution.refresh_from_db()
        self.assertEqual(execution.error["type"], "WaitTimeout")

    def test_a_cancelled_question_is_told_so(self) -> None:
        execution = self.asked("text")
        durable.cancel(execution.id)
        with self.assertRaisesRegex(durable.AlreadyAnswered, "cancelled"):
            durable.provide_input(execution.id, "q", "late")

    def test_a_name_that_is_not_asked_names_those_that_are(self) -> None:
        execution = self.asked("text")
        for wrong in ("other", "", "\0", "\ud800", "n" * 10_000, None, 7):
            with self.subTest(wrong=repr(wrong)[:20]):
                with self.assertRaises(durable.WaitNotFound) as caught:
                    durable.provide_input(execution.id, wrong, "x")  # type: ignore[arg-type]
                self.assertIn("'q'", str(caught.exception))
                with self.assertRaises(durable.WaitNotFound):
                    durable.reassign(execution.id, wrong, to="user:kim")  # type: ignore[arg-type]

    def test_a_comment_that_no_database_holds_is_refused(self) -> None:
        execution = self.asked("text")
        for wrong in ("a\0b", "\ud800", 7, "x" * 2_000_000):
            with self.subTest(wrong=repr(wrong)[:20]), self.assertRaises(durable.DurableError):
                durable.provide_input(execution.id, "q", "x", comment=wrong)  # type: ignore[arg-type]
        self.assertEqual(execution.waits.get().status, "open")

    def test_an_answer_as_large_as_data_may_be_is_taken(self) -> None:
        execution = self.asked("text")
        durable.provide_input(execution.id, "q", "x" * (1024 * 1024 - 40))
        self.assertEqual(execution.waits.get().status, "answered")


class RaceTests(ThreadedTestCase):
    def test_of_two_answers_at_once_one_wins_and_the_other_is_told(self) -> None:
        workflow = define()
        for _ in range(15):
            execution = run(workflow, {"type": "approval"})
            found = together(
                lambda pk=execution.id: durable.provide_input(pk, "q", "approved"),
                lambda pk=execution.id: durable.provide_input(pk, "q", "rejected"),
            )
            self.assertEqual(
                sorted(type(one).__name__ for one in found), ["AlreadyAnswered", "Execution"]
            )
            won = "approved" if isinstance(found[0], Execution) else "rejected"
            drain()
            execution.refresh_from_db()
            self.assertEqual(execution.result["answer"], won)
        self.assertEqual(Wait.objects.filter(status="answered").count(), 15)

    def test_of_two_votes_at_once_none_is_lost(self) -> None:
        workflow = define()
        people = [User.objects.create_user(name) for name in ("kim", "lee")]
        for _ in range(10):
            execution = run(workflow, {"type": "approval", "options": {"quorum": 2}})
            together(
                *(
                    lambda pk=execution.id, by=by: durable.provide_input(pk, "q", True, by=by)
                    for by in people
                )
            )
            drain()
            assert_completed(execution)
