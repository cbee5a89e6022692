"""Who may answer is decided by user, group and permission, and by nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar
from unittest import mock

from django import forms
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.test import SimpleTestCase, TestCase
from django.utils.functional import SimpleLazyObject

from durable.authoring.self.context import People, QuestionSpec
from durable.errors import DefinitionError, InvalidInput, NotSerializable
from durable.models import Wait
from durable.people import who
from durable.people.form import validate
from durable.people.question import Question


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

    def allowed(self, user: Any, **rules: Any) -> bool:
        return self.why_not(user, **rules) is None

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

    def test_without_assignees_everybody_may_who_is_not_excluded(self) -> None:
        self.assertTrue(self.allowed(self.kim))
        self.assertFalse(self.allowed(self.kim, exclude=["group:finance"]))
        self.assertTrue(self.allowed(self.lee, exclude=["group:finance"]))
        self.assertTrue(self.allowed(self.kim, escalated=["user:lee"]))

    def test_exclusion_is_stronger_than_any_assignment(self) -> None:
        rules = {"assignees": ["user:kim"], "exclude": ["group:finance"], "escalated": ["user:kim"]}
        self.assertFalse(self.allowed(self.kim, **rules))

    def test_escalation_adds_and_takes_nobody_away(self) -> None:
        rules = {"assignees": ["user:kim"], "escalated": ["user:lee"]}
        self.assertTrue(self.allowed(self.kim, **rules))
        self.assertTrue(self.allowed(self.lee, **rules))
        self.assertFalse(self.allowed(self.root, **rules))

    def test_the_reason_says_whom_it_is_for(self) -> None:
        reason = self.why_not(self.lee, assignees=["user:kim"], escalated=["group:board"])
        self.assertEqual(reason, "it is for user:kim, group:board")

    def test_users_of_a_model_without_groups_match_by_name_only(self) -> None:
        user = mock.Mock(spec=["get_username", "is_active", "is_authenticated"])
        user.get_username.return_value = "kim"
        user.is_active = user.is_authenticated = True
        self.assertTrue(who.matches(user, ["user:kim"]))
        self.assertFalse(who.matches(user, ["group:finance", "perm:auth.add_user"]))


class HandoverForm(forms.Form):
    to = forms.ModelChoiceField(User.objects.all())
    groups = forms.ModelMultipleChoiceField(Group.objects.all(), required=False)


class Handover:
    forms: ClassVar = {"handover": HandoverForm}


class FormTests(TestCase):
    """A Django form may ask for rows; the step gets their primary keys."""

    def test_rows_that_a_form_chooses_become_primary_keys(self) -> None:
        kim = User.objects.create_user("kim")
        groups = [Group.objects.create(name=name) for name in ("a", "b")]
        question = Question.asked(QuestionSpec("form", form="handover"), People())
        keys = [group.pk for group in groups]
        for answer in (
            {"to": kim.pk, "groups": keys},
            {"to": str(kim.pk), "groups": [*map(str, keys)]},
        ):
            value = validate(question, answer, Handover)
            self.assertEqual(value["to"], kim.pk)
            self.assertCountEqual(value["groups"], keys)

    def test_rows_that_are_not_there_are_refused(self) -> None:
        question = Question.asked(QuestionSpec("form", form="handover"), People())
        for to in (0, "x", "\0", 10**30, True, [1], {"a": 1}, None):
            with self.assertRaises(InvalidInput) as caught:
                validate(question, {"to": to, "groups": 5}, Handover)
            self.assertEqual(set(caught.exception.errors), {"to", "groups"})
