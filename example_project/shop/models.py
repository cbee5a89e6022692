"""The rows of the shop, and those of the other companies that it pretends to call."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

# -- the shop's own -----------------------------------------------------------------------------


class Order(models.Model):
    """What a customer has ordered."""

    reference = models.CharField(max_length=100, unique=True)
    customer = models.EmailField()
    total = models.DecimalField(max_digits=12, decimal_places=2, default=0)
    status = models.CharField(max_length=20, default="placed")
    created_at = models.DateTimeField(db_default=Now())

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


class Notification(models.Model):
    """What the shop wants to tell somebody at the next visit."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    text = models.CharField(max_length=200)
    read = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.text


class Dashboard(models.Model):
    """The page that somebody sees after logging in."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE)
    page = models.TextField()

    def __str__(self) -> str:
        return f"dashboard of user {self.user_id}"


class Campaign(models.Model):
    """A mail to all subscribers."""

    subject = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.subject


class Subscriber(models.Model):
    """Who gets the campaigns, as typed into a form; ``active`` until unsubscribed."""

    email = models.CharField(max_length=254, unique=True)
    active = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.email


class SalesReport(models.Model):
    """What was sold in the 24 hours before ``until``."""

    until = models.DateTimeField()
    orders = models.PositiveIntegerField()
    revenue = models.DecimalField(max_digits=12, decimal_places=2)

    def __str__(self) -> str:
        return f"{self.orders} orders, {self.revenue}"


class OutboxMail(models.Model):
    """A mail that the shop has sent."""

    to = models.EmailField()
    subject = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.subject} → {self.to}"


class ChatMessage(models.Model):
    """What the shop has written into a channel of its chat."""

    channel = models.CharField(max_length=100)
    text = models.CharField(max_length=200)

    def __str__(self) -> str:
        return f"{self.channel}: {self.text}"


# -- those of other companies: one row for each idempotency key they have ever seen ---------------


class Charge(models.Model):
    """Money that the payment provider was asked to take."""

    idempotency_key = models.CharField(max_length=100, unique=True)
    order_reference = models.CharField(max_length=100)
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    requests = models.PositiveIntegerField(default=0)  # how often it was asked for with this key
    taken = models.BooleanField(default=False)  # the money has moved, once

    def __str__(self) -> str:
        return f"{self.amount} for {self.order_reference}"


class Booking(models.Model):
    """A seat or a room that an airline or a hotel was asked for."""

    idempotency_key = models.CharField(max_length=100, unique=True)
    company = models.CharField(max_length=20)
    what = models.CharField(max_length=100)
    price = models.DecimalField(max_digits=12, decimal_places=2)
    requests = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.what


class Refund(models.Model):
    """A booking that was cancelled, and its price given back."""

    idempotency_key = models.CharField(max_length=100, unique=True)
    booking = models.ForeignKey(Booking, models.CASCADE, related_name="refunds")
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    requests = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.amount} for {self.booking_id}"
