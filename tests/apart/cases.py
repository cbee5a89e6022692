"""Start, answer, audit, links, the admin and REST, where the users are in another database."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from django.contrib.auth.models import Group, Permission, User
from django.core import mail
from django.core.checks import run_checks
from django.db import connections
from django.test import Client, TestCase, override_settings
from django.urls import reverse

import durable
from durable import Data, Workflow, step
from durable.checks import NO_ROUTER
from durable.models import AnswerLink, AuditEntry, Execution, Wait
from durable.testing import drain, isolate_workflows


class TwoDatabasesTests(TestCase):
    databases: ClassVar[set[str]] = {"default", "jobs"}

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(isolate_workflows())

        class Ship(Workflow):
            @step
            def asks(self, data: Data) -> Data:
                decision = self.wait_for_approval("ok", prompt="Ship it?", assignees="group:lead")
                return {**data, "by": decision.by}

        self.ship = Ship
        self.kim = User.objects.create_superuser("kim", "kim@example.com", "secret")
        self.kim.groups.add(Group.objects.create(name="lead"))
        self.client: Any = Client()
        self.client.force_login(self.kim)

    def asked(self) -> tuple[Execution, Wait]:
        execution = durable.start(self.ship, subject=self.kim, by=self.kim)
        drain()
        return execution, Wait.objects.get(root_id=execution.pk)

    def test_the_tables_are_where_they_belong(self) -> None:
        users = connections["default"].introspection.table_names()
        jobs = connections["jobs"].introspection.table_names()
        self.assertIn("durable_execution", jobs)
        self.assertNotIn("durable_execution", users)
        self.assertIn("auth_user", users)
        self.assertTrue(Permission.objects.filter(content_type__app_label="durable").exists())

    def test_an_answer_and_its_audit_know_the_user(self) -> None:
        execution, wait = self.asked()
        durable.provide_input(execution.id, "ok", "approved", by=self.kim)
        drain()
        execution.refresh_from_db()
        self.assertEqual((execution.status, execution.data["by"]), ("completed", "kim"))
        wait.refresh_from_db()
        self.assertEqual(wait.by, self.kim)
        self.assertEqual(execution.subject, self.kim)
        for entry in AuditEntry.objects.all():
            self.assertEqual(entry.actor, self.kim)

    def test_a_link_in_a_mail_answers(self) -> None:
        execution, _ = self.asked()
        (sent,) = mail.outbox
        token = re.search(r"http://testserver(/\S+)", str(sent.body))
        assert token is not None
        stranger = Client()
        self.assertEqual(stranger.get(token[1]).status_code, 200)
        answered = stranger.post(token[1], {"decision": "approved"}, follow=True)
        self.assertEqual(answered.status_code, 200)
        drain()
        execution.refresh_from_db()
        self.assertEqual((execution.status, execution.data["by"]), ("completed", "kim"))

    def test_every_page_of_the_admin_opens_and_answers(self) -> None:
        execution, wait = self.asked()
        pages = [
            reverse("admin:durable_execution_changelist"),
            reverse("admin:durable_execution_change", args=[execution.pk]),
            reverse("admin:durable_input_changelist"),
            reverse("admin:durable_input_change", args=[wait.pk]),
            reverse("admin:durable_auditentry_changelist"),
        ]
        for page in pages:
            with self.subTest(page):
                self.assertEqual(self.client.get(page).status_code, 200)
        page = reverse("admin:durable_input_change", args=[wait.pk])
        said = self.client.post(page, {"_decision": "approved", "_comment": "fine"}, follow=True)
        self.assertEqual(said.status_code, 200)
        wait.refresh_from_db()
        self.assertEqual((wait.status, wait.by), ("answered", self.kim))

    def test_rest_lists_and_answers(self) -> None:
        execution, _ = self.asked()
        self.assertEqual(self.client.get("/durable/executions/").status_code, 200)
        found = self.client.get("/durable/inputs/?mine=true")
        self.assertEqual(found.status_code, 200)
        answered = self.client.post(
            f"/durable/executions/{execution.pk}/inputs/ok/",
            {"answer": "approved"},
            content_type="application/json",
        )
        self.assertEqual(answered.status_code, 200, answered.content)
        drain()
        execution.refresh_from_db()
        self.assertEqual(execution.status, "completed")

    def test_a_deleted_user_is_forgotten_and_the_names_stay(self) -> None:
        execution, wait = self.asked()
        durable.provide_input(execution.id, "ok", "approved", by=self.kim)
        confirm = reverse("admin:auth_user_delete", args=[self.kim.pk])
        admin = Client()
        admin.force_login(User.objects.create_superuser("root"))
        self.assertEqual(admin.get(confirm).status_code, 200)
        wait.refresh_from_db()
        self.assertEqual(wait.by, self.kim, "asking whether to delete has changed nothing")
        self.assertEqual(admin.post(confirm, {"post": "yes"}, follow=True).status_code, 200)
        wait.refresh_from_db()
        self.assertEqual((wait.by, wait.by_name), (None, "kim"))
        self.assertFalse(AnswerLink.objects.filter(recipient__isnull=False).exists())
        self.assertFalse(AuditEntry.objects.filter(actor=self.kim.pk).exists())
        self.assertTrue(AuditEntry.objects.filter(actor_name="kim").exists())

    def test_without_a_router_check_says_what_to_do(self) -> None:
        self.assertNotIn(NO_ROUTER, [message.id for message in run_checks(tags=["durable"])])
        with override_settings(DATABASE_ROUTERS=[]):
            errors = [one for one in run_checks(tags=["durable"]) if one.id == NO_ROUTER]
        self.assertEqual(len(errors), 1)
        self.assertIn("durable.routers.DurableRouter", errors[0].hint or "")
