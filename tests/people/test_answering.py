"""An answer is refused if no database holds it, if it is late, or if nobody asked for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import User

import durable
from durable import Data, Workflow, hours, step
from durable.models import Execution, Wait
from durable.testing import advance, assert_completed, assert_waiting_for, drain, run, time_travel
from tests.cases import ThreadedTestCase, WorkflowTestCase, together

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def define() -> type[Workflow]:
    class Asking(Workflow):
        @step
        def ask(self, data: Data) -> Data:
            options = dict(data.get("options", {}))
            if data["type"] == "approval":
                return {"answer": self.wait_for_approval("q", **options)}
            return {"answer": self.wait_for_input("q", type=data["type"], **options)}

    return Asking


class AnswerTests(WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.workflow = define()

    def asked(self, kind: str, **options: Any) -> Execution:
        execution = run(self.workflow, {"type": kind, "options": options})
        assert_waiting_for(execution, input="q")
        return execution

    def test_what_no_database_holds_is_refused_as_everywhere(self) -> None:
        deep: Any = []
        for _ in range(100_000):
            deep = [deep]
        for answer in ("a\0b", "\ud800", "x" * 10_000_000, float("nan"), 1e400, {1: 2}, deep):
            for kind in ("text", "number", "form"):
                options = {"fields": [{"name": "n"}]} if kind == "form" else {}
                with self.subTest(kind, answer=type(answer).__name__):
                    execution = self.asked(kind, **options)
                    with self.assertRaisesRegex(durable.NotSerializable, "answer"):
                        durable.provide_input(execution.id, "q", answer)
                    self.assertEqual(execution.waits.get().status, "open")

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
