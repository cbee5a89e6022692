"""Four workflows of a shop: an order, an expense, a trial, a payment."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings

from durable import Data, Retry, Workflow, WorkflowMeta, assign, branch, chain, days, hours, step
from example_project.shop import services
from example_project.shop.models import Expense, Order, Subscription


def day() -> timedelta:
    """A day, unless the settings say that the example's days are shorter (``make demo`` does)."""
    length: timedelta = getattr(settings, "EXAMPLE_DAY", days(1))
    return length


class ProcessOrder(Workflow):
    """A pipeline: each step gets what the one before passed on. Charging is tried three times."""

    class Meta(WorkflowMeta):
        name = "process_order"
        timeout = hours(2)

    @step
    def validate(self, order: Data) -> Data:
        return {
            "order_id": order["id"],
            "items": order["items"],
            "customer": order["customer"],
            "card": order["card"],
        }

    @step
    def calculate_total(self, data: Data) -> Data:
        total = sum(item["price"] for item in data["items"])
        Order.objects.filter(reference=data["order_id"]).update(total=total)
        return assign(data, total=total)

    # Not atomic: it talks to another company, and no transaction should be open meanwhile. Should
    # the worker die in it, it runs again with the same idempotency key.
    @step(retry=Retry(max_attempts=3, backoff="exponential"), atomic=False)
    def charge_payment(self, data: Data) -> Data:
        charge = services.charge(
            data["order_id"],
            data["total"],
            card=data["card"],
            idempotency_key=self.idempotency_key,
        )
        return assign(data, charge_id=charge.pk)

    @step
    def send_confirmation(self, data: Data) -> None:
        services.set_order_status(data["order_id"], "paid")
        services.send_mail(data["customer"], f"Your order {data['order_id']}")


class ExpenseApproval(Workflow):
    """Ask a manager; after three days without an answer the expense is rejected."""

    @step
    def request_approval(self, data: Data) -> Data:
        decision = self.wait_for_approval(
            "manager",
            prompt=f"Approve ${data['amount']} expense?",
            timeout=3 * day(),
            timeout_value="auto_rejected",
        )
        return assign(data, decision=decision)

    @step
    def process(self, data: Data) -> Data:
        Expense.objects.filter(pk=data["expense_id"]).update(status="reimbursed")
        return assign(data, status="reimbursed")

    @step
    def notify_rejection(self, data: Data) -> Data:
        Expense.objects.filter(pk=data["expense_id"]).update(status="rejected")
        services.send_mail(data["employee"], f"Expense of ${data['amount']}: {data['decision']}")
        return assign(data, status="rejected")

    flow = chain(
        request_approval,
        branch(on="decision", cases={"approved": process}, default=notify_rejection),
    )


class TrialReminder(Workflow):
    """Two weeks with a new customer, most of them asleep in the database."""

    @step
    def welcome(self, data: Data) -> None:
        services.send_mail(data["customer"], "Welcome")

    @step
    def wait_3_days(self, data: Data) -> None:
        self.sleep(3 * day())

    @step
    def check_in(self, data: Data) -> None:
        services.send_mail(data["customer"], "Three tips")

    @step
    def wait_until_trial_ends(self, data: Data) -> None:
        self.schedule_at(data["trial_started_at"] + 14 * day())

    @step
    def convert_or_remind(self, data: Data) -> Data:
        if Subscription.objects.filter(customer=data["customer"], active=True).exists():
            return assign(data, converted=True)
        services.send_mail(data["customer"], "Your trial has ended")
        return assign(data, converted=False)


class PaymentFlow(Workflow):
    """Send an invoice, then wait for what the payment provider's webhook says."""

    class Meta(WorkflowMeta):
        key = "order_id"  # of the input: so the webhook needs to know the order, not the execution

    @step
    def create_invoice(self, data: Data) -> Data:
        invoice = services.create_invoice(data["order_id"], data["amount"])
        return {"order_id": data["order_id"], "invoice_id": invoice.pk}

    @step
    def await_payment(self, data: Data) -> Data:
        event, _payload = self.wait_for_any(
            ["payment.success", "payment.failed"],
            timeout=7 * day(),
            timeout_value=("payment.expired", None),
        )
        return assign(data, result=event)

    @step
    def fulfill(self, data: Data) -> Data:
        services.set_order_status(data["order_id"], "fulfilled")
        return assign(data, status="fulfilled")

    @step
    def cancel(self, data: Data) -> Data:
        services.set_order_status(data["order_id"], "cancelled")
        return assign(data, status="cancelled")

    flow = chain(
        create_invoice,
        await_payment,
        branch(on="result", cases={"payment.success": fulfill}, default=cancel),
    )
