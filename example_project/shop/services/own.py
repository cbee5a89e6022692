"""The shop's own rows: orders, mails, dashboards, reports. All join the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Count, Sum

import durable
from durable import days
from durable.models import Execution
from example_project.shop.models import (
    Campaign,
    ChatMessage,
    Dashboard,
    Invoice,
    Notification,
    Order,
    OutboxMail,
    SalesReport,
    Subscriber,
)
from example_project.shop.services.outside import personal_subject

SOLD = ("paid", "fulfilled")

# -- mails --------------------------------------------------------------------------------------


def send_mail(to: str, subject: str) -> None:
    """Put a mail into the outbox, in the transaction of the caller."""
    OutboxMail.objects.create(to=to, subject=subject)


def send_campaign(recipient: str, campaign_id: int) -> None:
    """Send a campaign's mail to one recipient; ``ValidationError`` if that is no address."""
    validate_email(recipient)
    # The other company first: a transaction begins with the first SQL, and should be short.
    subject = personal_subject(recipient, "our news")
    send_mail(recipient, f"{subject}: {Campaign.objects.get(pk=campaign_id).subject}")


def active_subscribers() -> list[str]:
    """Whom a campaign goes to."""
    active = Subscriber.objects.filter(active=True).order_by("pk")
    return list(active.values_list("email", flat=True))


# -- orders -------------------------------------------------------------------------------------


def place_order(
    reference: str, customer: str, items: Sequence[Mapping[str, Any]], *, card: str = "tok_visa"
) -> Execution:
    """Store an order and start its workflow: both are there after the commit, or neither."""
    with transaction.atomic():
        order = Order.objects.create(reference=reference, customer=customer)
        return durable.start(
            "process_order",
            {"id": reference, "items": list(items), "customer": customer, "card": card},
            subject=order,
            idempotency_key=reference,
        )


def create_invoice(order_id: str, amount: Decimal) -> Invoice:
    """The invoice of an order."""
    order = Order.objects.get(reference=order_id)
    return Invoice.objects.create(order=order, amount=amount)


def set_order_status(order_id: str, status: str) -> None:
    """Note where an order stands."""
    Order.objects.filter(reference=order_id).update(status=status)


# -- dashboards ---------------------------------------------------------------------------------


def find_user(user_id: int) -> dict[str, str]:
    """Who somebody is."""
    user = get_user_model().objects.get(pk=user_id)
    return {"name": user.get_username(), "email": user.email}


def recent_orders(user_id: int) -> list[str]:
    """What somebody has ordered, newest first."""
    customer = get_user_model().objects.get(pk=user_id).email
    orders = Order.objects.filter(customer=customer).order_by("-pk")
    return list(orders.values_list("reference", flat=True)[:5])


def unread_notifications(user_id: int) -> list[str]:
    """What somebody should be told."""
    unread = Notification.objects.filter(user=user_id, read=False).order_by("pk")
    return list(unread.values_list("text", flat=True))


def show_dashboard(
    user_id: int, user: Mapping[str, str], orders: Sequence[str], notifications: Sequence[str]
) -> str:
    """Put a dashboard together and store it; what it says."""
    page = f"{user['name']}: {len(orders)} orders, {len(notifications)} notifications"
    Dashboard.objects.update_or_create(user_id=user_id, defaults={"page": page})
    return page


# -- reports ------------------------------------------------------------------------------------


def sales_summary(until: datetime) -> dict[str, Any]:
    """How many orders were sold in the 24 hours before, and for how much."""
    sold = Order.objects.filter(
        status__in=SOLD, created_at__gt=until - days(1), created_at__lte=until
    )
    sums = sold.aggregate(orders=Count("pk"), revenue=Sum("total", default=Decimal(0)))
    SalesReport.objects.create(until=until, **sums)
    return {"until": until, **sums}


def send_report(report: Mapping[str, Any], to: str) -> None:
    """Mail a sales report."""
    send_mail(to, f"Sales report: {in_words(report)}")


def post_summary(report: Mapping[str, Any], channel: str) -> None:
    """Write a sales report into a channel of the shop's chat."""
    ChatMessage.objects.create(channel=channel, text=in_words(report))


def in_words(report: Mapping[str, Any]) -> str:
    """A sales report in one line."""
    return f"{report['orders']} orders, {report['revenue']:.2f}"
