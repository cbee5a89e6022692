"""Secrets that come by another way than a key of the data are hidden at every door, too."""

from __future__ import annotations

import io
from typing import Any

from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.test import Client

import durable
from durable import Data, Workflow, call_workflow, chain, foreach, step
from durable.models import AuditEntry, Execution, Schedule
from durable.showing.masking import HIDDEN, Masking
from durable.testing import drain, run
from tests.doors.rest.cases import Api, RestTestCase

SECRET = "hunter2"


class DoorsTestCase(RestTestCase):
    """What each door shows of an execution to somebody who may see all but payloads."""

    def setUp(self) -> None:
        super().setUp()
        names = ("view_wait", "view_steprun")
        self.viewer.user_permissions.add(*Permission.objects.filter(codename__in=names))
        self.viewer.is_staff = True
        self.viewer.save()
        self.browser = Client()
        self.browser.force_login(self.viewer)

    def shown(self, row: Execution) -> dict[str, str]:
        """What is shown, by where."""
        found = {}
        lists = ["", "steps/", "waits/", "audit/", "children/"]
        for path in lists:
            found[f"rest {path}"] = self.as_viewer.get(
                f"executions/{row.pk}/{path}"
            ).content.decode()
        out = io.StringIO()
        call_command("durable_inspect", str(row.pk), "--data", "--logs", "--json", stdout=out)
        call_command("durable_inspect", str(row.pk), "--data", "--logs", stdout=out)
        found["durable_inspect"] = out.getvalue()
        for path in (
            f"execution/{row.pk}/change/",
            "auditentry/",
            *(f"auditentry/{entry.pk}/change/" for entry in AuditEntry.objects.all()),
        ):
            answer = self.browser.get(f"/admin/durable/{path}", follow=True)
            self.assertEqual(answer.status_code, 200, path)
            found[f"admin {path}"] = answer.content.decode()
        return found

    def assertHidden(self, row: Execution) -> None:
        """The secret is nowhere; there is a place where it would be."""
        found = self.shown(row)
        self.assertEqual([place for place, text in found.items() if SECRET in text], [])
        self.assertTrue(any(HIDDEN in text for text in found.values()))
        self.assertIn(SECRET, Api(self.boss).get(f"executions/{row.pk}/").content.decode())


class AnswerTests(DoorsTestCase):
    """What somebody has answered to a question that asks for a secret."""

    def asked(self) -> Execution:
        class Login(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                return {**data, "password": self.wait_for_text("password")}

        row = run(Login, {}, tags={"tenant": "acme"})
        durable.provide_input(row.pk, "password", SECRET, by=self.operator)
        drain()
        row.refresh_from_db()
        return row

    def test_the_answer_to_a_question_whose_name_looks_secret_is_hidden(self) -> None:
        self.assertHidden(self.asked())

    def test_the_question_itself_hides_it_too(self) -> None:
        row = self.asked()
        path = f"executions/{row.pk}/inputs/password/"
        self.assertEqual(self.as_viewer.get(path).body["answer"], HIDDEN)
        self.assertEqual(Api(self.boss).get(path).body["answer"], SECRET)

    def test_a_decision_is_no_secret_whatever_it_is_about(self) -> None:
        self.assertEqual(Masking().answer("reset_password", "approved"), "approved")
        self.assertEqual(Masking().answer("reset_password", "swordfish"), HIDDEN)
        self.assertEqual(Masking().answer("form", {"token": 1, "n": 2}), {"token": HIDDEN, "n": 2})


class ErrorTests(DoorsTestCase):
    """An error that holds the errors of others."""

    def test_the_messages_of_a_childs_error_are_hidden_within_the_parents(self) -> None:
        class Sub(Workflow):
            @step
            def fail(self, data: Data) -> Data:
                raise ValueError(f"token={SECRET}")

        class Above(Workflow):
            flow = chain(call_workflow(Sub))

        self.assertHidden(run(Above, {}, tags={"tenant": "acme"}))

    def test_the_messages_of_items_errors_are_hidden(self) -> None:
        class Many(Workflow):
            @step
            def each(self, data: Data, item: Any, index: int) -> Data:
                raise durable.Fail(f"token={SECRET}", details={"url": f"/?token={SECRET}"})

            flow = chain(foreach("items", each))

        self.assertHidden(run(Many, {"items": [1, 2]}, tags={"tenant": "acme"}))

    def test_an_error_keeps_what_is_no_secret(self) -> None:
        error = {"type": "X", "message": "n=1", "attempt": 2, "details": {"errors": [[0, None]]}}
        self.assertEqual(Masking().value(error), error)


class ScheduleTests(DoorsTestCase):
    """Why a schedule could start nothing."""

    def test_the_last_error_of_a_schedule_hides_secrets(self) -> None:
        durable.schedule("plain", "0 9 * * *", name="daily")
        Schedule.objects.update(last_error=f"ValueError: token={SECRET}", failures=1)
        out = io.StringIO()
        for arguments in ((), ("--json",)):
            call_command("durable_schedules", *arguments, stdout=out)
        for text in (
            self.as_viewer.get("schedules/daily/").content.decode(),
            self.as_viewer.get("schedules/").content.decode(),
            out.getvalue(),
        ):
            self.assertNotIn(SECRET, text)
            self.assertIn("ValueError", text)
        self.assertIn(SECRET, Api(self.boss).get("schedules/daily/").content.decode())
