"""A link in a mail answers one question, for one person, once; and shows before it decides."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core import mail, signing
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

import durable
from durable.models import AnswerLink, AuditEntry, Wait
from durable.people.reach import links
from durable.testing import advance, assert_completed, drain, time_travel
from tests.cases import ThreadedTestCase, WorkflowTestCase, together
from tests.people.asking import NOON, PUBLIC, XSS, AskingMixin, change, trail


def address(token: str) -> str:
    """The page of a link."""
    return reverse("durable:answer", args=[token])


class LinkCase(AskingMixin, WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.people()

    def tokens(self, wait: Wait, name: str = "named") -> dict[str, str]:
        """What a mail to this person would hold: the token of each decision."""
        made = links.make(wait, self.users[name])
        return {one.decision or "answer": one.token for one in made}

    def pair(self, **options: Any) -> tuple[Wait, dict[str, str]]:
        wait = self.asked(**{"assignees": ["user:named"], **options})
        return wait, self.tokens(wait)

    def open(self, token: str, status: int = 200) -> str:
        response = self.client.get(address(token))
        self.assertEqual(response.status_code, status)
        return response.content.decode()

    def post(self, token: str, status: int = 200, **data: str) -> str:
        response = self.client.post(address(token), data)
        self.assertEqual(response.status_code, status)
        return response.content.decode()

    def is_open(self, wait: Wait) -> bool:
        return Wait.objects.get(pk=wait.pk).status == "open"


class UseTests(LinkCase):
    """The way of a link that works."""

    def test_the_link_of_the_mail_leads_through_the_page_to_the_answer(self) -> None:
        mail.outbox.clear()
        execution = self.ask(prompt="Buy it?", assignees=["user:named"])
        (message,) = mail.outbox
        approve, _reject = re.findall(rf"^{PUBLIC}(/durable/answer/\S+)$", str(message.body), re.M)
        client = Client(enforce_csrf_checks=True)  # nobody is logged in
        page = client.get(approve)
        self.assertContains(page, "Buy it?")
        self.assertContains(page, "named")
        self.assertContains(page, "You are about to approve this.")
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.content.decode())
        assert token is not None
        self.assertEqual(client.post(approve, {}).status_code, 403)
        sent = {"csrfmiddlewaretoken": token[1], "_comment": "go on"}
        done = client.post(approve, sent, headers={"Origin": "http://testserver"})
        self.assertContains(done, "Approved by named")
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result["answer"], "approved")
        wait = execution.waits.get()
        self.assertEqual((wait.by, wait.comment), (self.users["named"], "go on"))
        self.assertEqual(trail(wait), [("provide_input", "named", "link 127.0.0.1")])

    def test_looking_decides_nothing_however_often(self) -> None:
        wait, tokens = self.pair()
        for token in tokens.values():
            for method in ("get", "head", "get"):
                response = getattr(self.client, method)(address(token))
                self.assertEqual(response.status_code, 200)
            for method in ("put", "delete", "patch"):
                self.assertEqual(getattr(self.client, method)(address(token)).status_code, 405)
        self.assertTrue(self.is_open(wait))
        self.assertFalse(AnswerLink.objects.filter(used_at__isnull=False).exists())
        self.assertFalse(AuditEntry.objects.filter(wait_id=wait.pk).exists())

    def test_the_decision_is_that_of_the_link_whatever_is_posted(self) -> None:
        wait, tokens = self.pair()
        self.post(tokens["rejected"], _decision="approved", answer="approved")
        self.assertEqual(Wait.objects.get(pk=wait.pk).answer, "rejected")

    def test_a_form_is_asked_for_and_refused_until_it_is_right(self) -> None:
        execution = self.ask(
            "form",
            assignees=["user:named"],
            fields=[{"name": "city"}, {"name": "n", "type": "integer"}],
        )
        wait = execution.waits.get()
        token = self.tokens(wait)["answer"]
        page = self.post(token, 422, city="Bern", n="many", _comment="typed")
        for kept in ("Enter a whole number", "Bern", "typed"):
            self.assertIn(kept, page)
        self.post(token, 422, city="a\0", n="1")
        self.assertTrue(self.is_open(wait))
        self.assertFalse(AnswerLink.objects.filter(used_at__isnull=False).exists())
        self.post(token, city="Bern", n="3")
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result["answer"], {"city": "Bern", "n": 3})

    def test_choices_and_texts(self) -> None:
        for kind, options, posted, answer in (
            ("choice", {"choices": [1, 2]}, "2", 2),
            ("text", {}, "because", "because"),
        ):
            execution = self.ask(kind, assignees=["user:named"], **options)
            self.post(self.tokens(execution.waits.get())["answer"], answer=posted)
            drain()
            assert_completed(execution)
            self.assertEqual(execution.result["answer"], answer)

    def test_a_vote_uses_the_link_up(self) -> None:
        wait = self.asked(quorum=2, assignees=["user:named", "user:member"])
        tokens = self.tokens(wait)
        self.assertIn("1 of 2", self.post(tokens["approved"]))
        self.assertIn("works once", self.post(tokens["approved"], 410))
        self.assertIn("You have approved this already", self.open(tokens["rejected"], 410))
        self.assertTrue(self.is_open(wait))
        self.post(self.tokens(wait, "member")["approved"])
        self.assertFalse(self.is_open(wait))
        self.assertEqual([who for _, who, _ in trail(wait)], ["named", "member"])


class DeadTests(LinkCase):
    """A link that opens nothing says so, in words and by its status."""

    def test_it_works_once(self) -> None:
        _, tokens = self.pair(quorum=2)
        self.post(tokens["approved"])
        self.post(tokens["approved"], 410)
        self.assertIn("It works once", self.open(tokens["approved"], 410))

    def test_it_dies_with_the_answer(self) -> None:
        with time_travel(NOON):
            wait, tokens = self.pair(assignees=["user:named", "user:member"])
            self.as_("member").post(change(wait), {"_decision": "rejected"})
            for token in tokens.values():
                self.assertIn("rejected by member at 12:00", self.open(token, 410))
                self.post(token, 410)
        self.assertEqual(len(trail(wait)), 1)

    def test_it_dies_with_the_execution(self) -> None:
        wait, tokens = self.pair()
        durable.cancel(wait.root_id)
        self.assertIn("cancelled", self.open(tokens["approved"], 410))

    def test_it_expires(self) -> None:
        with time_travel(NOON):
            wait, tokens = self.pair()
            advance(days=14, work=False)
            self.assertIn("good until", self.open(tokens["approved"], 410))
            self.post(tokens["approved"], 410)
            self.assertTrue(self.is_open(wait))

    def test_it_ends_with_the_time_to_answer(self) -> None:
        with time_travel(NOON):
            wait, tokens = self.pair(timeout=2)
            self.assertEqual(AnswerLink.objects.first().expires_at, NOON + timedelta(hours=2))  # type: ignore[union-attr]
            advance(hours=2, work=False)
            self.assertIn("over at 14:00", self.open(tokens["approved"], 410))
            self.post(tokens["approved"], 410)
            self.assertTrue(self.is_open(wait))

    def test_it_dies_when_the_question_is_handed_on(self) -> None:
        wait, tokens = self.pair(prompt="Secret plan?")
        durable.reassign(wait.root_id, "q", "user:member")
        page = self.open(tokens["approved"], 403)
        self.assertIn("for others now", page)
        self.assertNotIn("Secret plan", page)
        self.post(tokens["approved"], 403)
        self.assertTrue(self.is_open(wait))

    def test_it_dies_with_the_account(self) -> None:
        wait, tokens = self.pair(prompt="Secret plan?")
        User.objects.filter(username="named").update(is_active=False)
        page = self.open(tokens["approved"], 403)
        self.assertIn("not active", page)
        self.assertNotIn("Secret plan", page)
        self.post(tokens["approved"], 403)
        User.objects.filter(username="named").delete()
        self.open(tokens["approved"], 404)
        self.assertTrue(self.is_open(wait))

    def test_it_is_nothing_to_the_excluded_and_to_those_a_policy_shuts_out(self) -> None:
        wait = self.asked(exclude=["user:excluded"])
        for name in ("excluded", "tenant", "viewer"):
            tokens = self.tokens(wait, name)
            self.open(tokens["approved"], 403)
            self.post(tokens["approved"], 403)
        self.assertTrue(self.is_open(wait))
        self.assertFalse(AnswerLink.objects.filter(used_at__isnull=False).exists())

    def test_it_goes_with_the_execution_when_that_is_removed(self) -> None:
        from durable.engine.operators.prune import prune

        wait, tokens = self.pair()
        self.post(tokens["approved"])
        drain()
        self.assertEqual(prune(timedelta(0)), 1)
        self.assertFalse(AnswerLink.objects.exists())
        self.open(tokens["approved"], 404)
        self.assertEqual(len(trail(wait)), 1)

    def test_a_question_of_the_same_name_later_on_is_another(self) -> None:
        from durable import Data, Workflow, step

        class Twice(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                found = [self.wait_for_approval("q", assignees="user:named") for _ in range(2)]
                return {"got": [str(one) for one in found]}

        self.workflow = Twice
        execution = self.ask()
        tokens = self.tokens(execution.waits.get())
        durable.provide_input(execution.id, "q", "approved")
        drain()
        self.post(tokens["rejected"], 410)
        self.assertEqual(execution.waits.filter(status="open").count(), 1)


class ForgeryTests(LinkCase):
    """What this site has not signed does not exist, and is not even looked up."""

    def forged(self, *parts: Any, salt: str = links.SALT, key: str | None = None) -> str:
        signer = signing.Signer(salt=salt, key=key) if key else signing.Signer(salt=salt)
        return signer.sign_object(list(parts))

    def test_a_token_that_was_changed_is_not_found_without_any_query(self) -> None:
        _, tokens = self.pair()
        good = tokens["approved"]
        body, _, signature = good.rpartition(":")
        self.client.get("/")  # whatever is loaded once
        for bad in (
            "x",
            ":",
            good[:-1],
            f"{good}x",
            f"{body}:",
            f"x{good}",
            body,
            good.upper(),
            f"{body[:-4]}AAAA:{signature}",
            "." + good,
            "ü" + good,
            "x" * 10_000,
        ):
            with self.subTest(bad[:40]), CaptureQueriesContext(connection) as queries:
                self.assertEqual(self.client.get(address(bad)).status_code, 404)
                self.assertEqual(self.client.post(address(bad)).status_code, 404)
            self.assertEqual(len(queries), 0)

    def test_another_key_or_salt_signs_nothing_here(self) -> None:
        wait, _ = self.pair()
        link = AnswerLink.objects.filter(wait=wait).first()
        assert link is not None
        parts = (link.pk.hex, wait.pk.hex, str(link.recipient_id), link.decision, "nonce")
        for options in ({"key": "other"}, {"salt": "other"}):
            self.open(self.forged(*parts, **options), 404)

    def test_what_was_signed_must_be_what_was_stored(self) -> None:
        """Even whoever could sign gets nowhere without the nonce, which nobody has stored."""
        wait, tokens = self.pair()
        other = self.asked(assignees=["user:member"])
        pk, *_, nonce = signing.Signer(salt=links.SALT).unsign_object(tokens["rejected"])
        link = AnswerLink.objects.get(pk=pk)
        right = [link.pk.hex, wait.pk.hex, str(link.recipient_id), "rejected", nonce]
        self.open(self.forged(*right))
        for place, value in (
            (0, AnswerLink.objects.exclude(pk=link.pk).first().pk.hex),  # type: ignore[union-attr]
            (0, "zz"),
            (1, other.pk.hex),
            (2, str(self.users["member"].pk)),
            (3, "approved"),
            (3, ""),
            (4, "guess"),
            (4, link.digest),
        ):
            parts = [value if number == place else part for number, part in enumerate(right)]
            self.open(self.forged(*parts), 404)
            self.post(self.forged(*parts), 404)
        for odd in ([], right[:4], [*right, 1], [1, 2, 3, 4, 5], [None] * 5):
            self.open(self.forged(*odd), 404)
        self.assertTrue(self.is_open(wait))
        self.assertTrue(self.is_open(other))

    def test_the_database_holds_nothing_that_opens_a_link(self) -> None:
        _, tokens = self.pair()
        stored = " ".join(str(row) for row in AnswerLink.objects.values_list())
        for token in tokens.values():
            _, _, _, _, nonce = signing.Signer(salt=links.SALT).unsign_object(token)
            self.assertNotIn(nonce, stored)
            self.assertNotIn(token, stored)

    def test_a_rotated_key_still_reads_what_it_signed(self) -> None:
        _, tokens = self.pair()
        with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["for-tests-only"]):
            self.open(tokens["approved"])
        with override_settings(SECRET_KEY="new"):
            self.open(tokens["approved"], 404)


class PageTests(LinkCase):
    """The page is nobody else's: not kept, not framed, not indexed, with nothing inline."""

    def test_its_headers(self) -> None:
        _, tokens = self.pair()
        for response in (
            self.client.get(address(tokens["approved"])),
            self.client.post(address(tokens["approved"])),
            self.client.get(address(tokens["approved"])),
        ):
            headers = response.headers
            self.assertIn("no-store", headers["Cache-Control"])
            self.assertEqual(headers["Referrer-Policy"], "same-origin")
            self.assertIn("noindex", headers["X-Robots-Tag"])
            policy = headers["Content-Security-Policy"]
            self.assertIn("default-src 'none'", policy)
            self.assertIn("frame-ancestors 'none'", policy)
            self.assertNotIn("unsafe", policy)

    def test_its_address_is_not_written_to_the_log(self) -> None:
        wait = self.asked("text", assignees=["user:named"])
        token = self.tokens(wait)["answer"]
        with self.assertNoLogs("django.request", "WARNING"):
            self.post(token, 422, answer="")
            self.post(token, answer="x")
            self.post(token, 410, answer="x")

    def test_static_files_of_another_host_are_allowed_for(self) -> None:
        _, tokens = self.pair()
        with override_settings(STATIC_URL="https://cdn.example.net/s/"):
            response = self.client.get(address(tokens["approved"]))
        policy = response.headers["Content-Security-Policy"]
        self.assertIn("style-src 'self' https://cdn.example.net;", policy)

    def test_nothing_becomes_markup_and_nothing_is_inline(self) -> None:
        for text in XSS:
            fields = [{"name": "f", "label": text, "help_text": text}]
            options = {"prompt": text, "fields": fields, "metadata": {text: text}}
            wait = self.asked("form", assignees=["user:named"], **options)
            token = self.tokens(wait)["answer"]
            for page in (
                self.open(token),
                self.post(token, 422, _comment=text),
                self.post(token, f=text),
            ):
                for bad in ("<script", "<img", "<svg", "<style", "{% now %}" * 2):
                    self.assertNotIn(bad, page)
                self.assertNotRegex(page, r"<[^>]*\s(style|on[a-z]+)=")

    def test_it_shows_no_secrets_and_nothing_of_the_execution(self) -> None:
        wait = self.asked(assignees=["user:named"], metadata={"token": "tok-7", "cost": "CC-7"})
        page = self.open(self.tokens(wait)["approved"])
        self.assertIn("CC-7", page)
        for hidden in ("tok-7", "sk-1", str(wait.root_id)):
            self.assertNotIn(hidden, page)


class RaceTests(AskingMixin, ThreadedTestCase):
    """A link that is used twice at the same moment answers once."""

    def test_one_use_wins_the_other_is_told(self) -> None:
        self.people()
        for quorum in (1, 3):
            wait = self.asked(quorum=quorum, assignees=["user:named"])
            token = links.make(wait, self.users["named"])[0].token
            clients = Client(), Client()
            answers = together(
                *(lambda client=client, t=token: client.post(address(t)) for client in clients)
            )
            self.assertEqual(sorted(answer.status_code for answer in answers), [200, 410])
            self.assertEqual(len(trail(wait)), 1)
