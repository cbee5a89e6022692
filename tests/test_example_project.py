"""The example's workflows, run with the testing kit as its readers would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from itertools import pairwise
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import SimpleTestCase, TestCase, override_settings

import durable
from durable import days
from durable.models import Execution
from durable.testing import (
    advance,
    assert_completed,
    assert_step,
    assert_waiting_for,
    drain,
    run,
    time_travel,
)
from example_project import settings as example_settings
from example_project.shop import services
from example_project.shop.models import Charge, Expense, Invoice, Order, OutboxMail, Subscription
from example_project.shop.workflows import (
    ExpenseApproval,
    PaymentFlow,
    ProcessOrder,
    TrialReminder,
    day,
)
from tests.typing.readme import blocks

ROOT = Path(__file__).resolve().parent.parent
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ITEMS = [{"sku": "tea", "price": Decimal("12.50")}, {"sku": "cup", "price": Decimal(7)}]


def subjects() -> list[str]:
    """What was mailed, in order."""
    return list(OutboxMail.objects.order_by("pk").values_list("subject", flat=True))


@time_travel(at=NOON)
class ProcessOrderTests(TestCase):
    """A pipeline with a retry."""

    def test_an_order_is_charged_and_confirmed(self) -> None:
        execution = services.place_order("T-1", "ann@example.com", ITEMS)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result["total"], Decimal("19.50"))
        order = Order.objects.get(reference="T-1")
        self.assertEqual((order.status, order.total), ("paid", Decimal("19.50")))
        self.assertEqual(execution.subject, order)
        self.assertEqual(subjects(), ["Your order T-1"])

    def test_a_busy_payment_provider_is_asked_again_with_the_same_key(self) -> None:
        execution = services.place_order("T-2", "ann@example.com", ITEMS, card="tok_busy")
        drain()
        assert_step(execution, "charge_payment", status="failed", attempts=1)
        advance(seconds=2)
        assert_completed(execution)
        assert_step(execution, "charge_payment", status="completed", attempts=2)
        charge = Charge.objects.get()
        self.assertEqual((charge.taken, charge.requests), (True, 2))

    def test_an_order_and_its_execution_are_stored_together_or_not_at_all(self) -> None:
        services.place_order("T-3", "ann@example.com", ITEMS)
        with self.assertRaises(Exception):  # noqa: B017 - the reference is unique
            services.place_order("T-3", "bob@example.com", ITEMS)
        self.assertEqual(Order.objects.count(), 1)
        self.assertEqual(Execution.objects.count(), 1)

    def test_a_step_is_a_plain_method(self) -> None:
        data = ProcessOrder().calculate_total({"order_id": "T-4", "items": ITEMS})
        self.assertEqual(data["total"], Decimal("19.50"))


@time_travel(at=NOON)
class ExpenseApprovalTests(TestCase):
    """A question to a manager, and a branch on the answer."""

    def setUp(self) -> None:
        self.expense = Expense.objects.create(employee="ben@example.com", amount=120)
        self.execution = run(
            ExpenseApproval,
            {"expense_id": self.expense.pk, "employee": "ben@example.com", "amount": 120},
        )
        assert_waiting_for(self.execution, input="manager")

    def _status(self) -> str:
        self.expense.refresh_from_db()
        return self.expense.status

    def test_an_approved_expense_is_reimbursed(self) -> None:
        durable.provide_input(self.execution.pk, "manager", "approved")
        drain()
        assert_completed(self.execution)
        self.assertEqual(self._status(), "reimbursed")
        self.assertEqual(subjects(), [])

    def test_a_rejected_expense_is_told(self) -> None:
        durable.provide_input(self.execution.pk, "manager", "rejected")
        drain()
        assert_completed(self.execution)
        self.assertEqual(self._status(), "rejected")
        self.assertEqual(subjects(), ["Expense of $120: rejected"])

    def test_without_an_answer_it_is_rejected_after_three_days(self) -> None:
        advance(days=2, hours=23)
        assert_waiting_for(self.execution, input="manager")
        advance(hours=1)
        assert_completed(self.execution)
        self.assertEqual(self._status(), "rejected")
        self.assertEqual(self.execution.result["decision"], "auto_rejected")

    def test_the_step_alone_can_be_asked_with_an_answer_at_hand(self) -> None:
        step = ExpenseApproval.stub(answers={"manager": "approved"})
        self.assertEqual(step.request_approval({"amount": 5})["decision"], "approved")


@time_travel(at=NOON)
class TrialReminderTests(TestCase):
    """Two sleeps and the rows that the steps between them write."""

    def setUp(self) -> None:
        self.subscription = Subscription.objects.create(customer="cleo@example.com")
        self.execution = run(
            TrialReminder, {"customer": "cleo@example.com", "trial_started_at": NOON}
        )

    def test_who_has_not_paid_after_two_weeks_is_reminded(self) -> None:
        self.assertEqual(subjects(), ["Welcome"])
        advance(days=3)
        self.assertEqual(subjects(), ["Welcome", "Three tips"])
        advance(days=10, hours=23)
        self.execution.refresh_from_db()
        self.assertEqual(self.execution.status, "waiting")
        advance(hours=1)
        assert_completed(self.execution)
        self.assertIs(self.execution.result["converted"], False)
        self.assertEqual(subjects(), ["Welcome", "Three tips", "Your trial has ended"])

    def test_who_has_paid_is_left_alone(self) -> None:
        advance(days=3)
        Subscription.objects.update(active=True)
        advance(days=11)
        assert_completed(self.execution)
        self.assertIs(self.execution.result["converted"], True)
        self.assertEqual(subjects(), ["Welcome", "Three tips"])


@time_travel(at=NOON)
class PaymentFlowTests(TestCase):
    """The first of two events, or neither."""

    def setUp(self) -> None:
        Order.objects.create(reference="P-1", customer="dan@example.com")
        self.execution = run(PaymentFlow, {"order_id": "P-1", "amount": 80})
        assert_waiting_for(self.execution, event="payment.success")

    def _order_status(self) -> str:
        return Order.objects.get().status

    def test_a_paid_order_is_fulfilled(self) -> None:
        durable.send_event(self.execution.pk, "payment.success", {"transaction_id": "txn_123"})
        drain()
        assert_completed(self.execution)
        self.assertEqual(self._order_status(), "fulfilled")
        self.assertEqual(Invoice.objects.count(), 1)

    def test_a_webhook_needs_to_know_the_order_only(self) -> None:
        durable.publish_event("payment.success", {}, key="P-1", event_id="evt_1")
        durable.publish_event("payment.success", {}, key="P-1", event_id="evt_1")
        drain()
        assert_completed(self.execution)
        self.assertEqual(self._order_status(), "fulfilled")

    def test_a_failed_payment_cancels_the_order(self) -> None:
        durable.send_event(self.execution.pk, "payment.failed", {"reason": "card_declined"})
        drain()
        assert_completed(self.execution)
        self.assertEqual(self._order_status(), "cancelled")

    def test_no_payment_within_a_week_cancels_the_order(self) -> None:
        advance(days=7)
        assert_completed(self.execution)
        self.assertEqual(self.execution.result["result"], "payment.expired")
        self.assertEqual(self._order_status(), "cancelled")


@override_settings(ROOT_URLCONF="example_project.urls", DURABLE=example_settings.DURABLE)
class WebhookTests(TestCase):
    """The payment provider's webhook, as the documentation sends it from a shell."""

    def test_the_line_for_the_shell_pays_the_sample_order(self) -> None:
        call_command("start_samples", stdout=StringIO())
        drain()
        page = ROOT / "docs" / "how-to" / "receive-webhooks.md"
        (sample,) = (one.text for one in blocks(page, "sh") if "curl" in one.text)
        shown = 'curl() { for given in "$@"; do printf \'%s\\n\' "$given"; done; }\n'
        done = subprocess.run(
            ["sh", "-c", shown + sample], capture_output=True, text=True, timeout=30, check=True
        )
        given = done.stdout.splitlines()
        headers = {
            name: value.strip()
            for flag, header in pairwise(given)
            if flag == "-H"
            for name, _, value in [header.partition(":")]
        }
        kind, path = headers.pop("Content-Type"), given[1].partition("8000")[2]
        body = given[given.index("-d") + 1]
        for _ in range(2):
            answer = self.client.post(path, body, kind, headers=headers)
            self.assertEqual(answer.status_code, 202, answer.content)
        drain()
        assert_completed(Execution.objects.get(workflow="payment_flow"))
        self.assertEqual(Order.objects.get(reference="S-2").status, "fulfilled")


class ProjectTests(TestCase):
    """What belongs to the project around the workflows."""

    def test_the_samples_are_started_once(self) -> None:
        call_command("start_samples", stdout=StringIO())
        drain()
        self.assertEqual(
            sorted(Execution.objects.values_list("workflow", "status")),
            [
                ("expense_approval", "waiting"),
                ("payment_flow", "waiting"),
                ("process_order", "completed"),
                ("trial_reminder", "waiting"),
            ],
        )
        again = StringIO()
        call_command("start_samples", stdout=again)
        self.assertIn("before", again.getvalue())
        self.assertEqual(Execution.objects.count(), 4)

    @override_settings(EXAMPLE_DAY=timedelta(seconds=2))
    def test_the_days_of_the_example_are_as_long_as_the_settings_say(self) -> None:
        self.assertEqual(day(), timedelta(seconds=2))

    def test_a_day_is_a_day_unless_something_else_is_said(self) -> None:
        self.assertEqual(day(), days(1))


@pytest.mark.only_on("sqlite")  # the demo brings its own database, so once is enough
class DemoTests(SimpleTestCase):
    """``make demo``, as a program."""

    def test_the_demo_ends_as_it_should_and_needs_no_terminal(self) -> None:
        # Its days are half as long as for people; the kill and the recovery are the real ones.
        environment = {**os.environ, "DEMO_DAY": "1"}
        with tempfile.TemporaryDirectory() as directory:
            done = subprocess.run(
                [sys.executable, "-m", "example_project.demo"],
                cwd=ROOT,
                env={**environment, "DEMO_DIRECTORY": directory},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertNotIn("FAIL", done.stdout)
        self.assertIn("ok    its two requests had one idempotency key", done.stdout)
        self.assertNotIn("\x1b", done.stdout)
        for line in done.stdout.splitlines():
            if found := re.search(r"durable_worker: process (\d+)", line):
                with self.assertRaises(ProcessLookupError):
                    os.kill(int(found[1]), 0)
