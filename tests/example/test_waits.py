"""Orders, expenses, trials and payments: steps that are retried, that ask, sleep and wait."""

from __future__ import annotations

from decimal import Decimal

from django.test import TestCase

import durable
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
from example_project.shop import services
from example_project.shop.models import Charge, Expense, Invoice, Order, Subscription
from example_project.shop.workflows import ExpenseApproval, PaymentFlow, ProcessOrder, TrialReminder
from tests.example.cases import ITEMS, NOON, subjects


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

    def test_a_declined_card_is_not_tried_again(self) -> None:
        execution = services.place_order("T-5", "ann@example.com", ITEMS, card="tok_declined")
        drain()
        execution.refresh_from_db()
        self.assertEqual(execution.status, "failed")
        self.assertEqual(execution.error["type"], "CardDeclined")
        assert_step(execution, "charge_payment", status="failed", attempts=1)
        self.assertEqual((Charge.objects.get().taken, subjects()), (False, []))

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
