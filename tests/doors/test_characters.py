"""No character hides: each one that can't be seen is written as what it is, in every medium."""

from __future__ import annotations

import io
import json
import unicodedata
from typing import Any
from unittest import TestCase, mock

from django.contrib.auth.models import User
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.db.models import QuerySet
from django.urls import reverse

import durable
from durable.errors import AlreadyAnswered, DurableError, NotAllowed
from durable.models import AnswerLink, AuditEntry, Execution, StepRun, Wait, audit_trigger
from durable.people.reach import inputs, links
from durable.showing.characters import drawable, visible, visible_line
from tests.cases import WorkflowTestCase
from tests.doors.admin.test_escapes import Reader
from tests.people.asking import LIST, AskingMixin, change, deciding, reassigning

#: One of each kind, by name.
HIDING = {
    "control": "\x1b",
    "control of C1": "\x9b",
    "soft hyphen": "\xad",
    "joiner of graphemes": "\u034f",
    "Arabic letter mark": "\u061c",
    "filler": "\u3164",
    "zero-width space": "\u200b",
    "non-joiner": "\u200c",
    "joiner": "\u200d",
    "mark of direction": "\u200f",
    "line separator": "\u2028",
    "embedding": "\u202a",
    "override": "\u202e",
    "word joiner": "\u2060",
    "function application": "\u2061",
    "invisible times": "\u2062",
    "invisible separator": "\u2063",
    "invisible plus": "\u2064",
    "isolate": "\u2067",
    "blank of Braille": "\u2800",
    "private use": "\ue000",
    "selector": "\ufe0f",
    "byte order mark": "\ufeff",
    "annotation": "\ufffa",
    "tag": "\U000e0041",
    "far selector": "\U000e0101",
}
ALL = "".join(f"a{char}" for char in HIDING.values())
#: what the same text is where every character is seen
SEEN = "".join(f"a{char.encode('unicode_escape').decode()}" for char in HIDING.values())

SHAPED = (
    "می\u200cخواهم",  # Persian: the letters before and behind are not joined
    "क\u094d\u200dष",  # Hindi: half a letter
    "\U0001f469\u200d\U0001f4bb \u2764\ufe0f\u200d\U0001f525 1\ufe0f\u20e3",
)


class RuleTests(TestCase):
    """The rule by itself."""

    def test_whatever_has_no_shape_is_written_as_its_escape(self) -> None:
        self.assertEqual(visible(ALL), SEEN)
        self.assertEqual(visible_line(ALL), SEEN)
        self.assertEqual(drawable(ALL), "a\ufffd" * len(HIDING))

    def test_no_character_without_a_shape_is_forgotten(self) -> None:
        #: Arabic and Syriac numbers' signs: of the category of formats, but drawn
        drawn = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
        for number in sorted({*range(0x110000)} - drawn):
            char = chr(number)
            if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
                self.assertNotEqual(visible_line(char), char, hex(number))
                if char not in "\t\n":
                    self.assertNotEqual(visible(f"a{char}"), f"a{char}", hex(number))
                    self.assertNotIn(char, drawable(f"a{char}b"), hex(number))

    def test_line_breaks_and_tabs_stay_where_there_are_lines(self) -> None:
        self.assertEqual(visible("a\tb\nc\r\nd\re"), "a\tb\nc\r\nd\\re")
        self.assertEqual(visible_line("a\tb\nc\r\nd"), "a\\tb\\nc\\r\\nd")
        self.assertEqual(drawable("a\tb\nc\r\nd"), "a b c d")

    def test_what_shapes_its_neighbours_is_seen_and_stays(self) -> None:
        for text in SHAPED:
            for rule in (visible, visible_line, drawable):
                self.assertEqual(rule(text), text)
        self.assertEqual(visible("\u2764\ufe0f\ufe0f"), "\u2764\ufe0f\\ufe0f")
        self.assertEqual(visible("a\u200d\u2764"), "a\\u200d\u2764")

    def test_text_of_any_script_stays(self) -> None:
        for text in ("請求書", "e\u0301", "שלום", "สวัสดี", "\U0001f600", "a\xa0b", "x²", "–"):
            self.assertEqual(visible(text), text)


class MediaTests(AskingMixin, WorkflowTestCase):
    """The rule in each medium, for all that users can put into it."""

    def setUp(self) -> None:
        super().setUp()
        self.people()
        self.root = self.as_("root")

    def assertSeen(self, text: str, where: str) -> None:
        """No character hides in a text; what hid is there as escapes."""
        hidden = {name for name, char in HIDING.items() if char in text}
        self.assertEqual(hidden, set(), where)
        self.assertIn(SEEN, text, where)

    def poisoned(self, kind: str, **options: Any) -> Wait:
        """A question with everything in every text of it, its past, and its execution."""
        options |= {"prompt": f"Pay {ALL}?", "metadata": {f"to {ALL}": f"iban {ALL}"}}
        wait = self.asked(kind, assignees=["user:member", "user:named"], **options)
        durable.reassign(wait.root_id, "q", "user:named")
        vote = {"id": "0", "by": ALL, "decision": "approved", "at": wait.opened_at, "comment": ALL}
        Wait.objects.update(assignees=["user:root", f"user:named{ALL}"], votes=[vote])
        audit_trigger.remove(connection)  # rolled back with the rest
        QuerySet(AuditEntry).update(actor_name=ALL, origin=ALL, before=[f"user:{ALL}"])
        Execution.objects.update(workflow=f"pay_{ALL}", subject_type="a.b", subject_id=ALL)
        error = {"type": ALL, "message": ALL, "step": ALL, "attempt": 1, "traceback": ALL}
        log = json.dumps({"at": ALL, "level": "INFO", "logger": ALL, "message": ALL})
        StepRun.objects.update(logs=log, error=error, output={ALL: ALL})
        User.objects.filter(username="named").update(username=f"named{ALL}")
        wait = Wait.objects.select_related("execution").get(pk=wait.pk)
        self.users["named"].refresh_from_db()
        return wait

    def page(self, address: str, status: int = 200) -> str:
        response = self.root.get(address)
        self.assertEqual(response.status_code, status, address)
        return Reader(response.content.decode()).text

    def test_the_page_where_people_approve(self) -> None:
        wait = self.poisoned("approval", quorum=2)
        links.make(wait, self.users["named"])  # is told in the history
        for address in (
            change(wait),
            reassigning(wait),
            f"{deciding()}?id={wait.pk}",
            f"{reverse(LIST)}?show=open",
            reverse("admin:durable_execution_change", args=[wait.root_id]),
        ):
            self.assertSeen(self.page(address), address)

    def test_the_page_of_a_question_that_is_answered(self) -> None:
        wait = self.poisoned("text")
        durable.provide_input(wait.root_id, "q", "yes", comment=ALL)
        Wait.objects.update(by_name=ALL, answer=ALL)
        self.assertSeen(self.page(change(wait)), "page")
        self.assertSeen(self.page(f"{reverse(LIST)}?show=answered"), "list")

    def test_refusals_on_the_page_where_people_approve(self) -> None:
        wait = self.asked("text")
        for refusal, status in (
            (NotAllowed(f"not you: {ALL}"), 403),
            (AlreadyAnswered(f"before: {ALL}"), 409),
            (DurableError(f"no: {ALL}"), 422),
        ):
            with (
                self.subTest(refusal=type(refusal)),
                mock.patch.object(inputs, "answer", side_effect=refusal),
            ):
                response = self.root.post(change(wait), {"answer": "yes"})
                self.assertEqual(response.status_code, status)
                self.assertSeen(Reader(response.content.decode()).text, "page")

    def test_the_choices_among_which_people_choose(self) -> None:
        wait = self.poisoned("choice", choices=[("yes", f"Yes {ALL}"), ("no", "No")])
        text = self.page(change(wait))
        self.assertSeen(text, "page")
        self.assertIn(f"Yes {SEEN}", text)

    def test_the_value_behind_a_choice_is_sent_as_it_is(self) -> None:
        wait = self.asked("choice", choices=[f"yes {ALL}", "no"])
        answer = {"answer": f"yes {ALL}"}
        self.assertEqual(self.root.post(change(wait), answer).status_code, 302)
        self.assertEqual(Wait.objects.get(pk=wait.pk).answer, f"yes {ALL}")

    def test_the_page_that_a_link_in_a_mail_opens(self) -> None:
        wait = self.poisoned("approval")
        User.objects.filter(pk=self.users["named"].pk).update(is_superuser=True)
        (made, _reject) = links.make(wait, self.users["named"])  # who may answer for lost code
        address = reverse("durable:answer", args=[made.token])
        self.assertSeen(self.page(address), "asks")
        Wait.objects.update(status="answered", by_name=ALL, resolved_at=wait.opened_at)
        self.assertSeen(self.page(address, 410), "closed")

    def test_mails(self) -> None:
        mail.outbox.clear()
        self.asked(prompt=f"Pay {ALL}?", assignees=["user:named"])
        (message,) = mail.outbox
        subject = str(message.subject)  # of 150 characters at most
        self.assertTrue(subject.startswith(f"Pay {SEEN}"[:140]), subject)
        self.assertSeen(str(message.body), "text")
        self.assertSeen(str(message.alternatives[0][0]), "html")  # type: ignore[attr-defined]
        self.assertTrue(AnswerLink.objects.exists())

    def test_terminals(self) -> None:
        wait = self.poisoned("approval")
        for command, *arguments in (
            ("durable_inspect", wait.root_id, "--data", "--logs"),
            ("durable_waits",),
            ("durable_list",),
        ):
            out = io.StringIO()
            call_command(command, *map(str, arguments), stdout=out)
            self.assertSeen(out.getvalue(), command)

    def test_what_commands_write_for_programs_is_ascii(self) -> None:
        wait = self.poisoned("approval")
        out = io.StringIO()
        call_command("durable_inspect", str(wait.root_id), "--json", stdout=out)
        self.assertTrue(out.getvalue().isascii())
