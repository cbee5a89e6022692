"""Who is asked or excluded is an account, not a name that somebody else may get."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command
from django.test import Client, override_settings
from django.urls import reverse

import durable
from durable import Data, Workflow, step
from durable.dashboard.people.input_forms import ReassignForm
from durable.doors import access
from durable.errors import NotAllowed
from durable.models import Execution, Wait
from durable.people import who
from durable.people.reach import inputs, links, mail
from durable.people.reach.inputs import QuestionAddress
from durable.testing import run
from tests.cases import WorkflowTestCase
from tests.doors.rest.cases import Api

MAILS = override_settings(DURABLE={"PUBLIC_URL": "https://example.com"})


def define() -> type[Workflow]:
    """A workflow that asks whom its data names."""

    class Asking(Workflow):
        @step
        def ask(self, data: Data) -> Data:
            people = {name: data[name] for name in ("assignees", "exclude") if name in data}
            later = [(timedelta(0), spec) for spec in data.get("escalate", ())]
            self.wait_for_approval("q", escalate=later, **people)
            return data

    return Asking


def answered(call: Callable[[], Any]) -> bool:
    """Whether an answer was taken; whatever refuses it, refuses it as not allowed."""
    try:
        call()
    except (NotAllowed, CommandError, durable.DurableError):
        return False
    return True


def by_client(row: Execution, user: User) -> bool:
    return answered(lambda: durable.provide_input(row.pk, "q", True, by=user))


def by_command(row: Execution, user: User) -> bool:
    name = user.get_username()
    arguments = ("durable_provide_input", str(row.pk), "q", '"approved"', "--by", name)
    return answered(lambda: call_command(*arguments))


def by_rest(row: Execution, user: User) -> bool:
    body = {"answer": "approved"}
    return bool(Api(user).post(f"executions/{row.pk}/inputs/q/", body).status_code == 200)


def by_admin(row: Execution, user: User) -> bool:
    browser = Client()
    browser.force_login(user)
    address = reverse("admin:durable_input_change", args=[row.waits.get().pk])
    return browser.post(address, {"_decision": "approved"}).status_code == 302


def by_link(row: Execution, user: User) -> bool:
    made = links.make(row.waits.get(), user)[0]
    page = Client().post(reverse("durable:answer", args=[made.token]))
    return page.status_code == 200


DOORS = (by_client, by_command, by_rest, by_admin, by_link)


@MAILS
class PeopleByIdTests(WorkflowTestCase):
    """Each way of being named, at every door by which an answer comes."""

    def setUp(self) -> None:
        super().setUp()
        self.workflow = define()

    def person(self, name: str, *, approves: bool = True, group: str = "") -> User:
        user = User.objects.create_user(name, f"{name}@example.com", is_staff=True)
        if approves:
            found = Permission.objects.filter(codename__in=["approve", "view_execution"])
            user.user_permissions.set(found)
        if group:
            user.groups.add(Group.objects.get_or_create(name=group)[0])
        return user

    def renamed(self, user: User, name: str) -> User:
        User.objects.filter(pk=user.pk).update(username=name)
        return User.objects.get(pk=user.pk)

    def may(self, row: Execution, user: User) -> dict[str, bool]:
        """What each door says, each on a question of its own."""
        asked, wait = row.input, row.waits.get()
        found = {"list": [one.pk for one in access.asked_of(user)] == [wait.pk]}
        mailed = mail.recipients(
            wait, [*wait.assignees, *self.later(wait)] or ["perm:durable.approve"]
        )
        found["mail"] = user in list(mailed)
        for door in DOORS:
            again = run(self.workflow, asked)
            again.waits.update(
                **{name: getattr(wait, name) for name in ("assignees", "exclude", "people")}
            )
            found[door.__name__] = door(again, user)
        return found

    def later(self, wait: Wait) -> list[str]:
        return [spec for _after, spec in (wait.question or {})["escalate"]]

    def assertAll(self, row: Execution, user: User, expected: bool) -> None:
        found = self.may(row, User.objects.get(pk=user.pk))
        self.assertEqual(found, dict.fromkeys(found, expected))

    def ask(self, **people: Any) -> Execution:
        return run(self.workflow, people)

    # -- excluded --------------------------------------------------------------------------------

    def test_who_is_excluded_stays_so_under_another_name(self) -> None:
        kim = self.person("kim")
        row = self.ask(exclude=["user:kim"])
        self.assertAll(row, self.renamed(kim, "kimberly"), False)

    def test_who_gets_the_name_of_an_excluded_account_is_not_excluded(self) -> None:
        kim = self.person("kim")
        row = self.ask(exclude=["user:kim"])
        self.renamed(kim, "kimberly")
        self.assertAll(row, self.person("kim"), True)

    def test_who_is_excluded_in_another_letter_case_is_excluded(self) -> None:
        kim = self.person("kim")
        self.assertAll(self.ask(exclude=["user:Kim"]), kim, False)

    def test_who_is_excluded_in_another_letter_case_stays_so_under_another_name(self) -> None:
        kim = self.person("kim")
        row = self.ask(exclude=["user:Kim"])
        self.assertAll(row, self.renamed(kim, "kimberly"), False)

    def test_who_is_excluded_before_the_account_exists_is_excluded_in_any_case(self) -> None:
        row = self.ask(exclude=["user:Kim"])
        self.assertAll(row, self.person("kim"), False)

    def test_a_group_that_is_excluded_stays_so_under_another_name(self) -> None:
        kim = self.person("kim", group="buyers")
        row = self.ask(exclude=["group:buyers"])
        Group.objects.update(name="purchasing")
        self.assertAll(row, kim, False)

    def test_a_group_that_is_excluded_in_another_letter_case_is_excluded(self) -> None:
        kim = self.person("kim", group="buyers")
        self.assertAll(self.ask(exclude=["group:BUYERS"]), kim, False)

    # -- asked -----------------------------------------------------------------------------------

    def test_who_is_asked_stays_so_under_another_name(self) -> None:
        kim = self.person("kim", approves=False)
        row = self.ask(assignees=["user:kim"])
        self.assertAll(row, self.renamed(kim, "kimberly"), True)

    def test_a_new_account_under_the_name_of_a_deleted_one_inherits_nothing(self) -> None:
        for role in ("assignees", "escalate"):
            with self.subTest(role):
                kim = self.person("kim", approves=False)
                row = self.ask(**{"assignees": ["user:other"], role: ["user:kim"]})
                kim.delete()
                newcomer = self.person("kim", approves=False)
                self.assertAll(row, newcomer, False)
                newcomer.delete()

    def test_a_new_group_under_the_name_of_a_deleted_one_inherits_nothing(self) -> None:
        self.person("ann", group="buyers")
        row = self.ask(assignees=["group:buyers"])
        Group.objects.all().delete()
        self.assertAll(row, self.person("kim", approves=False, group="buyers"), False)

    def test_another_letter_case_is_another_name_for_who_is_asked(self) -> None:
        self.person("kim")
        row = self.ask(assignees=["user:Kim"])
        self.assertAll(row, User.objects.get(), False)

    def test_a_member_of_a_group_is_asked_under_its_new_name(self) -> None:
        kim = self.person("kim", approves=False, group="buyers")
        row = self.ask(assignees=["group:buyers"])
        Group.objects.update(name="purchasing")
        self.assertAll(row, kim, True)

    def test_an_account_that_is_given_as_a_row_is_known_by_it(self) -> None:
        kim = self.person("kim")
        self.assertEqual(who.named_people([kim, "user:ann"]).ids, {"user:kim": [str(kim.pk)]})

    # -- handed on -------------------------------------------------------------------------------

    def test_a_question_that_is_handed_on_belongs_to_the_account(self) -> None:
        boss, kim = User.objects.create_superuser("boss"), self.person("kim", approves=False)
        row = self.ask(assignees=["user:boss"], exclude=["user:kim"])
        self.renamed(kim, "kimberly")
        newcomer = self.person("kim", approves=False)
        inputs.reassign(QuestionAddress(row.pk, "q"), ["user:kim"], by=boss)
        self.assertAll(row, self.renamed(newcomer, "kimmy"), True)
        self.assertAll(row, kim, False)

    def test_the_form_that_hands_on_knows_accounts_not_names(self) -> None:
        boss = User.objects.create_superuser("boss")
        kim = self.person("kim")
        wait = self.ask(exclude=["user:kim"]).waits.get()
        self.renamed(kim, "kimberly")
        self.person("kim")
        self.assertTrue(ReassignForm(wait, {"users": ["kim"]}, by=boss).is_valid())
        self.assertFalse(ReassignForm(wait, {"users": ["kimberly"]}, by=boss).is_valid())

    # -- rows from before ------------------------------------------------------------------------

    def test_a_row_without_ids_goes_by_names(self) -> None:
        kim = self.person("kim", approves=False)
        row = self.ask(assignees=["user:kim"])
        row.waits.update(people=None)
        self.assertAll(row, kim, True)
        row.waits.update(exclude=["user:KIM"])
        self.assertAll(row, kim, False)
