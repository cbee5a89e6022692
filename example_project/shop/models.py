"""The rows of the shop, and those of the outside services that it pretends to call."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Order(models.Model):
    """What a customer has ordered."""

    reference = models.CharField(max_length=100, unique=True)
    customer = models.EmailField()
    total = models.DecimalField(max_digits=12, decimal_places=2, default=0)
    status = models.CharField(max_length=20, default="placed")

    def __str__(self) -> str:
        return self.reference


class Invoice(models.Model):
    """What a customer has to pay for an order."""

    order = models.OneToOneField(Order, models.CASCADE)
    amount = models.DecimalField(max_digits=12, decimal_places=2)

    def __str__(self) -> str:
        return f"invoice {self.pk} of {self.order_id}"


class Expense(models.Model):
    """What an employee has spent and wants back."""

    employee = models.EmailField()
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    status = models.CharField(max_length=20, default="claimed")

    def __str__(self) -> str:
        return f"{self.employee}: {self.amount}"


class Subscription(models.Model):
    """A customer on trial; ``active`` once the customer pays."""

    customer = models.EmailField(unique=True)
    active = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.customer


class OutboxMail(models.Model):
    """A mail that the shop has sent."""

    to = models.EmailField()
    subject = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.subject} → {self.to}"


class Charge(models.Model):
    """The payment provider's side: one row for each idempotency key it has ever seen."""

    idempotency_key = models.CharField(max_length=100, unique=True)
    order_reference = models.CharField(max_length=100)
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    requests = models.PositiveIntegerField(default=0)  # how often it was asked for with this key
    taken = models.BooleanField(default=False)  # the money has moved, once

    def __str__(self) -> str:
        return f"{self.amount} for {self.order_reference}"
