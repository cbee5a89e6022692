"""No column that may hold a secret shows it at any door to who may not see masked values."""

from __future__ import annotations

import io
import json
import re
from typing import Any

from django.contrib.auth.models import Permission, User
from django.core import mail
from django.core.management import call_command
from django.test import Client, override_settings
from django.urls import reverse

import durable
from durable import Data, Workflow, step
from durable.doors.actions import ACTIONS
from durable.models import AuditEntry, Event, Execution, Schedule, Wait
from durable.people import notices
from durable.showing.masking import HIDDEN
from durable.testing import drain, run
from tests.cases import WorkflowTestCase

PUBLIC = "https://example.com"
MARK = re.compile(r"swordfish_(\w+)")

#: each column (or part of one) that holds a user's text; what is asked is open, or was answered
COLUMNS = frozenset(
    {
        *("input", "data", "tags", "note", "prompt", "label", "help", "choice", "metadata"),
        *("event", "schedule", "schedule_error", "logs", "error", "details", "step_output"),
        *("cancel_reason", "audit_reason", "comment", "vote", "answer"),
    }
)


def secret(column: str) -> str:
    """A text that tells a secret, and in which column it stood."""
    return f"see the password=swordfish_{column} of it"


def define() -> type[Workflow]:
    """A workflow that writes a secret wherever a step can."""

    class Leaky(Workflow):
        @step
        def begin(self, data: Data) -> Data:
            self.log.warning(secret("logs"))
            return {**data, "data": secret("data"), "out": secret("step_output")}

        @step
        def ask(self, data: Data) -> Data:
            self.wait_for_approval("sure", prompt=secret("prompt"), quorum=2)
            field = {"name": "why", "label": secret("label"), "help_text": secret("help")}
            choice = {"name": "c", "type": "choice", "choices": [["a", secret("choice")]]}
            self.wait_for_form("more", fields=[field, choice], metadata={"m": secret("metadata")})
            self.wait_for_text("word")
            raise ValueError(secret("error"))

    return Leaky


@override_settings(DURABLE={"PUBLIC_URL": PUBLIC})
class ColumnTests(WorkflowTestCase):
    """One execution at each of its stages, at every door."""

    def setUp(self) -> None:
        super().setUp()
        self.workflow = define()
        self.boss = User.objects.create_superuser("boss", "boss@example.com")
        self.reader = User.objects.create_user("reader", "reader@example.com", is_staff=True)
        names = {"view_payload"}
        known = Permission.objects.filter(content_type__app_label="durable")
        self.reader.user_permissions.set(known.exclude(codename__in=names))
        self.shown: dict[str, set[str]] = {}  # by door, to who may see all
        self.leaks: list[tuple[str, str]] = []
        self.hidden = False

    # -- the doors -------------------------------------------------------------------------------

    def look(self, row: Execution) -> None:
        """See each door as it is now, as one who may not see masked values and one who may."""
        for who in (self.reader, self.boss):
            browser = Client()
            browser.force_login(who)
            for door in (*self.rest(row), *self.pages(row)):
                answer = browser.get(door, follow=True)
                self.assertIn(answer.status_code, (200, 404, 409), door)
                self.keep(who, door, answer.content.decode())
            for arguments in self.commands(row, who):
                out = io.StringIO()
                call_command(*arguments, "--by", who.username, stdout=out)
                self.keep(who, " ".join(arguments), out.getvalue())
        for message in mail.outbox:
            who = self.boss if message.to == [self.boss.email] else self.reader
            sent: Any = message
            self.keep(who, "mail", f"{sent.subject} {sent.body} {sent.alternatives[0][0]}")
            for token in re.findall(r"/durable/answer/([^\s/]+)/", sent.body):
                answer = Client().get(reverse("durable:answer", args=[token]))
                self.keep(who, "link", answer.content.decode())
        mail.outbox.clear()

    def keep(self, who: User, door: str, text: str) -> None:
        """Note what a door has told."""
        found = set(MARK.findall(text))
        if who == self.boss:
            self.shown.setdefault(door, set()).update(found)
        else:
            self.leaks += [(door, column) for column in sorted(found)]
            self.hidden |= HIDDEN in text or json.dumps(HIDDEN)[1:-1] in text

    def rest(self, row: Execution) -> list[str]:
        """Every address of REST that shows something of it."""
        one = f"executions/{row.pk}/"
        of_it = ("", "steps/", "waits/", "events/", "audit/", "children/", "graph/")
        asked = [f"inputs/{name}/" for name in ("sure", "more", "word")]
        lists = ["executions/", "inputs/", "events/", "schedules/", "schedules/leaky/"]
        return [f"/durable/{path}" for path in (*lists, *(one + part for part in (*of_it, *asked)))]

    def pages(self, row: Execution) -> list[str]:
        """Every page of the admin that shows something of it."""
        found = [f"execution/{row.pk}/{name}/" for name in ("change", "live")]
        found += [f"execution/{row.pk}/step/{run.pk}/" for run in row.steps.all()]
        found += ["execution/", "execution/overview/", "auditentry/", "event/", "schedule/"]
        found += ["input/?show=all", "input/", "schedule/leaky/change/", f"execution/{row.pk}/raw/"]
        found += [f"auditentry/{entry.pk}/change/" for entry in AuditEntry.objects.all()]
        found += [f"event/{event.pk}/change/" for event in Event.objects.all()]
        for wait in Wait.objects.questions():
            found += [f"input/{wait.pk}/{name}/" for name in ("change", "reassign")]
            found += [f"input/decide/approved/?id={wait.pk}"]
        return [f"/admin/durable/{path}" for path in found]

    def commands(self, row: Execution, who: User) -> list[tuple[str, ...]]:
        """Every command that shows something of it; secrets only to who asks for them."""
        more = ("--show-secrets",) if who == self.boss else ()
        found: list[tuple[str, ...]] = []
        for form in ((), ("--json",)):
            found.append(("durable_inspect", str(row.pk), "--data", "--logs", *more, *form))
            found.append(("durable_status", str(row.pk), *form))
            for name in ("list", "waits", "schedules", "status"):
                found.append((f"durable_{name}", *form))
        return found

    # -- the test --------------------------------------------------------------------------------

    def test_no_door_shows_what_looks_secret_in_any_column(self) -> None:
        durable.schedule("leaky", "0 9 * * *", name="leaky", input={"n": secret("schedule")})
        Schedule.objects.update(last_error=secret("schedule_error"), failures=1)
        given = {"input": secret("input"), "api_key": "swordfish_key"}
        row = run(self.workflow, given, tags={"tag": secret("tags"), "pin": "swordfish_pin"})
        durable.send_event(row.pk, "noted", {"n": secret("event")})
        asked = row.waits.get(name="sure")
        Wait.objects.filter(pk=asked.pk).update(assignees=["user:reader", "user:boss"])
        notices.tell_due()
        durable.provide_input(row.pk, "sure", True, by=self.boss, comment=secret("vote"))
        self.look(row)
        durable.provide_input(row.pk, "sure", True, by=self.reader, comment=secret("comment"))
        drain()
        self.look(row)
        durable.provide_input(row.pk, "more", {"why": secret("answer"), "c": "a"}, by=self.boss)
        drain()
        options = {"reason": secret("cancel_reason")}
        ended = run(self.workflow, {})
        ACTIONS["cancel"].run(ended, by=self.boss, options=options)
        ACTIONS["pause"].run(row, by=self.boss, options={"reason": secret("audit_reason")})
        ACTIONS["resume"].run(row, by=self.boss, options={})
        self.look(ended)
        durable.provide_input(row.pk, "word", "yes", by=self.boss)
        drain()
        Execution.objects.filter(pk=row.pk).update(progress={"at": secret("note")})
        row.refresh_from_db()
        Execution.objects.filter(pk=row.pk).update(
            error={**(row.error or {}), "details": {"d": secret("details")}}
        )
        self.look(row)
        self.assertEqual(self.leaks, [])
        self.assertTrue(self.hidden)
        told = set[str]().union(*self.shown.values())
        self.assertEqual(COLUMNS - told, frozenset(), "each column is told to who may see all")
        silent = [door for door, found in self.shown.items() if not found and "/durable/" in door]
        self.assertLess(len(silent), len(self.shown) // 2, "most doors have something to tell")
