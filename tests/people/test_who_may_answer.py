"""Who may answer a question: assignees, the excluded, escalation, reassigning, quorum."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.models import Group, User

import durable
from durable import Data, Workflow, days, step
from durable.models import AuditEntry, Execution
from durable.testing import advance, assert_completed, assert_waiting_for, drain, run, time_travel
from tests.cases import WorkflowTestCase

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def define() -> type[Workflow]:
    class Asking(Workflow):
        @step
        def ask(self, data: Data) -> None:
            ask = self.wait_for_approval if data["type"] == "approval" else self.wait_for_text
            ask("q", **data["options"])

    return Asking


class PeopleTests(WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.workflow = define()
        self.kim, self.lee = (User.objects.create_user(name) for name in ("kim", "lee"))

    def asked(self, **options: Any) -> Execution:
        return run(self.workflow, {"type": "text", "options": options})

    def refused(self, execution: Execution, by: User, *words: str) -> None:
        with self.assertRaises(durable.NotAllowed) as caught:
            durable.provide_input(execution.id, "q", "x", by=by)
        for word in (by.username, "'q'", *words):
            self.assertIn(word, str(caught.exception))
        self.assertEqual(execution.waits.get().status, "open")

    def test_by_is_checked_against_assignees(self) -> None:
        execution = self.asked(assignees=["user:kim"])
        self.refused(execution, self.lee, "user:kim")
        durable.provide_input(execution.id, "q", "x", by=self.kim)

    def test_by_is_checked_against_exclude(self) -> None:
        execution = self.asked(exclude=["user:kim"])
        self.refused(execution, self.kim)
        durable.provide_input(execution.id, "q", "x", by=self.lee)

    def test_the_program_itself_is_not_checked(self) -> None:
        execution = self.asked(assignees=["user:kim"], exclude=["user:lee"])
        durable.provide_input(execution.id, "q", "x")
        self.assertEqual(execution.waits.get().by_name, "")

    def test_escalation_adds_people_when_its_time_has_come(self) -> None:
        group = Group.objects.create(name="directors")
        self.lee.groups.add(group)
        asking = define_escalating()
        with time_travel(NOON):
            execution = run(asking)
            advance(days=1)
            self.refused(execution, self.lee)
            advance(days=1)
            durable.provide_input(execution.id, "q", "x", by=self.lee)

    def test_reassign_puts_others_in_charge(self) -> None:
        execution = self.asked(assignees=["user:kim"])
        durable.reassign(execution.id, "q", to="user:lee", by=self.kim)
        self.refused(execution, self.kim, "user:lee")
        entry = AuditEntry.objects.get(action="reassign")
        self.assertEqual((entry.before, entry.after), (["user:kim"], ["user:lee"]))
        self.assertEqual(entry.actor, self.kim)
        durable.reassign(execution.id, "q", to=[self.kim, "group:x"])
        self.assertEqual(execution.waits.get().assignees, ["user:kim", "group:x"])

    def test_reassign_of_an_answered_question_is_refused(self) -> None:
        execution = self.asked()
        durable.provide_input(execution.id, "q", "x", by=self.kim)
        with self.assertRaises(durable.AlreadyAnswered):
            durable.reassign(execution.id, "q", to="user:lee")
        with self.assertRaises(durable.DurableError):
            durable.reassign(self.asked().id, "q", to="nobody")

    def test_quorum_needs_different_people_and_one_rejection_rejects(self) -> None:
        execution = run(self.workflow, {"type": "approval", "options": {"quorum": 2}})
        durable.provide_input(execution.id, "q", "approved", by=self.kim)
        with self.assertRaises(durable.AlreadyAnswered):
            durable.provide_input(execution.id, "q", "approved", by=self.kim)
        self.assertEqual(execution.waits.get().vote_count, 1)
        drain()
        assert_waiting_for(execution, input="q")
        durable.provide_input(execution.id, "q", "approved", by=self.lee)
        drain()
        assert_completed(execution)
        other = run(self.workflow, {"type": "approval", "options": {"quorum": 2}})
        durable.provide_input(other.id, "q", "rejected", by=self.kim)
        self.assertEqual(other.waits.get().answer, "rejected")


def define_escalating() -> type[Workflow]:
    class Escalating(Workflow):
        @step
        def ask(self, data: Data) -> None:
            self.wait_for_text(
                "q", assignees=["user:kim"], escalate=[(days(2), "group:directors")],
                timeout=timedelta(days=9),
            )  # fmt: skip

    return Escalating
