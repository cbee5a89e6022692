"""Who only looks finds nothing to press, and is refused; who is nobody finds the login page."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.urls import URLPattern, URLResolver, reverse

import durable
from durable.doors.actions import ACTIONS
from durable.models import AuditEntry, Execution, Queue, Schedule, Wait
from durable.testing import drain
from tests.browser.cases import BrowserTestCase
from tests.browser.stage import Workflows
from tests.browser.test_pages import page
from tests.doors.people import VIEWER, person

#: post a form as the page of this session would, with its token; the status of the answer
POST = """
const [address, values, done] = arguments;
const body = new URLSearchParams(values);
body.set('csrfmiddlewaretoken', document.querySelector('[name=csrfmiddlewaretoken]').value);
fetch(address, {method: 'POST', body, redirect: 'manual'}).then(
  answer => done(answer.status), error => done(String(error)));
"""


class AccessTests(BrowserTestCase):
    """Staff who may see everything and do nothing; and nobody, who is not told what exists."""

    def setUp(self) -> None:
        super().setUp()
        self.workflows = Workflows()
        self.waiting = self.workflows.delivering()
        self.failed = self.workflows.failed()
        self.question = self.workflows.ask(prompt="Buy it?")
        self.schedule = durable.schedule("order", "0 9 * * *", name="restock")
        self.log_in_as(person("viewer", *VIEWER, "view_auditentry"))

    def everything(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        lists = ("execution", "input", "schedule", "queue", "worker", "event", "auditentry")
        yield from ((f"{name}_changelist", ()) for name in lists)
        yield from (("overview", ()), ("workflows", ()), ("workflow", ("order",)))
        for execution in (self.waiting, self.failed, self.question.execution):
            yield "execution_change", (execution.pk,)
            yield "execution_raw", (execution.pk,)
        yield "execution_step", (self.failed.pk, self.failed.steps.first().pk)
        yield "input_change", (self.question.pk,)
        yield "schedule_change", (self.schedule.pk,)

    def test_no_page_offers_anything_to_press(self) -> None:
        for name, args in self.everything():
            with self.subTest(page=name):
                self.open(page(name, *args))
                self.find("#content h1, #content h2")
                self.assertEqual(self.posting(), [])
                self.assertEqual(self.all("#content select[name='action']"), [])
                self.assertEqual(self.complaints(), [])

    def test_whatever_is_posted_is_refused_and_changes_nothing(self) -> None:
        posts: list[tuple[str, dict[str, Any]]] = [
            (page("execution_act", execution.pk, name), {"confirmed": "1"})
            for execution in (self.waiting, self.failed)
            for name in ACTIONS
        ]
        chosen = {"_selected_action": str(self.waiting.pk), "index": "0", "confirmed": "1"}
        posts += [(page("execution_changelist"), {"action": "cancel", **chosen})]
        posts += [
            (page("schedule_act", self.schedule.pk, name), {"cron": "* * * * *"})
            for name in ("run", "enable", "disable", "edit")
        ]
        posts += [
            (page("queue_act"), {"name": "default", "act": "pause"}),
            (page("queue_act"), {"name": "default", "act": "limit", "limit": "1"}),
            (page("workflow", "order"), {"input": "{}"}),
            (page("input_change", self.question.pk), {"_decision": "approved"}),
            (page("input_decide", "approved"), {"id": str(self.question.pk)}),
            (page("input_reassign", self.question.pk), {"to": "user:viewer"}),
        ]
        self.open(page("overview"))
        before = self.state()
        for address, values in posts:
            with self.subTest(address=address):
                status = self.driver.execute_async_script(POST, address, values)
                self.assertEqual(status, 403)
        drain()
        self.assertEqual(self.state(), before)
        self.complaints()  # of each refusal

    def test_for_nobody_every_address_of_the_admin_leads_to_the_login_page(self) -> None:
        self.driver.delete_all_cookies()
        addresses = list(_addresses())
        self.assertGreater(len(addresses), 30)
        for address in addresses:
            with self.subTest(address=address):
                self.open(address)
                self.assertIn("/admin/login/?next=", self.driver.current_url)
                self.assertTrue(self.find("[name='password']").is_displayed())

    def state(self) -> Any:
        return (
            sorted(Execution.objects.values_list("pk", "status", "tags")),
            sorted(Wait.objects.values_list("pk", "status")),
            sorted(Schedule.objects.values_list("pk", "cron", "enabled")),
            sorted(Queue.objects.values_list("name", "paused", "concurrency")),
            AuditEntry.objects.count(),
        )


def _addresses() -> Iterator[str]:
    """Each address that the admin has for us, with something in its gaps."""
    gaps = {"pk": uuid.uuid4(), "step": uuid.uuid4(), "object_id": uuid.uuid4(), "name": "order"}
    gaps |= {"decision": "approved"}
    for pattern in _patterns(admin.site.urls[0]):
        name = pattern.name or ""
        if name.startswith("durable_"):
            taken = {key: gaps[key] for key in pattern.pattern.converters}
            yield reverse(f"admin:{name}", kwargs=taken)
    yield reverse("admin:app_list", args=["durable"])


def _patterns(found: Any) -> Iterator[URLPattern]:
    for pattern in found:
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns)
        else:
            yield pattern
