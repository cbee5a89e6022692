"""A question is for the people it names, minus those it excludes; time may add others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from unittest import mock

from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.test import SimpleTestCase, TestCase
from django.utils.functional import SimpleLazyObject

import durable
from durable import NotAllowed, Workflow, clock, days, step
from durable.conf import database
from durable.errors import DefinitionError, NotSerializable
from durable.models import AuditEntry, Execution, Wait
from durable.people import who
from durable.people.question import Question
from durable.testing import advance, assert_waiting_for, run, time_travel
from tests.people.test_approvals import NOON, ApprovalTestCase

NEVER = timedelta.max


class SpecTests(SimpleTestCase):
    """People are stored as short texts."""

    def test_users_groups_and_texts_become_specs(self) -> None:
        kim, finance = User(username="kim"), Group(name="finance")
        self.assertEqual(who.normalise([kim, finance]), ["user:kim", "group:finance"])
        specs = ["user:kim", "group:finance", "perm:shop.approve", "group:a:b"]
        self.assertEqual(who.normalise(specs), specs)
        self.assertEqual(who.normalise(SimpleLazyObject(lambda: kim)), ["user:kim"])

    def test_one_is_enough_and_none_is_nobody(self) -> None:
        self.assertEqual(who.normalise("user:kim"), ["user:kim"])
        self.assertEqual(who.normalise(Group(name="finance")), ["group:finance"])
        empty: list[Any] = [None, [], ()]
        for nobody in empty:
            self.assertEqual(who.normalise(nobody), [])

    def test_nobody_is_named_twice(self) -> None:
        self.assertEqual(who.normalise([User(username="kim"), "user:kim"]), ["user:kim"])

    def test_anything_else_is_named_in_the_error(self) -> None:
        wrong: list[Any] = [
            "kim",
            "user:",
            "role:boss",
            "perm:approve",
            "perm:shop.",
            5,
            "",
            [["user:kim"]],
        ]
        for people in wrong:
            with self.assertRaises(DefinitionError):
                who.normalise(people)
        with self.assertRaisesRegex(DefinitionError, "'kim' names nobody"):
            who.normalise(["user:a", "kim"])
        for people in (AnonymousUser(), User(), object()):
            with self.assertRaisesRegex(DefinitionError, type(people).__name__):
                who.normalise(people)
        with self.assertRaises(NotSerializable):
            who.normalise("user:\0")

    def test_escalation_adds_people_when_their_time_has_come(self) -> None:
        escalate = [[60.0, "user:lee"], [120.0, "group:board"], [120.0, "user:lee"]]
        question = Question.of(Wait(question={"escalate": escalate}))
        for seconds, expected in (
            (0, []),
            (59.9, []),
            (60, ["user:lee"]),
            (500, ["user:lee", "group:board"]),
        ):
            self.assertEqual(question.added(timedelta(seconds=seconds)), expected)


class PermissionTests(TestCase):
    """Users, groups and permissions as the database has them."""

    kim: User
    lee: User
    root: User
    gone: User

    @classmethod
    def setUpTestData(cls) -> None:
        cls.kim = User.objects.create_user("kim")
        cls.lee = User.objects.create_user("lee")
        cls.root = User.objects.create_superuser("root")
        cls.gone = User.objects.create_user("gone", is_active=False)
        finance = Group.objects.create(name="finance")
        for user in (cls.kim, cls.gone):
            user.groups.add(finance)
        permission = Permission.objects.get(codename="add_user", content_type__app_label="auth")
        cls.lee.user_permissions.add(permission)

    def matching(self, *specs: str) -> set[str]:
        users = (self.kim, self.lee, self.root, self.gone)
        return {user.username for user in users if who.matches(user, specs)}

    def why_not(self, user: Any, escalated: Sequence[str] = (), **rules: Any) -> str | None:
        escalate = tuple((timedelta(0), spec) for spec in escalated)
        return Question(escalate=escalate, **rules).why_not(user, timedelta(0))

    def test_specs_fit_the_user_the_members_and_those_with_the_permission(self) -> None:
        self.assertEqual(self.matching("user:kim"), {"kim"})
        self.assertEqual(self.matching("group:finance"), {"kim"})
        self.assertEqual(self.matching("perm:auth.add_user"), {"lee", "root"})
        self.assertEqual(self.matching("user:lee", "group:finance"), {"kim", "lee"})
        self.assertEqual(self.matching("user:nobody", "group:none", "perm:auth.none"), {"root"})
        self.assertEqual(self.matching(), set())

    def test_a_superuser_is_not_everybody(self) -> None:
        self.assertFalse(who.matches(self.root, ["user:kim", "group:finance"]))
        self.assertIsNotNone(self.why_not(self.root, assignees=["user:kim"]))

    def test_nobody_inactive_or_anonymous_may_answer(self) -> None:
        for user in (self.gone, AnonymousUser(), None):
            self.assertFalse(who.matches(user, ["user:gone", "user:", "group:finance"]))
            reason = self.why_not(user)
            self.assertEqual(reason, "the account is not active")

    def test_the_reason_says_whom_it_is_for(self) -> None:
        reason = self.why_not(self.lee, assignees=["user:kim"], escalated=["group:board"])
        self.assertEqual(reason, "it is for user:kim, group:board")

    def test_users_of_a_model_without_groups_match_by_name_only(self) -> None:
        user = mock.Mock(spec=["get_username", "is_active", "is_authenticated"])
        user.get_username.return_value = "kim"
        user.is_active = user.is_authenticated = True
        self.assertTrue(who.matches(user, ["user:kim"]))
        self.assertFalse(who.matches(user, ["group:finance", "perm:auth.add_user"]))


class PeopleTests(ApprovalTestCase):
    def allowed(self, execution: Execution) -> set[str]:
        """Who of the three may answer (asked without answering)."""
        wait, found = Wait.objects.get(execution=execution), set()
        open_for = clock.read(database()) - wait.opened_at
        for user in (self.kim, self.lee, self.max):
            if Question.of(wait).why_not(user, open_for) is None:
                found.add(user.username)
            else:
                with self.assertRaisesRegex(NotAllowed, f"{user} may not answer 'ok': "):
                    self.answer(execution, by=user)
        wait.refresh_from_db()
        self.assertEqual(wait.status, "open")
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
        unasked = self.asking(escalate=[(days(2), "user:lee")])
        self.assertEqual(self.allowed(unasked), {"kim", "lee", "max"})

    def test_excluded_people_may_not_even_if_they_are_assigned(self) -> None:
        execution = self.asking(assignees=[self.kim, self.lee], exclude=[self.kim])
        self.assertEqual(self.allowed(execution), {"lee"})
        self.assertEqual(self.allowed(self.asking(exclude="user:max")), {"kim", "lee"})
        finance = Group.objects.create(name="finance")
        self.kim.groups.add(finance)
        execution = self.asking(assignees=[self.kim, self.max], exclude=[finance])
        self.assertEqual(self.allowed(execution), {"max"})

    def test_the_program_itself_is_unchecked(self) -> None:
        execution = self.asking(assignees="user:kim", exclude="user:lee")
        self.answer(execution)
        self.assertEqual(execution.waits.get().by_name, "")
        self.assertEqual(self.outcome(execution), "approved")

    @time_travel(NOON)
    def test_escalation_adds_people_in_its_time_and_closes_nothing(self) -> None:
        Group.objects.create(name="directors").user_set.add(self.lee)
        execution = self.asking(
            assignees=[self.kim],
            escalate=[(days(2), "group:directors"), (days(3), [self.max])],
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
        entry = AuditEntry.objects.get(action="reassign")
        self.assertEqual((entry.before, entry.after), (["user:kim"], ["user:lee"]))
        self.assertEqual(entry.actor, self.kim)
        durable.reassign(execution.id, "ok", to=[self.max, "group:x"])
        self.assertEqual(execution.waits.get().assignees, ["user:max", "group:x"])

    def test_what_is_answered_or_given_to_nobody_is_not_reassigned(self) -> None:
        execution = self.asking()
        with self.assertRaises(durable.DurableError):
            durable.reassign(execution.id, "ok", to="nobody")
        self.answer(execution, by=self.kim)
        with self.assertRaises(durable.AlreadyAnswered):
            durable.reassign(execution.id, "ok", to="user:lee")

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
