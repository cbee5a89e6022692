"""What the workflows call: the shop's own rows, and a payment provider that only pretends."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F

import durable
from durable.models import Execution
from example_project.shop.models import Charge, Invoice, Order, OutboxMail


class PaymentUnavailable(Exception):
    """The payment provider does not answer just now; nothing was charged."""


# -- the payment provider: in real life another company's HTTP API ------------------------------


def charge(
    order_id: str, amount: Decimal, *, card: str = "tok_visa", idempotency_key: str
) -> Charge:
    """Take ``amount`` from the card, once for each ``idempotency_key``.

    Asked again with the same key it returns the charge it has made before. The card
    ``"tok_busy"`` is refused the first time. The answer takes ``EXAMPLE_LATENCY``.
    """
    with transaction.atomic():
        known, _ = Charge.objects.get_or_create(
            idempotency_key=idempotency_key,
            defaults={"order_reference": order_id, "amount": amount},
        )
        Charge.objects.filter(pk=known.pk).update(requests=F("requests") + 1)
        known.refresh_from_db()
        known.taken = card != "tok_busy" or known.requests > 1
        known.save(update_fields=["taken"])
    time.sleep(_latency().total_seconds())  # noqa: TID251 - the network, in real life
    if not known.taken:
        raise PaymentUnavailable("503 from the payment provider")
    return known


def _latency() -> timedelta:
    latency: timedelta = getattr(settings, "EXAMPLE_LATENCY", timedelta(0))
    return latency


# -- the shop's own rows ------------------------------------------------------------------------


def send_mail(to: str, subject: str) -> None:
    """Put a mail into the outbox, in the transaction of the caller."""
    OutboxMail.objects.create(to=to, subject=subject)


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
