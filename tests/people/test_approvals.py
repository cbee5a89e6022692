"""An approval is a text that is true only if approved, given by who may and nobody else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import User

import durable
from durable import (
    AlreadyAnswered,
    Decision,
    InvalidInput,
    NotAllowed,
    Workflow,
    branch,
    chain,
    days,
    hours,
    step,
    wait_for_approval,
)
from durable.models import AuditEntry, Execution, Wait
from durable.testing import (
    advance,
    assert_completed,
    assert_waiting_for,
    drain,
    run,
    time_travel,
)
from tests.cases import WorkflowTestCase

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


class ApprovalTestCase(WorkflowTestCase):
    kim: User
    lee: User
    max: User

    @classmethod
    def setUpTestData(cls) -> None:
        cls.kim, cls.lee, cls.max = (User.objects.create_user(n) for n in ("kim", "lee", "max"))

    def asking(self, **options: Any) -> Execution:
        class P(Workflow):
            @step
            def one(self, data):
                found = self.wait_for_approval("ok", **options)
                return {
                    "decision": found,
                    "type": type(found).__name__,
                    "true": bool(found),
                    "by": getattr(found, "by", "-"),
                    "comment": getattr(found, "comment", "-"),
                    "at": getattr(found, "at", "-"),
                }

        execution = run(P)
        assert_waiting_for(execution, input="ok")
        return execution

    def answer(self, execution: Execution, answer: Any = "approved", by: Any = None) -> None:
        durable.provide_input(execution.id, "ok", answer, by=by)

    def outcome(self, execution: Execution) -> Any:
        drain()
        assert_completed(execution)
        return execution.result["decision"]


class DecisionTests(ApprovalTestCase):
    @time_travel(NOON)
    def test_a_decision_carries_who_when_and_what_they_wrote(self) -> None:
        execution = self.asking(prompt="Approve?")
        advance(hours=1)
        durable.provide_input(execution.id, "ok", "approved", by=self.kim, comment="fine")
        drain()
        assert_completed(execution)
        at = NOON + hours(1)
        wait = execution.waits.get()
        self.assertEqual((wait.by, wait.by_name, wait.comment), (self.kim, "kim", "fine"))
        self.assertEqual(wait.resolved_at, at)
        self.assertEqual(
            execution.result,
            {
                "decision": "approved",
                "type": "Decision",
                "true": True,
                "by": "kim",
                "comment": "fine",
                "at": at,
            },
        )

    def test_rejected_is_false_and_a_text(self) -> None:
        execution = self.asking()
        self.answer(execution, "rejected", self.kim)
        self.assertEqual(self.outcome(execution), "rejected")
        self.assertFalse(execution.result["true"])

    def test_truth_values_are_answers_too(self) -> None:
        for said, meant in [(True, "approved"), (False, "rejected")]:
            execution = self.asking()
            self.answer(execution, said)
            self.assertEqual(self.outcome(execution), meant)

    def test_anything_else_is_refused_and_the_question_stays_open(self) -> None:
        execution = self.asking()
        for bad in ("yes", "APPROVED", "", None, 1, 2, [], {"approved": True}, "auto"):
            with self.subTest(bad=bad), self.assertRaises(InvalidInput):
                self.answer(execution, bad)
        self.assertEqual(drain(), 0)
        wait = Wait.objects.get()
        self.assertEqual((wait.status, wait.answer, wait.by_name), ("open", None, ""))

    @time_travel(NOON)
    def test_a_timeout_value_is_a_decision_that_is_not_true(self) -> None:
        execution = self.asking(timeout=days(3), timeout_value="auto_rejected")
        advance(days=3)
        self.assertEqual(self.outcome(execution), "auto_rejected")
        self.assertEqual(
            [execution.result[key] for key in ("true", "by", "comment")], [False, None, ""]
        )

    def test_the_first_answer_wins_and_the_second_is_told_whose_it_was(self) -> None:
        execution = self.asking()
        self.answer(execution, "rejected", self.kim)
        for by in (self.lee, None):
            with self.assertRaisesRegex(AlreadyAnswered, "'ok'.*rejected by kim") as caught:
                self.answer(execution, by=by)
            self.assertEqual(caught.exception.by, "kim")
            self.assertIsNotNone(caught.exception.at)
        self.assertEqual(self.outcome(execution), "rejected")
        with self.assertRaises(AlreadyAnswered):
            self.answer(execution, by=self.lee)

    def test_a_stored_decision_is_plain_text_that_a_branch_takes(self) -> None:
        seen: list[Any] = []

        class P(Workflow):
            @step
            def one(self, data):
                return {"decision": self.wait_for_approval("ok")}

            @step
            def yes(self, data):
                seen.append(type(data["decision"]))

            flow = chain(one, branch(on="decision", cases={"approved": yes}))

        execution = run(P)
        self.answer(execution)
        drain()
        assert_completed(execution)
        self.assertEqual(seen, [str])

    def test_answers_are_audited(self) -> None:
        execution = self.asking()
        durable.provide_input(execution.id, "ok", "approved", by=self.kim, comment="fine")
        entry = AuditEntry.objects.get(action="provide_input")
        self.assertEqual((entry.actor, entry.execution_id), (self.kim, execution.id))
        self.assertEqual(entry.after, {"answer": "approved", "comment": "fine"})

    def test_an_approval_stands_in_a_flow(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {**data, "done": True}

            flow = chain(
                wait_for_approval("manager", into="decision", exclude="user:lee"),
                branch(on="decision", cases={"approved": one}),
            )

        execution = run(P, {"n": 1})
        with self.assertRaises(NotAllowed):
            durable.provide_input(execution.id, "manager", "approved", by=self.lee)
        durable.provide_input(execution.id, "manager", "approved", by=self.kim)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"n": 1, "decision": "approved", "done": True})
        self.assertNotIsInstance(execution.result["decision"], Decision)


class QuorumTests(ApprovalTestCase):
    def test_n_different_people_approve(self) -> None:
        execution = self.asking(quorum=2)
        self.answer(execution, by=self.kim)
        drain()
        assert_waiting_for(execution, input="ok")
        with self.assertRaisesRegex(AlreadyAnswered, "kim"):
            self.answer(execution, by=self.kim)
        drain()
        assert_waiting_for(execution, input="ok")
        self.answer(execution, by=self.lee)
        self.assertEqual(self.outcome(execution), "approved")
        with self.assertRaises(AlreadyAnswered):
            self.answer(execution, by=self.max)

    def test_the_first_rejection_rejects(self) -> None:
        execution = self.asking(quorum=3)
        self.answer(execution, by=self.kim)
        self.answer(execution, "rejected", by=self.lee)
        self.assertEqual(self.outcome(execution), "rejected")
        self.assertEqual(execution.result["by"], "lee")

    def test_who_approved_is_on_record_and_bound_by_assignees(self) -> None:
        execution = self.asking(quorum=2, assignees=[self.kim, "user:lee"])
        with self.assertRaises(NotAllowed):
            self.answer(execution, by=self.max)
        self.answer(execution, by=self.kim)
        wait = Wait.objects.get()
        self.assertEqual([vote["by"] for vote in wait.votes], ["kim"])
        self.assertEqual(wait.vote_count, 1)
        self.answer(execution, by=self.lee)
        self.assertEqual(self.outcome(execution), "approved")

    @time_travel(NOON)
    def test_a_quorum_that_is_not_reached_times_out(self) -> None:
        execution = self.asking(quorum=2, timeout=days(1), timeout_value="late")
        self.answer(execution, by=self.kim)
        advance(days=1)
        self.assertEqual(self.outcome(execution), "late")

    @time_travel(NOON)
    def test_no_vote_is_taken_after_the_time_is_over(self) -> None:
        execution = self.asking(quorum=3, timeout=days(1), timeout_value="late")
        advance(days=1, work=False)
        with self.assertRaisesRegex(AlreadyAnswered, "time was over"):
            self.answer(execution, by=self.kim)
        self.assertEqual(self.outcome(execution), "late")
