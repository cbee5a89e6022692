"""``manage.py start_samples``: executions of each of the shop's workflows, to look at."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.db import transaction

import durable
from durable import clock
from durable.conf import database
from durable.models import Execution
from example_project.shop import services
from example_project.shop.models import (
    Campaign,
    Expense,
    Notification,
    Order,
    Subscriber,
    Subscription,
)
from example_project.shop.workflows import (
    BookTrip,
    BuildDashboard,
    ExpenseApproval,
    PaymentFlow,
    SendCampaign,
    TrialReminder,
)

ITEMS = [{"sku": "tea", "price": Decimal("12.50")}, {"sku": "cup", "price": Decimal("7.00")}]
EXPENSES = (("ben@example.com", "120"), ("eve@example.com", "480.50"), ("ben@example.com", "2300"))
RECIPIENTS = [f"reader{number:03}@example.com" for number in range(1, 60)] + ["nobody"]


class Command(BaseCommand):
    help = "Start executions of each of the shop's workflows, unless that was done before."

    def handle(self, *args: Any, **options: Any) -> None:
        """Start them, all or none."""
        with transaction.atomic():
            if Order.objects.filter(reference="S-1").exists():
                self.stdout.write("the samples were started before")
                return
            executions = list(_samples())
        for execution in executions:
            self.stdout.write(f"started {execution.workflow} {execution.pk}")


def _samples() -> Iterator[Execution]:
    yield from _orders()
    yield from _expenses()
    yield _dashboard()
    yield _campaign()
    yield from _trips()
    yield durable.trigger_schedule("daily_sales_report")
    yield _trial()
    yield _payment()


def _orders() -> Iterator[Execution]:
    """One that is paid, one whose payment is retried, and one that fails."""
    for reference, card in (("S-1", "tok_visa"), ("S-2", "tok_busy"), ("S-3", "tok_declined")):
        yield services.place_order(reference, "ann@example.com", ITEMS, card=card)


def _expenses() -> Iterator[Execution]:
    """Questions to a manager, open for three days."""
    for employee, amount in EXPENSES:
        expense = Expense.objects.create(employee=employee, amount=Decimal(amount))
        yield durable.start(
            ExpenseApproval,
            {"expense_id": expense.pk, "employee": employee, "amount": expense.amount},
        )


def _dashboard() -> Execution:
    users = get_user_model().objects
    ann = users.filter(username="ann").first() or users.create_user("ann", "ann@example.com")
    Notification.objects.create(user=ann, text="Your parcel is on its way")
    return durable.start(BuildDashboard, {"user_id": ann.pk})


def _campaign() -> Execution:
    """Sixty mails, one of which can't be sent."""
    Subscriber.objects.bulk_create(Subscriber(email=email) for email in RECIPIENTS)
    campaign = Campaign.objects.create(subject="the new teas are here")
    return durable.start(SendCampaign, {"campaign_id": campaign.pk})


def _trips() -> Iterator[Execution]:
    """One that works out, and one that is undone."""
    for trip, card in (("S-4", "tok_visa"), ("S-5", "tok_declined")):
        yield durable.start(
            BookTrip, {"trip_id": trip, "flight": "LH 860", "hotel": "Grand Hotel", "card": card}
        )


def _trial() -> Execution:
    """Asleep for three days, then for eleven more."""
    Subscription.objects.create(customer="cleo@example.com")
    return durable.start(
        TrialReminder,
        {"customer": "cleo@example.com", "trial_started_at": clock.read(database())},
    )


def _payment() -> Execution:
    """Waits for an event."""
    order = Order.objects.create(reference="S-6", customer="dan@example.com", total=80)
    return durable.start(PaymentFlow, {"order_id": order.reference, "amount": Decimal(80)})
