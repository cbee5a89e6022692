"""Two invoices: one is paid, as a webhook says; the other is not, within seven days."""

from __future__ import annotations

from decimal import Decimal

import durable
from durable.models import Wait
from example_project.demo.stories.story import Ending, Story
from example_project.shop.models import Invoice, Order
from example_project.shop.workflows import PaymentFlow

AMOUNT = Decimal(80)


class PaymentStory(Story):
    """``PaymentFlow``: an invoice, then the first of two events."""

    def start(self) -> None:
        """An order and its payment, twice."""
        for reference, status in (("A-3", "fulfilled"), ("A-4", "cancelled")):
            Order.objects.create(reference=reference, customer="dan@example.com", total=AMOUNT)
            payment = durable.start(PaymentFlow, {"order_id": reference, "amount": AMOUNT})
            self.add(f"payment of {reference}", payment, Ending("completed", "status", status))

    def waits(self) -> bool:
        """Whether both wait for what the webhook says."""
        return Wait.objects.open().filter(execution__in=self.executions.values()).count() == 2

    def pay(self) -> None:
        """What the webhook does, which is sent twice; it knows the order, not the execution."""
        for _ in range(2):
            payload = {"transaction_id": "txn_123"}
            durable.publish_event("payment.success", payload, key="A-3", event_id="evt_1")

    def promises(self) -> dict[str, bool]:
        """What came twice counts once."""
        events = self.row("payment of A-3").events.count()
        return {
            "the webhook came twice and counts once; one invoice for each payment": (
                events == 1 and Invoice.objects.count() == 2
            ),
        }
