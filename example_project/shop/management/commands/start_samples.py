"""``manage.py start_samples``: one execution of each of the shop's workflows, to look at."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

import durable
from durable import clock
from durable.conf import database
from durable.models import Execution
from example_project.shop import services
from example_project.shop.models import Expense, Order, Subscription
from example_project.shop.workflows import ExpenseApproval, PaymentFlow, TrialReminder

ITEMS = [{"sku": "tea", "price": Decimal("12.50")}, {"sku": "cup", "price": Decimal("7.00")}]


class Command(BaseCommand):
    help = "Start one execution of each of the shop's workflows, unless that was done before."

    def handle(self, *args: Any, **options: Any) -> None:
        """Start them, all or none."""
        with transaction.atomic():
            if Order.objects.filter(reference="S-1").exists():
                self.stdout.write("the samples were started before")
                return
            executions = [_order(), _expense(), _trial(), _payment()]
        for execution in executions:
            self.stdout.write(f"started {execution.workflow} {execution.pk}")


def _order() -> Execution:
    return services.place_order("S-1", "ann@example.com", ITEMS)


def _expense() -> Execution:
    expense = Expense.objects.create(employee="ben@example.com", amount=Decimal(120))
    return durable.start(
        ExpenseApproval,
        {"expense_id": expense.pk, "employee": expense.employee, "amount": expense.amount},
    )


def _trial() -> Execution:
    Subscription.objects.create(customer="cleo@example.com")
    return durable.start(
        TrialReminder,
        {"customer": "cleo@example.com", "trial_started_at": clock.read(database())},
    )


def _payment() -> Execution:
    order = Order.objects.create(reference="S-2", customer="dan@example.com", total=80)
    return durable.start(PaymentFlow, {"order_id": order.reference, "amount": Decimal(80)})
