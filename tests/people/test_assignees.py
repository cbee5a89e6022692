"""A question is for the people it names, minus those it excludes; time may add others."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import Group, Permission

import durable
from durable import (
    NotAllowed,
    Workflow,
    clock,
    days,
    step,
)
from durable.conf import database
from durable.models import Execution, Wait
from durable.people.question import Question
from durable.testing import (
    advance,
    assert_waiting_for,
    run,
    time_travel,
)
from tests.people.test_approvals import NOON, ApprovalTestCase

NEVER = timedelta.max


class PeopleTests(ApprovalTestCase):
    def allowed(self, execution: Execution) -> set[str]:
        """Who of the three may answer (asked without answering)."""
        wait, found = Wait.objects.get(execution=execution), set()
        open_for = clock.read(database()) - wait.opened_at
        for user in (self.kim, self.lee, self.max):
            if Question.of(wait).why_not(user, open_for) is None:
                found.add(user.username)
            else:
                with self.assertRaisesRegex(NotAllowed, user.username):
                    self.answer(execution, by=user)
        return found

    def test_users_groups_and_permissions_may_be_assigned(self) -> None:
        finance = Group.objects.create(name="finance")
        self.kim.groups.add(finance)
        permission = Permission.objects.get(codename="add_order", content_type__app_label="shop")
        self.lee.user_permissions.add(permission)
        for assignees, wanted in [
            ([self.kim], {"kim"}),
            (self.max, {"max"}),
            ("user:lee", {"lee"}),
            ([finance], {"kim"}),
            (["group:finance", "user:max"], {"kim", "max"}),
            ("perm:shop.add_order", {"lee"}),
            (None, {"kim", "lee", "max"}),
            ([], {"kim", "lee", "max"}),
            (["group:none"], set()),
        ]:
            with self.subTest(assignees=assignees):
                self.assertEqual(self.allowed(self.asking(assignees=assignees)), wanted)

    def test_excluded_people_may_not_even_if_they_are_assigned(self) -> None:
        execution = self.asking(assignees=[self.kim, self.lee], exclude=[self.kim])
        self.assertEqual(self.allowed(execution), {"lee"})
        self.assertEqual(self.allowed(self.asking(exclude="user:max")), {"kim", "lee"})

    def test_the_program_itself_is_unchecked(self) -> None:
        execution = self.asking(assignees="user:kim", exclude="user:lee")
        self.answer(execution)
        self.assertEqual(self.outcome(execution), "approved")

    @time_travel(NOON)
    def test_escalation_adds_people_in_its_time_and_closes_nothing(self) -> None:
        execution = self.asking(
            assignees=[self.kim],
            escalate=[(days(2), "user:lee"), (days(3), [self.max])],
            exclude=(),
        )
        for passed, wanted in [(47, {"kim"}), (1, {"kim", "lee"}), (24, {"kim", "lee", "max"})]:
            advance(hours=passed)
            self.assertEqual(self.allowed(execution), wanted)
        assert_waiting_for(execution, input="ok")
        self.answer(execution, by=self.max)
        self.assertEqual(self.outcome(execution), "approved")

    def test_a_question_can_be_reassigned_by_who_may_answer_it(self) -> None:
        execution = self.asking(assignees=[self.kim])
        with self.assertRaises(NotAllowed):
            durable.reassign(execution.id, "ok", to=self.lee, by=self.lee)
        durable.reassign(execution.id, "ok", to="user:lee", by=self.kim)
        self.assertEqual(self.allowed(execution), {"lee"})

    def test_people_that_are_none_fail_the_step(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.wait_for_approval("ok", **data)

        for options in ({"assignees": "kim"}, {"exclude": ["role:x"]}, {"escalate": [5]}):
            execution = run(P, options)
            execution.refresh_from_db()
            self.assertEqual(execution.status, "failed")
        self.assertFalse(Wait.objects.exists())

    def test_an_escalation_beyond_the_calendar_fails_the_step(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.wait_for_approval("ok", assignees="user:kim", escalate=[(NEVER, "user:lee")])

        execution = run(P)
        execution.refresh_from_db()
        self.assertEqual(execution.status, "failed")
        self.assertIn("escalate", execution.error["message"])
        self.assertFalse(Wait.objects.exists())
