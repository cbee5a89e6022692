"""Every page can be read and used by everybody, on a desk and on a phone, by day and by night."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse

import durable
from durable.engine.operators import queues
from durable.models import AuditEntry, Event, Schedule
from durable.people.reach import links
from durable.testing import drain, run
from tests.browser.cases import PHONE, BrowserTestCase
from tests.browser.stage import Workflows
from tests.doors.people import APPROVER, person


def page(name: str, *args: Any) -> str:
    """The address of a page of the dashboard."""
    return reverse(f"admin:durable_{name}", args=args)


class PageTests(BrowserTestCase):
    """Seen by somebody who may do everything: no page has more on it."""

    FIELDS = (
        {"name": "company", "label": "Company", "help_text": "As in the register."},
        {"name": "seats", "label": "Seats", "type": "integer"},
        {"name": "until", "label": "Until", "type": "date", "required": False},
        {"name": "paid", "label": "Paid in advance", "type": "boolean", "required": False},
    )

    def setUp(self) -> None:
        super().setUp()
        self.workflows = Workflows()
        self.ada = User.objects.create_superuser("ada", "ada@example.com")
        self.log_in_as(self.ada)

    def check(self, name: str, address: str) -> None:
        self.open(address)
        with self.subTest(name):
            self.is_presentable(name)

    def test_the_overview_and_the_list_with_every_status(self) -> None:
        self.workflows.all_statuses()
        self.workflows.ask(prompt="Buy a new lathe?", assignees=["user:ada"], due=2)
        self.workflows.worker()
        self.check("overview", page("overview"))
        self.check("executions", page("execution_changelist"))
        self.tick("#action-toggle")
        self.run_action("cancel")
        self.is_presentable("cancel-many")

    def test_an_execution_that_waits_one_that_failed_and_what_can_be_done(self) -> None:
        waiting = self.workflows.delivering(
            tags={"shop": "Berlin", "vip": True}, subject=self.ada, keys=["order:4711"]
        )
        durable.send_event(waiting.pk, "returned", {"why": "too small"})
        drain()
        self.check("waiting", page("execution_change", waiting.pk))
        self.check("cancel", page("execution_act", waiting.pk, "cancel"))
        failed = self.workflows.failed(idempotency_key="order-4712")
        self.check("failed", page("execution_change", failed.pk))
        name = self.find("a.dg-is-failed").accessible_name
        self.assertEqual(
            name, "step charge: failed · ConnectionError · 2 attempts. Leads to parallel"
        )
        self.check("rerun", page("execution_act", failed.pk, "rerun"))
        self.check("raw", page("execution_raw", failed.pk))
        attempt = failed.steps.filter(status="failed").first()
        self.check("attempt", page("execution_step", failed.pk, attempt.pk))

    def test_an_execution_with_items_and_a_child_and_one_that_is_undone(self) -> None:
        parent = run(self.workflows.mailing)
        self.check("foreach", page("execution_change", parent.pk))
        item = parent.children.filter(role="item", status="failed").get()
        self.check("item", page("execution_change", item.pk))
        failed = self.workflows.failed()
        durable.compensate(failed.pk, by=self.ada)
        drain()
        self.check("compensated", page("execution_change", failed.pk))
        alive = durable.start(self.workflows.order, {"goods": "a lamp"})
        self.check("pending", page("execution_change", alive.pk))

    def test_workflows_and_schedules(self) -> None:
        run(self.workflows.counting)
        self.workflows.failed()
        self.check("workflows", page("workflows"))
        self.check("workflow", page("workflow", "order"))
        self.fill("input", "{oops")
        self.press("Start")
        self.is_presentable("workflow-refused")
        made = durable.schedule("order", "*/5 * * * *", name="restock", input={"goods": "lamps"})
        durable.trigger_schedule(made.name)
        self.check("schedules", page("schedule_changelist"))
        self.check("schedule", page("schedule_change", made.pk))
        self.fill("cron", "every morning")
        self.press("Save")
        self.sees("every morning")
        self.is_presentable("schedule-refused")
        declared = Schedule.objects.get(declared=True)
        self.check("schedule-declared", page("schedule_change", declared.pk))

    def test_queues_workers_events_and_the_audit(self) -> None:
        waiting = self.workflows.delivering()
        durable.start(self.workflows.counting, {})
        durable.start(self.workflows.counting, {}, queue="mail")
        queues.limit_queue("mail", 3, by=self.ada)
        queues.pause_queue("mail", by=self.ada)
        durable.send_event(waiting.pk, "delivered", {"signed": "ada"}, by=self.ada)
        durable.publish_event("restocked", {"goods": "lamps"}, key="goods:lamps", by=self.ada)
        durable.pause(durable.start(self.workflows.counting).pk, by=self.ada)
        self.workflows.worker()
        self.check("queues", page("queue_changelist"))
        self.check("workers", page("worker_changelist"))
        self.look(size=PHONE)
        self.open(page("worker_changelist"))
        here = self.find(".dw-nav [aria-current='page']").rect
        self.assertEqual((here["x"] >= 0, here["x"] + here["width"] <= PHONE[0]), (True, True))
        self.check("events", page("event_changelist"))
        event = Event.objects.get(name="delivered")
        self.check("event", page("event_change", event.pk))
        self.check("audit", page("auditentry_changelist"))
        entry = AuditEntry.objects.filter(action="pause").get()
        self.check("audit-entry", page("auditentry_change", entry.pk))
        self.check("index", reverse("admin:app_list", args=["durable"]))

    def test_the_list_and_a_question_of_each_kind(self) -> None:
        ask = self.workflows.ask
        approval = ask(
            prompt="Reimburse $ 480 to Grace?",
            metadata={"Employee": "Grace Hopper", "Purpose": "A conference in Zürich"},
            due=26,
            assignees=["user:ada"],
        )
        choice = ask("choice", prompt="Which carrier?", choices=["DHL", "Post", "Bicycle"])
        text = ask("text", prompt="What should the invoice say?")
        form = ask("form", prompt="Whose contract is it?", fields=self.FIELDS)
        done = ask(prompt="Was it good?")
        durable.provide_input(done.execution_id, "manager", "rejected", by=self.ada, comment="No.")
        self.check("inputs", page("input_changelist"))
        self.check("inputs-answered", page("input_changelist") + "?show=answered")
        self.check("approval", page("input_change", approval.pk))
        self.check("choice", page("input_change", choice.pk))
        self.check("text", page("input_change", text.pk))
        self.check("answered", page("input_change", done.pk))
        self.check("reassign", page("input_reassign", approval.pk))
        self.check("form", page("input_change", form.pk))
        self.fill("seats", "1.5")
        self.press("Send answer")
        self.sees("Enter a whole number")
        self.is_presentable("form-refused", refused=422)

    def test_deciding_on_many(self) -> None:
        for n in range(6):
            self.workflows.ask(prompt=f"Reimburse ${n * 17 + 12} for the trip to Basel?")
        self.open(page("input_changelist"))
        self.tick("#action-toggle")
        self.run_action("approve")
        self.is_presentable("approve-many")
        self.press("Approve")
        self.is_presentable("approved-many")

    def test_the_link_of_a_mail_needs_no_login_shows_first_decides_once(self) -> None:
        kim = person("kim", *APPROVER)
        wait = self.workflows.ask(prompt="Reimburse $ 480 to Grace?", assignees=["user:kim"], due=4)
        form = self.workflows.ask("form", prompt="Whose contract?", fields=self.FIELDS)
        approve, reject = (reverse("durable:answer", args=[m.token]) for m in links.make(wait, kim))
        (made,) = links.make(form, kim)
        self.driver.delete_all_cookies()  # nobody is logged in

        self.check("link", approve)
        self.sees("Reimburse $ 480 to Grace?", "You are about to approve this.", "kim")
        wait.refresh_from_db()
        self.assertEqual(wait.status, "open")
        self.fill("_comment", "with pleasure")
        self.press("Approve")
        self.sees("Thank you", "Approved by kim")
        self.is_presentable("link-done")
        wait.refresh_from_db()
        given = (wait.status, wait.answer, wait.by_name, wait.comment)
        self.assertEqual(given, ("answered", "approved", "kim", "with pleasure"))
        self.open(approve)
        self.sees("There is nothing to do here")
        self.assertEqual(self.all("button"), [])
        self.is_presentable("link-used", refused=410)
        self.open(reject)
        self.sees("There is nothing to do here")

        self.open(reverse("durable:answer", args=[made.token]))
        self.fill("seats", "1.5")
        self.press("Send answer")
        self.sees("Enter a whole number")
        self.complaints()
        self.is_presentable("link-form-refused")
        drain()
