"""Questions to people in the admin: who sees, answers and hands on what, and what is told them."""

from __future__ import annotations

import re
from typing import Any
from unittest import mock

from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

import durable
from durable.models import AuditEntry, Wait
from durable.testing import advance, assert_completed, drain, time_travel
from example_project.shop.models import Order
from tests.cases import ThreadedTestCase, WorkflowTestCase, together
from tests.people.asking import (
    LIST,
    NOON,
    PERMISSIONS,
    XSS,
    AskingMixin,
    change,
    deciding,
    reassigning,
    trail,
)

APPROVE, REJECT = {"_decision": "approved"}, {"_decision": "rejected"}


class AdminCase(AskingMixin, WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.people()

    def status(self, wait: Wait) -> str:
        return str(Wait.objects.get(pk=wait.pk).status)

    def page(self, name: str, address: str, status: int = 200) -> str:
        response = self.as_(name).get(address)
        self.assertEqual(response.status_code, status, f"{name} {address}")
        return response.content.decode()


class RoleTests(AdminCase):
    """Each role sees and does what it may, and nothing else exists for it."""

    # role: (in the list, the page, may answer, posting an answer, the page to reassign)
    FOR_SOME = {
        "anonymous": (None, 302, False, 302, 302),
        "outsider": (False, 404, False, 404, 404),
        "viewer": (False, 200, False, 403, 403),
        "approver": (False, 404, False, 404, 404),
        "named": (True, 200, True, 302, 403),
        "member": (True, 200, True, 302, 403),
        "excluded": (False, 200, False, 403, 403),
        "operator": (False, 200, False, 403, 200),
        "root": (False, 200, False, 403, 200),
        "tenant": (False, 404, False, 404, 404),
    }
    FOR_ANYBODY = {
        "anonymous": (None, 302, False, 302, 302),
        "outsider": (False, 404, False, 404, 404),
        "viewer": (False, 200, False, 403, 403),
        "approver": (True, 200, True, 302, 403),
        "named": (False, 404, False, 404, 404),
        "member": (False, 404, False, 404, 404),
        "excluded": (False, 200, False, 403, 403),
        "operator": (False, 200, False, 403, 200),
        "root": (True, 200, True, 302, 200),
        "tenant": (False, 404, False, 404, 404),
    }

    def test_the_matrix_has_every_role(self) -> None:
        roles = {*PERMISSIONS, "anonymous", "root"}
        self.assertEqual(set(self.FOR_SOME), roles)
        self.assertEqual(set(self.FOR_ANYBODY), roles)

    def test_a_question_for_some_people(self) -> None:
        people = ["user:named", "group:finance"]
        for role, expected in self.FOR_SOME.items():
            with self.subTest(role):
                self.check(role, expected, assignees=people, exclude=["user:excluded"])

    def test_a_question_for_whoever_may_approve(self) -> None:
        for role, expected in self.FOR_ANYBODY.items():
            with self.subTest(role):
                self.check(role, expected, exclude=["user:excluded"])

    def check(self, role: str, expected: Any, **options: Any) -> None:
        listed, page, may, posted, reassign = expected
        wait, client = self.asked(prompt="Approve this?", **options), self.as_(role)
        response = client.get(reverse(LIST))
        if listed is None:
            self.assertRedirects(
                response, f"/admin/login/?next={reverse(LIST)}", fetch_redirect_response=False
            )
        else:
            self.assertEqual(response.status_code, 200)
            self.assertEqual(str(wait.pk) in response.content.decode(), listed)
        response = client.get(change(wait))
        self.assertEqual(response.status_code, page)
        self.assertEqual('name="_decision"' in response.content.decode(), may)
        self.assertEqual(client.get(reassigning(wait)).status_code, reassign)
        bulk = client.get(deciding(), {"id": str(wait.pk)})
        self.assertEqual(bulk.status_code, page)
        self.assertEqual('name="_comment"' in bulk.content.decode(), may)
        if not may:  # the page that decides on several refuses as the other does
            decided = client.post(deciding(), {"id": str(wait.pk)})
            self.assertEqual(decided.status_code, posted)
        response = client.post(change(wait), APPROVE)
        self.assertEqual(response.status_code, posted)
        self.assertEqual(self.status(wait), "answered" if may else "open")
        self.assertEqual(len(trail(wait)), int(may))
        Wait.objects.filter(pk=wait.pk).delete()

    def test_staff_without_any_role_is_not_bothered_with_it(self) -> None:
        self.assertNotIn(reverse(LIST), self.page("outsider", reverse("admin:index")))
        self.assertNotIn(reverse(LIST), self.page("named", reverse("admin:index")))
        self.asked(assignees=["user:named"])
        self.assertIn(reverse(LIST), self.page("named", reverse("admin:index")))
        self.assertIn(reverse(LIST), self.page("approver", reverse("admin:index")))

    def test_who_is_excluded_is_told_why(self) -> None:
        wait = self.asked(exclude=["user:excluded"])
        text = self.page("excluded", change(wait))
        self.assertIn("excluded from this question are user:excluded", text)

    def test_an_account_that_is_not_active_gets_nowhere(self) -> None:
        wait, client = self.asked(assignees=["user:named"]), self.as_("named")
        User.objects.filter(username="named").update(is_active=False)
        self.assertEqual(client.post(change(wait), APPROVE).status_code, 302)
        self.assertEqual(self.status(wait), "open")

    def test_who_lost_the_permission_a_moment_ago_is_refused(self) -> None:
        from durable.errors import NotAllowed
        from durable.people.reach import inputs

        wait, user = self.asked(), User.objects.get(username="approver")
        self.assertTrue(user.has_perm("durable.approve"))  # remembered from now on
        User.objects.get(username="approver").user_permissions.clear()
        with self.assertRaises(NotAllowed):
            inputs.answer(wait.pk, "approved", by=user, comment="")
        self.assertEqual(self.status(wait), "open")

    def test_who_was_asked_until_a_moment_ago_is_told_why_not(self) -> None:
        from durable.errors import NotAllowed
        from durable.people.reach import inputs

        wait = self.asked(assignees=["user:operator"])
        refusal = NotAllowed("you may not answer this: it is for user:member")
        with mock.patch.object(inputs, "answer", side_effect=refusal):
            response = self.as_("operator").post(change(wait), APPROVE)
        self.assertContains(response, "it is for user:member", status_code=403)

    def test_posting_needs_the_token_against_forgery(self) -> None:
        wait = self.asked()
        client = Client(enforce_csrf_checks=True)
        client.force_login(self.users["approver"])
        for address, data in ((change(wait), APPROVE), (deciding(), {"id": str(wait.pk)})):
            self.assertEqual(client.post(address, data).status_code, 403)
        self.assertEqual(self.status(wait), "open")


class AnswerTests(AdminCase):
    """Answers are checked as the engine checks them, told in words, and audited once."""

    def test_an_approval_goes_on_with_comment_and_name(self) -> None:
        execution = self.ask()
        wait = execution.waits.get()
        response = self.as_("approver").post(change(wait), {**APPROVE, "_comment": "fine"})
        self.assertRedirects(response, reverse(LIST))
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result["answer"], "approved")
        wait.refresh_from_db()
        self.assertEqual((wait.by_name, wait.comment), ("approver", "fine"))
        self.assertEqual(trail(wait), [("provide_input", "approver", "admin 127.0.0.1")])

    def test_who_comes_second_is_told_who_was_first(self) -> None:
        wait = self.asked(assignees=["user:named", "group:finance"])
        with time_travel(NOON):
            self.as_("named").post(change(wait), REJECT)
            response = self.as_("member").post(change(wait), APPROVE)
        self.assertContains(response, "rejected by named at 12:00", status_code=409)
        self.assertEqual(len(trail(wait)), 1)
        self.assertIn("Rejected by named", self.page("named", change(wait)))

    def test_only_the_two_decisions_are_taken(self) -> None:
        wait = self.asked()
        for decision in ("", "yes", "auto", "[]"):
            response = self.as_("approver").post(change(wait), {"_decision": decision})
            self.assertEqual(response.status_code, 422)
        self.assertEqual(self.as_("approver").get(deciding("maybe")).status_code, 404)
        self.assertEqual((self.status(wait), trail(wait)), ("open", []))

    def test_a_choice_is_offered_with_nothing_chosen_and_keeps_its_type(self) -> None:
        execution = self.ask("choice", choices=[(1, "One"), (2, "Two")])
        wait = execution.waits.get()
        text = self.page("approver", change(wait))
        self.assertEqual(len(re.findall(r'<input type="radio" name="answer"', text)), 2)
        self.assertNotIn("checked", text)
        response = self.as_("approver").post(change(wait), {"answer": ""})
        self.assertContains(response, "This field is required", status_code=422)
        self.as_("approver").post(change(wait), {"answer": "2"})
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result["answer"], 2)

    def test_a_long_list_of_choices_begins_with_none(self) -> None:
        wait = self.asked("choice", choices=[f"c{number}" for number in range(30)])
        text = self.page("approver", change(wait))
        self.assertRegex(text, r'<option value=""[^>]*>-+</option>')

    def test_several_choices(self) -> None:
        execution = self.ask("choice", choices=["a", "b", "c"], multiple=True)
        wait = execution.waits.get()
        self.as_("approver").post(change(wait), {"answer": ["a", "c"]})
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result["answer"], ["a", "c"])

    def test_a_text_that_is_missing_or_can_t_be_stored_is_refused(self) -> None:
        wait = self.asked("text", prompt="Why?")
        for text in ("", "a\0b", "x" * 1_100_000):
            response = self.as_("approver").post(change(wait), {"answer": text})
            self.assertEqual(response.status_code, 422)
        response = self.as_("approver").post(change(wait), {"answer": "x", "_comment": "a\0b"})
        self.assertEqual(response.status_code, 422)
        self.assertEqual((self.status(wait), trail(wait)), ("open", []))

    def test_a_form_says_what_is_wrong_with_which_field_and_keeps_what_was_typed(self) -> None:
        execution = self.ask(
            "form",
            fields=[{"name": "city"}, {"name": "amount", "type": "number"}, {"name": "comment"}],
        )
        wait = execution.waits.get()
        typed = {"city": "Bern", "amount": "much", "comment": "own field", "_comment": "mine"}
        response = self.as_("approver").post(change(wait), typed)
        self.assertContains(response, "Enter a number", status_code=422)
        text = response.content.decode()
        for kept in ("Bern", "own field", "mine", 'aria-describedby="id_amount_error"'):
            self.assertIn(kept, text)
        self.assertEqual(text.count('<ul class="errorlist"'), 1)
        self.assertEqual((self.status(wait), trail(wait)), ("open", []))
        self.as_("approver").post(change(wait), {**typed, "amount": "1.5"})
        drain()
        assert_completed(execution)
        self.assertEqual(
            {name: str(value) for name, value in execution.result["answer"].items()},
            {"city": "Bern", "amount": "1.5", "comment": "own field"},
        )
        self.assertEqual(execution.waits.get().comment, "mine")

    def test_a_form_of_the_class_is_a_real_django_form(self) -> None:
        execution = self.ask("form", form="contract")
        wait = execution.waits.get()
        response = self.as_("approver").post(change(wait), {"company": "ACME", "seats": "0"})
        self.assertContains(response, "greater than or equal to 1", status_code=422)
        posted = {"company": "ACME", "seats": "5", "tags": ["a", "b"]}
        self.as_("approver").post(change(wait), posted)
        drain()
        assert_completed(execution)
        wanted = {"company": "ACME", "seats": 5, "tags": ["a", "b"]}
        self.assertEqual(execution.result["answer"], wanted)

    def test_an_answer_after_the_deadline_is_told_so(self) -> None:
        with time_travel(NOON):
            wait = self.asked(timeout=1)
            advance(hours=2, work=False)
            response = self.as_("approver").post(change(wait), APPROVE)
        self.assertContains(response, "time was over", status_code=409)

    def test_a_quorum_shows_the_votes_and_takes_each_person_once(self) -> None:
        people = ["user:named", "user:member", "user:root"]
        wait = self.asked(quorum=2, assignees=people)
        self.assertIn("0 of 2 votes", self.page("named", reverse(LIST)))
        self.as_("named").post(change(wait), {**APPROVE, "_comment": "first"})
        self.assertNotIn(str(wait.pk), self.page("named", reverse(LIST)))
        text = self.page("member", change(wait))
        self.assertIn("Votes so far: 1 of 2", text)
        self.assertIn("first", text)
        self.assertIn("you have approved it already", self.page("named", change(wait)))
        again = self.as_("named").post(change(wait), APPROVE)
        self.assertContains(again, "already approved", status_code=409)
        self.as_("member").post(change(wait), APPROVE)
        self.assertEqual(self.status(wait), "answered")
        self.assertEqual([who for _, who, _ in trail(wait)], ["named", "member"])

    def test_a_new_name_does_not_make_a_second_person(self) -> None:
        wait = self.asked(quorum=2, assignees=["user:named", "user:again"])
        self.as_("named").post(change(wait), APPROVE)
        User.objects.filter(username="named").update(username="again")
        self.users["named"].refresh_from_db()
        self.assertEqual(self.as_("named").post(change(wait), APPROVE).status_code, 409)
        self.assertEqual(self.status(wait), "open")

    def test_the_page_of_one_question_never_answers_another_of_the_same_name(self) -> None:
        from durable import Data, Workflow, step

        class Twice(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                return {"got": [str(self.wait_for_approval("q")) for _ in range(2)]}

        self.workflow = Twice
        execution = self.ask()
        first = execution.waits.get()
        client = self.as_("approver")
        client.post(change(first), APPROVE)
        drain()
        self.assertEqual(execution.waits.count(), 2)
        response = client.post(change(first), REJECT)
        self.assertEqual(response.status_code, 409)
        second = execution.waits.exclude(pk=first.pk).get()
        self.assertEqual(second.status, "open")
        self.assertEqual(self.page("approver", change(second)).count("<li><time"), 1)


class ShownTests(AdminCase):
    """What is shown is escaped, masked, and no more than one may see."""

    def test_nothing_that_is_asked_or_said_becomes_markup(self) -> None:
        for text in XSS:
            with self.subTest(text):
                fields = [{"name": "f", "label": text, "help_text": text}]
                wait = self.asked("form", prompt=text, fields=fields, metadata={text: text})
                approval = self.asked(prompt=text, quorum=2, name=text)
                client = self.as_("root")
                client.post(change(approval), {**APPROVE, "_comment": text})
                refused = client.post(change(wait), {"_comment": text})
                pages = [
                    self.page("root", change(wait)),
                    self.page("root", change(approval)),
                    self.page("root", reverse(LIST) + "?show=all"),
                    self.page("root", reassigning(wait)),
                    self.page("approver", f"{deciding()}?id={wait.pk}&id={approval.pk}"),
                    refused.content.decode(),
                ]
                for page in pages:
                    for bad in ("<script>alert", "<img src=x", "<svg onload", 'href="javascript'):
                        self.assertNotIn(bad, page)
                Wait.objects.all().delete()

    def test_no_page_needs_inline_script_or_style(self) -> None:
        wait = self.asked("form", fields=[{"name": "a"}])
        approval = self.asked()
        for address in (
            reverse(LIST),
            change(wait),
            change(approval),
            reassigning(wait),
            f"{deciding()}?id={approval.pk}",
        ):
            page = self.page("root", address)
            for tag in re.findall(r"<script[^>]*>", page):
                self.assertRegex(tag, r"src=|application/json", address)
            self.assertNotIn("<style", page)
            self.assertNotRegex(page, r"\sstyle=")
            self.assertNotRegex(page, r"\son[a-z]+=")

    def test_marks_that_hide_or_turn_text_are_shown_as_such(self) -> None:
        wait = self.asked(prompt="pay \u202e001 $\u202c now\u200b")
        text = self.page("approver", change(wait))
        self.assertNotIn("\u202e", text)
        self.assertIn("\\u202e001 $\\u202c now\\u200b", text)

    def test_what_looks_secret_is_hidden_from_whoever_may_not_see_payloads(self) -> None:
        fields = [{"name": "api_key"}, {"name": "city"}]
        wait = self.asked("form", fields=fields, metadata={"token": "tok-7", "cost": "CC-7"})
        self.as_("approver").post(change(wait), {"api_key": "sk-secret", "city": "Bern"})
        self.assertEqual(self.status(wait), "answered")
        viewer, root = self.page("viewer", change(wait)), self.page("root", change(wait))
        for hidden in ("sk-secret", "tok-7", "sk-1"):
            self.assertNotIn(hidden, viewer)
            self.assertIn(hidden, root)
        for shown in ("Bern", "CC-7", "Data of the execution"):
            self.assertIn(shown, viewer)

    def test_an_answer_to_a_question_that_asks_for_a_secret_is_hidden(self) -> None:
        wait = self.asked("text", name="api_key")
        self.as_("approver").post(change(wait), {"answer": "sk-secret"})
        self.assertNotIn("sk-secret", self.page("viewer", change(wait)))

    def test_who_is_asked_sees_the_question_but_not_the_execution(self) -> None:
        wait = self.asked(assignees=["user:named"], metadata={"cost": "CC-7"})
        text = self.page("named", change(wait))
        self.assertIn("CC-7", text)
        self.assertNotIn("Data of the execution", text)
        self.assertNotIn(f"/execution/{wait.root_id}", text)
        self.assertIn(f"/execution/{wait.root_id}", self.page("viewer", change(wait)))

    def test_the_subject_is_named(self) -> None:
        order = Order.objects.create(reference="PO-4711", customer="ann@example.com", total=5)
        execution = self.ask(subject=order)
        sight = Permission.objects.get(
            content_type__app_label=Order._meta.app_label, codename="view_order"
        )
        User.objects.get(username="approver").user_permissions.add(sight)
        self.assertIn("PO-4711", self.page("approver", reverse(LIST)))
        self.assertIn("PO-4711", self.page("approver", change(execution.waits.get())))
        order.delete()
        self.assertIn("shop.order", self.page("approver", reverse(LIST)))

    def test_the_history_says_who_did_what_when_and_from_where(self) -> None:
        wait = self.asked(quorum=2, assignees=["user:named", "user:member"])
        self.as_("operator").post(
            reassigning(wait), {"users": ["named", "approver"], "groups": [], "others": ""}
        )
        self.as_("named").post(change(wait), {**APPROVE, "_comment": "I looked"})
        text = self.page("root", change(wait))
        history = text[text.index('class="durable-history"') :]
        said = ("asked", "mailed to named", "operator", "reassigned from named, member to")
        for words in (*said, "named", "approved", "I looked", "admin 127.0.0.1"):
            self.assertIn(words, history)
        self.assertNotIn("admin 127.0.0.1", self.page("viewer", change(wait)))

    def test_a_question_of_a_branch_leads_to_the_whole_execution(self) -> None:
        from durable import Data, Workflow, parallel, step

        class Both(Workflow):
            @step
            def left(self, data: Data) -> Data:
                return {**data, "l": str(self.wait_for_approval("left"))}

            @step
            def right(self, data: Data) -> Data:
                return {**data, "r": str(self.wait_for_approval("right"))}

            flow = parallel(left, right)

        self.workflow = Both
        execution = self.ask()
        waits = Wait.objects.open().filter(root_id=execution.pk)
        self.assertEqual(waits.count(), 2)
        for wait in waits:
            self.assertIn(f"/execution/{execution.pk}/", self.page("root", change(wait)))
            self.as_("approver").post(change(wait), APPROVE)
        drain()
        assert_completed(execution)


class ListTests(AdminCase):
    """The list shows what waits for me, and filters the rest."""

    def rows(self, name: str, **query: str) -> set[str]:
        response = self.as_(name).get(reverse(LIST), query)
        self.assertEqual(response.status_code, 200, query)
        return set(re.findall(r"durable/input/([0-9a-f-]{36})/change", response.content.decode()))

    def test_each_filter_shows_its_own(self) -> None:
        with time_travel(NOON):
            mine, others = self.asked(), self.asked(assignees=["user:named"])
            late, soon = self.asked(due=1), self.asked(due=48)
            done, over = self.asked(), self.asked(timeout=2, timeout_value="late")
            self.as_("root").post(change(done), APPROVE)
            advance(hours=3)
            every = {mine, others, late, soon, done, over}
            expected = {
                "mine": {mine, late, soon},
                "open": {mine, others, late, soon},
                "overdue": {late},
                "answered": {done, over},
                "by_me": {done},
                "all": every,
                "nonsense": {mine, late, soon},
            }
            for show, waits in expected.items():
                with self.subTest(show):
                    found = self.rows("root", show=show)
                    self.assertEqual(found, {str(wait.pk) for wait in waits})
            self.assertIn("overdue", self.page("root", reverse(LIST)))
            text = self.page("root", reverse(LIST) + "?show=answered")
            self.assertIn("approved by root", text)
            self.assertIn("not answered in time", text)

    def test_lists_hold_nothing_that_one_may_not_see(self) -> None:
        mine, other = self.asked(assignees=["user:named"]), self.asked()
        self.assertEqual(self.rows("named", show="all"), {str(mine.pk)})
        self.assertEqual(self.rows("viewer", show="all"), {str(mine.pk), str(other.pk)})
        self.assertEqual(self.rows("viewer"), set())
        for name in ("outsider", "tenant"):
            for show in ("all", "open", "mine", "answered"):
                self.assertEqual(self.rows(name, show=show), set())
        self.as_("named").post(change(mine), APPROVE)
        self.assertEqual(self.rows("named", show="by_me"), {str(mine.pk)})

    def test_it_can_be_searched_and_narrowed_to_a_workflow(self) -> None:
        one, two = self.asked(prompt="Invoice 4711?"), self.asked(prompt="Travel?", name="trip")
        self.assertEqual(self.rows("root", q="4711"), {str(one.pk)})
        self.assertEqual(self.rows("root", q="TRIP"), {str(two.pk)})
        self.assertEqual(self.rows("root", q=str(two.root_id)), {str(two.pk)})
        for odd in (
            "\0",
            "%",
            "'; drop",
            "x" * 5000,
            "\\",
            "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
        ):
            self.assertEqual(self.rows("root", q=odd) - {str(one.pk), str(two.pk)}, set())
        name = one.execution.workflow
        self.assertEqual(len(self.rows("root", workflow=name)), 2)
        self.assertEqual(self.rows("root", workflow="other"), set())

    def test_a_search_tells_nothing_of_what_is_hidden(self) -> None:
        told = {"Password": "hunter2", "Purpose": "A lathe"}
        wait = self.asked(prompt='Buy "it"\nnow?', metadata=told)
        for word in ("hunter2", "hunter", "lathe", "metadata", "Password"):
            self.assertEqual(self.rows("root", q=word, show="all"), set(), word)
        for word in ('"it"', "BUY", "now?"):
            self.assertEqual(self.rows("root", q=word, show="all"), {str(wait.pk)}, word)

    def test_viewers_have_neither_buttons_nor_actions(self) -> None:
        self.asked(), self.asked(assignees=["user:named"])
        for name, has in (("viewer", False), ("operator", False), ("approver", True)):
            text = self.page(name, reverse(LIST) + "?show=open")
            self.assertEqual("durable-yes" in text, has, name)
            self.assertEqual('name="action"' in text, has, name)

    def test_the_number_of_statements_does_not_grow_with_the_list(self) -> None:
        order = Order.objects.create(reference="PO-1", customer="ann@example.com", total=5)

        def statements(show: str) -> int:
            client = self.as_("root")
            with CaptureQueriesContext(connection) as queries:
                self.assertEqual(client.get(reverse(LIST), {"show": show}).status_code, 200)
            return len(queries)

        def answered() -> None:
            wait = self.ask(subject=order, due=1).waits.get()
            durable.provide_input(wait.root_id, "q", "approved", by=self.users["root"])

        self.ask(subject=order, due=1), answered()
        few = {show: statements(show) for show in ("mine", "answered", "all")}
        for _ in range(15):
            self.ask(subject=order, due=1), answered()
        for show, number in few.items():
            self.assertLessEqual(statements(show), number, show)

    def test_escalation_brings_the_question_to_others_in_its_time(self) -> None:
        with time_travel(NOON):
            wait = self.asked(assignees=["user:named"], escalate=[[24, "group:finance"]])
            self.assertEqual(self.rows("member"), set())
            text = self.page("named", change(wait))
            self.assertRegex(text, "group finance, <time[^>]*>in 1 day</time>")
            self.assertIn("2025-03-04 12:00:00 UTC", text)
            self.page("member", change(wait), 404)
            advance(hours=24)
            self.assertEqual(self.rows("member"), {str(wait.pk)})
            self.assertEqual(self.rows("named"), {str(wait.pk)})
            self.as_("member").post(change(wait), APPROVE)
            self.assertEqual(self.status(wait), "answered")

    def test_escalation_of_a_question_for_anybody_asks_the_named_besides(self) -> None:
        with time_travel(NOON):
            wait = self.asked(escalate=[[24, "user:named"]])
            self.page("named", change(wait), 404)
            advance(hours=24)
            self.assertEqual(self.rows("named"), {str(wait.pk)})
            self.assertEqual(self.rows("approver"), {str(wait.pk)})


class ManyTests(AdminCase):
    """Deciding on many at once says of each what came of it."""

    def chosen(self, name: str, waits: list[Wait], action: str = "approve") -> Any:
        data = {"action": action, "_selected_action": [str(wait.pk) for wait in waits], "index": 0}
        return self.as_(name).post(reverse(LIST), data)

    def test_twenty_are_approved_with_one_comment(self) -> None:
        executions = [self.ask(prompt=f"Report {number}?") for number in range(20)]
        waits = [execution.waits.get() for execution in executions]
        page = self.chosen("approver", waits)
        self.assertContains(page, "Approve 20 inputs")
        ids = re.findall(r'name="id" value="([^"]+)"', page.content.decode())
        self.assertEqual(set(ids), {str(wait.pk) for wait in waits})
        self.assertEqual({self.status(wait) for wait in waits}, {"open"})
        done = self.as_("approver").post(deciding(), {"id": ids, "_comment": "all fine"})
        self.assertContains(done, "20 of 20 recorded")
        self.assertContains(done, "approved by approver", count=20)
        drain()
        for execution in executions:
            assert_completed(execution)
        self.assertEqual(
            set(Wait.objects.values_list("comment", "by_name")), {("all fine", "approver")}
        )
        entries = AuditEntry.objects.filter(action="provide_input")
        self.assertEqual(entries.count(), 20)
        self.assertEqual(entries.filter(origin="admin 127.0.0.1").count(), 20)

    def test_each_row_says_what_came_of_it(self) -> None:
        people = ["user:named", "user:member"]
        free, taken = self.asked(assignees=people), self.asked(assignees=people)
        text, mine_no_more = self.asked("text", assignees=people), self.asked(assignees=people)
        foreign = self.asked(assignees=["user:member"])
        self.as_("member").post(change(taken), REJECT)
        waits = [free, taken, text, mine_no_more, foreign]
        durable.reassign(mine_no_more.root_id, "q", "user:member")
        data = {"id": [str(wait.pk) for wait in waits]}
        done = self.as_("named").post(deciding(), data).content.decode()
        self.assertIn("approved by named", done)
        self.assertIn("already rejected by member", done)
        self.assertIn("this is no approval", done)
        for unseen in (mine_no_more, foreign):  # what one may not see does not exist
            self.assertNotIn(str(unseen.pk), done)
            self.assertEqual(self.status(unseen), "open")

    def test_one_that_fails_is_answered_with_its_status(self) -> None:
        people = ["user:named", "user:member"]
        wait = self.asked(assignees=people)
        self.as_("member").post(change(wait), REJECT)
        response = self.as_("named").post(deciding(), {"id": str(wait.pk)})
        self.assertContains(response, "already rejected by member", status_code=409)
        self.assertEqual(self.as_("named").post(deciding(), {"id": "nonsense"}).status_code, 404)
        self.assertEqual(self.as_("named").post(deciding(), {}).status_code, 404)

    def test_a_button_of_a_row_leads_to_its_decision(self) -> None:
        wait = self.asked()
        for decision in ("approved", "rejected"):
            self.assertIn(
                f"{deciding(decision)}?id={wait.pk}", self.page("approver", reverse(LIST))
            )
        page = self.as_("approver").get(deciding("rejected"), {"id": str(wait.pk)})
        self.assertContains(page, "Reject 1 input")
        self.assertEqual(self.status(wait), "open")
        data = {"id": str(wait.pk), "_comment": "no"}
        response = self.as_("approver").post(deciding("rejected"), data, follow=True)
        self.assertContains(response, "rejected by approver")

    def test_viewers_can_t_use_the_action(self) -> None:
        wait = self.asked()
        self.chosen("viewer", [wait])
        response = self.as_("viewer").post(deciding(), {"id": str(wait.pk)})
        self.assertEqual((response.status_code, self.status(wait)), (403, "open"))


class ReassignTests(AdminCase):
    """Whoever has the permission puts others in charge, but nobody excluded does."""

    def hand_on(self, name: str, wait: Wait, **data: Any) -> Any:
        return self.as_(name).post(reassigning(wait), data)

    def test_users_groups_and_texts(self) -> None:
        wait = self.asked(assignees=["user:named"])
        Group.objects.create(name="board")
        others = "group:board\n perm:durable.approve \n"
        response = self.hand_on(
            "operator", wait, users=["member"], groups=["finance"], others=others
        )
        self.assertRedirects(response, change(wait))
        wait.refresh_from_db()
        people = ["user:member", "group:finance", "group:board", "perm:durable.approve"]
        self.assertEqual(wait.assignees, people)
        self.assertEqual(trail(wait), [("reassign", "operator", "admin 127.0.0.1")])
        entry = AuditEntry.objects.get(wait_id=wait.pk)
        self.assertEqual((entry.before, entry.after), (["user:named"], people))
        self.page("named", change(wait), 404)

    def test_who_does_not_exist_is_refused(self) -> None:
        wait = self.asked(assignees=["user:named"])
        User.objects.filter(username="member").update(is_active=False)
        for data in (
            {"others": "user:nobody"},
            {"others": "user:member"},
            {"others": "group:none"},
            {"others": "perm:durable.nothing"},
            {"others": "named"},
            {"others": "user:a\0b"},
            {"users": ["nobody"]},
            {},
        ):
            with self.subTest(data):
                self.assertEqual(self.hand_on("operator", wait, **data).status_code, 422)
        wait.refresh_from_db()
        self.assertEqual((wait.assignees, trail(wait)), (["user:named"], []))

    def test_four_eyes_hold_for_handing_on(self) -> None:
        wait = self.asked(assignees=["user:named"], exclude=["user:excluded", "group:finance"])
        refused = self.hand_on("excluded", wait, users=["operator"])
        self.assertEqual(refused.status_code, 403)
        for to in ({"users": ["excluded"]}, {"groups": ["finance"]}, {"users": ["member"]}):
            response = self.hand_on("operator", wait, **to)
            self.assertContains(response, "is excluded from this question", status_code=422)
        self.assertEqual(trail(wait), [])

    def test_a_question_that_is_answered_stays_where_it_is(self) -> None:
        wait = self.asked(assignees=["user:named"])
        self.as_("named").post(change(wait), APPROVE)
        response = self.hand_on("operator", wait, users=["member"])
        self.assertContains(response, "approved by named", status_code=409)

    def test_without_the_permission_not_even_the_assignee_may(self) -> None:
        wait = self.asked(assignees=["user:named"])
        self.assertEqual(self.hand_on("named", wait, users=["member"]).status_code, 403)
        self.assertEqual(self.hand_on("viewer", wait, users=["member"]).status_code, 403)
        self.assertEqual(self.hand_on("tenant", wait, users=["member"]).status_code, 404)


class RaceTests(AskingMixin, ThreadedTestCase):
    """Two at the same moment: one wins, the other is told."""

    def setUp(self) -> None:
        super().setUp()
        self.people()

    def test_two_decisions_at_once_have_one_winner(self) -> None:
        for _ in range(5):
            wait = self.asked(assignees=["user:named", "user:member"])
            named, member = self.as_("named"), self.as_("member")
            one, other = together(
                lambda named=named, wait=wait: named.post(change(wait), APPROVE),
                lambda member=member, wait=wait: member.post(change(wait), REJECT),
            )
            self.assertEqual({one.status_code, other.status_code}, {302, 409})
            loser = one if one.status_code == 409 else other
            wait.refresh_from_db()
            self.assertContains(loser, f"by {wait.by_name} at", status_code=409)
            self.assertEqual(wait.by_name, "named" if loser is other else "member")
            self.assertEqual(len(trail(wait)), 1)

    def test_two_votes_at_once_are_both_counted(self) -> None:
        wait = self.asked(quorum=2, assignees=["user:named", "user:member"])
        named, member = self.as_("named"), self.as_("member")
        answers = together(
            lambda: named.post(change(wait), APPROVE), lambda: member.post(change(wait), APPROVE)
        )
        self.assertEqual([answer.status_code for answer in answers], [302, 302])
        wait.refresh_from_db()
        self.assertEqual((wait.status, wait.vote_count), ("answered", 2))

    def test_an_answer_that_races_a_reassignment_is_given_by_who_was_asked(self) -> None:
        for _ in range(5):
            wait = self.asked(assignees=["user:named"])
            named, operator = self.as_("named"), self.as_("operator")
            together(
                lambda named=named, wait=wait: named.post(change(wait), APPROVE),
                lambda operator=operator, wait=wait: operator.post(
                    reassigning(wait), {"users": ["member"]}
                ),
            )
            wait.refresh_from_db()
            last = trail(wait)[-1][0]
            if wait.status == "answered":  # before it was handed on, or not at all after
                self.assertEqual(trail(wait), [("provide_input", "named", "admin 127.0.0.1")])
            else:
                self.assertEqual((last, wait.assignees), ("reassign", ["user:member"]))
