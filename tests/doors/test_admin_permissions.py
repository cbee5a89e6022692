"""Every page of the admin, for everybody: who sees it, who may post to it, what is not there."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from django.contrib import admin
from django.contrib.auth.models import User
from django.db import transaction
from django.test import override_settings
from django.urls import URLPattern

from durable.models import AuditEntry, Event, Execution, Queue, Schedule, Worker
from durable.states import Status
from tests.cases import WorkflowTestCase
from tests.doors.site import POLICY, World, browser, page, person, world

SEEING = {"viewer", "operator", "superuser"}
ACTING = {"operator", "superuser"}
EVERYBODY = SEEING | {"approver"}
ROLES = ("nobody", "viewer", "approver", "operator", "superuser")


class Cell(NamedTuple):
    """A page, how it is asked for, and who gets it (the others: 403)."""

    name: str
    args: tuple[Any, ...]
    method: str
    data: dict[str, Any]
    allowed: set[str]
    status: int  # what the allowed get
    other_tenant: int  # what an operator of another tenant gets


def cells(w: World) -> list[Cell]:
    """All of them."""
    pk, failed, sure = w.waiting.pk, w.failed.pk, {"confirmed": "1"}
    chosen = {"action": "cancel", "_selected_action": [str(pk)], "confirmed": "1"}
    edit = {"cron": "0 8 * * *", "timezone": "UTC", "catch_up": "latest", "overlap": "allow"}
    edit["input"] = "{}"
    new = {**edit, "name": "umbrella-hourly", "workflow": "ship"}
    found = []

    def add(
        name: str,
        *args: Any,
        post: dict[str, Any] | None = None,
        allowed: set[str],
        status: int = 200,
        other: int | None = None,
    ) -> None:
        method = "get" if post is None else "post"
        expected = status if other is None else other
        found.append(Cell(name, args, method, post or {}, allowed, status, expected))

    add("execution_changelist", allowed=EVERYBODY)
    add("execution_changelist", post=chosen, allowed=ACTING, status=302)
    add("overview", allowed=EVERYBODY)
    add("workflows", allowed=EVERYBODY)
    add("workflow", "ship", allowed=EVERYBODY)
    add("workflow", "ship", post={"input": "{}"}, allowed=ACTING, status=302)
    for name in ("execution_change", "execution_live", "execution_raw"):
        add(name, pk, allowed=EVERYBODY, other=404)
    add("execution_step", pk, w.attempt.pk, allowed=EVERYBODY, other=404)
    for action in ("pause", "cancel", "cancel_compensate"):
        add("execution_act", pk, action, allowed=ACTING, other=404)
        add("execution_act", pk, action, post=sure, allowed=ACTING, status=302, other=404)
    for action in ("retry", "rerun"):
        add("execution_act", failed, action, allowed=ACTING, other=404)
        add("execution_act", failed, action, post=sure, allowed=ACTING, status=302, other=404)
    add("execution_act", failed, "compensate", allowed=ACTING, other=404)
    add("execution_act", pk, "resume", allowed=ACTING, other=404)
    add("schedule_changelist", allowed=SEEING)
    add("schedule_change", w.schedule.pk, allowed=SEEING, other=404)
    add("schedule_add", allowed=ACTING)
    add("schedule_add", post=new, allowed=ACTING, status=302, other=403)
    for act, data in (
        ("run", {}),
        ("disable", {}),
        ("enable", {}),
        ("edit", edit),
        ("remove", {}),
    ):
        args = (w.schedule.pk, act)
        add("schedule_act", *args, post=data, allowed=ACTING, status=302, other=404)
    add("queue_changelist", allowed=SEEING)
    for act in ("pause", "resume", "limit"):
        data = {"name": "umbrella-queue", "act": act, "limit": "2"}
        add("queue_act", post=data, allowed=ACTING, status=302, other=403)
    add("worker_changelist", allowed=SEEING)
    add("event_changelist", allowed=SEEING)
    add("event_change", w.event.pk, allowed=SEEING, other=404)
    add("auditentry_changelist", allowed=SEEING)
    add("auditentry_change", w.entry.pk, allowed=SEEING, other=404)
    # what there is nothing to do on
    add("schedule_act", w.schedule.pk, "run", allowed=SEEING, status=302, other=404)
    add("queue_act", allowed=SEEING, status=302)
    for model in ("queue", "worker"):
        row = w.queue if model == "queue" else w.worker
        add(f"{model}_change", row.pk, allowed=SEEING, status=302)
    for model in ("schedule", "queue", "worker", "event", "auditentry"):
        add(f"{model}_changelist", post={"action": "x"}, allowed=SEEING, status=405)
    return found


#: pages of ``ModelAdmin`` that nobody gets, as rows are the engine's
CLOSED = ("add", "delete")


class MatrixTests(WorkflowTestCase):
    """Seed defect 24: no page and no action without the permission for it."""

    def setUp(self) -> None:
        super().setUp()
        self.world = world()

    def ask(self, cell: Cell, user: User | None) -> Any:
        """The answer; what it has done is undone."""
        with transaction.atomic():
            client = browser(user)
            answer = getattr(client, cell.method)(page(cell.name, *cell.args), cell.data)
            transaction.set_rollback(True)
        return answer

    def test_each_role_gets_its_pages_and_403_for_the_others(self) -> None:
        people = {role: person(role) for role in ROLES}
        for cell in cells(self.world):
            for role in ROLES:
                with self.subTest(page=cell.name, args=cell.args, method=cell.method, role=role):
                    expected = cell.status if role in cell.allowed else 403
                    self.assertEqual(self.ask(cell, people[role]).status_code, expected)

    def test_who_is_not_logged_in_or_no_staff_is_sent_to_the_login(self) -> None:
        customer = User.objects.create_user("customer")
        for cell in cells(self.world):
            for user in (None, customer):
                with self.subTest(page=cell.name, method=cell.method, user=user):
                    answer = self.ask(cell, user)
                    self.assertEqual(answer.status_code, 302)
                    self.assertIn("/admin/login/", answer["Location"])

    def test_for_another_tenant_it_does_not_exist(self) -> None:
        stranger, owner = (
            person("operator", tenant="other"),
            person("operator", "o", tenant="umbrella"),
        )
        with override_settings(DURABLE=POLICY):
            for cell in cells(self.world):
                with self.subTest(page=cell.name, args=cell.args, method=cell.method):
                    answer = self.ask(cell, stranger)
                    self.assertEqual(answer.status_code, cell.other_tenant)
                    own = self.ask(cell, owner)
                    if "worker" not in cell.name:
                        self.assertEqual(own.status_code, cell.status)

    def test_lists_show_nothing_of_another_tenant(self) -> None:
        stranger = person("operator", tenant="other")
        ids = [str(self.world.waiting.pk)[-6:], str(self.world.failed.pk)[-6:]]
        secret = (*ids, "umbrella", "host:1", "boss")
        with override_settings(DURABLE=POLICY):
            for cell in cells(self.world):
                if cell.other_tenant != 200:
                    continue
                for query in ("", f"?q={self.world.waiting.pk}", "?q=key-1", "?family=all"):
                    text = browser(stranger).get(page(cell.name, *cell.args) + query)
                    for word in secret:
                        with self.subTest(page=cell.name, query=query, word=word):
                            body = text.content.decode()
                            body = re.sub(r'value="[^"]*"|href="\?[^"]*"', "", body)
                            self.assertNotIn(word, body)

    def test_the_matrix_has_every_page_of_ours(self) -> None:
        known = {f"durable_{cell.name}" for cell in cells(self.world)}
        models = (Execution, Schedule, Queue, Worker, Event, AuditEntry)
        for model in models:
            for pattern in admin.site._registry[model].get_urls():
                name = pattern.name if isinstance(pattern, URLPattern) else None
                if name and not name.endswith(("_add", "_delete", "_history")):
                    self.assertIn(name, known)

    def test_nobody_adds_or_deletes_rows(self) -> None:
        superuser = browser(person("superuser"))
        rows = {"execution": self.world.waiting, "schedule": self.world.schedule}
        for model, row in rows.items():
            for method in ("get", "post"):
                ask = getattr(superuser, method)
                self.assertEqual(ask(page(f"{model}_delete", row.pk)).status_code, 403)
                if model != "schedule":
                    self.assertEqual(ask(page(f"{model}_add")).status_code, 403)


class AuditTests(WorkflowTestCase):
    """What is done is on record once, with who did it and from where; what is refused is not."""

    def setUp(self) -> None:
        super().setUp()
        self.world = world()
        self.before = set(AuditEntry.objects.values_list("pk", flat=True))

    def new(self) -> list[AuditEntry]:
        return list(AuditEntry.objects.exclude(pk__in=self.before))

    def test_each_action_is_on_record_once(self) -> None:
        operator = person("operator")
        pk, failed, schedule = self.world.waiting.pk, self.world.failed.pk, self.world.schedule.pk
        deeds: list[tuple[str, str, dict[str, Any]]] = [
            ("pause", page("execution_act", pk, "pause"), {}),
            ("resume", page("execution_act", pk, "resume"), {}),
            ("cancel", page("execution_act", pk, "cancel"), {"confirmed": "1", "reason": "why"}),
            ("rerun", page("execution_act", pk, "rerun"), {"confirmed": "1"}),
            ("retry", page("execution_act", failed, "retry"), {"confirmed": "1"}),
            ("start", page("workflow", "ship"), {"input": '{"parcels": []}'}),
            ("disable_schedule", page("schedule_act", schedule, "disable"), {}),
            ("enable_schedule", page("schedule_act", schedule, "enable"), {}),
            ("trigger_schedule", page("schedule_act", schedule, "run"), {}),
            ("pause_queue", page("queue_act"), {"name": "umbrella-queue", "act": "pause"}),
            ("limit_queue", page("queue_act"), {"name": "umbrella-queue", "act": "limit"}),
        ]
        client = browser(operator)
        for action, address, data in deeds:
            with self.subTest(action=action):
                client.post(address, data, REMOTE_ADDR="10.0.0.7")
                (entry,) = self.new()
                self.assertEqual(
                    (entry.action, entry.actor, entry.origin), (action, operator, "admin 10.0.0.7")
                )
                self.before.add(entry.pk)

    def test_the_reason_of_each_action_is_on_record(self) -> None:
        client = browser(person("operator"))
        waiting, failed = self.world.waiting.pk, self.world.failed.pk
        for action, pk in (
            ("pause", waiting),
            ("resume", waiting),
            ("cancel", waiting),
            ("rerun", failed),
            ("retry", failed),
        ):
            with self.subTest(action=action):
                chosen = {"action": action, "_selected_action": [str(pk)]}
                asks = client.post(page("execution_changelist"), chosen)
                self.assertContains(asks, 'name="reason"')
                sure = {**chosen, "confirmed": "1", "reason": f"{action}, as agreed"}
                client.post(page("execution_changelist"), sure)
                (entry,) = self.new()
                self.assertEqual(entry.action, action)
                self.assertEqual(entry.after["reason"], f"{action}, as agreed")
                self.before.add(entry.pk)

    def test_what_is_refused_leaves_no_trace(self) -> None:
        for role in ("viewer", "approver"):
            client = browser(person(role))
            for action in ("cancel", "pause", "cancel_compensate"):
                address = page("execution_act", self.world.waiting.pk, action)
                self.assertEqual(client.post(address, {"confirmed": "1"}).status_code, 403)
        self.assertEqual(self.new(), [])
        self.world.waiting.refresh_from_db()
        self.assertEqual(self.world.waiting.status, Status.WAITING)

    def test_a_viewer_sees_no_button(self) -> None:
        address = page("execution_change", self.world.waiting.pk)
        offered = browser(person("operator")).get(address).content.decode()
        shown = browser(person("viewer")).get(address).content.decode()
        self.assertIn("/do/pause/", offered.split('id="dw-live"')[1])
        self.assertNotIn(f"{self.world.waiting.pk}/do/", shown.split('id="dw-live"')[1])
        listed = browser(User.objects.get(username="viewer")).get(page("execution_changelist"))
        self.assertNotIn('name="action"', listed.content.decode())
