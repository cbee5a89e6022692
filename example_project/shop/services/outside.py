"""Other companies: a payment provider, an airline, a hotel, a writer of mails. They only pretend.

In real life each would be an HTTP API. As such APIs do, they take an idempotency key: asked again
with the same key they do nothing anew and give the answer that they gave before.
"""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F

from example_project.shop.models import Booking, Charge, Refund

PRICES = {"airline": Decimal(240), "hotel": Decimal(130)}


class PaymentUnavailable(Exception):
    """The payment provider does not answer just now; nothing was charged."""


class CardDeclined(Exception):
    """The payment provider does not take this card, now or later."""


def charge(
    order_id: str, amount: Decimal, *, card: str = "tok_visa", idempotency_key: str
) -> Charge:
    """Take ``amount`` from the card, once for each ``idempotency_key``.

    The card ``"tok_busy"`` is refused the first time (``PaymentUnavailable``), the card
    ``"tok_declined"`` each time (``CardDeclined``).
    """
    with transaction.atomic():
        known, _ = Charge.objects.get_or_create(
            idempotency_key=idempotency_key,
            defaults={"order_reference": order_id, "amount": amount},
        )
        Charge.objects.filter(pk=known.pk).update(requests=F("requests") + 1)
        known.refresh_from_db()
        known.taken = card != "tok_declined" and (card != "tok_busy" or known.requests > 1)
        known.save(update_fields=["taken"])
    _answer("payments", order_id)
    if card == "tok_declined":
        raise CardDeclined("the card was declined")
    if not known.taken:
        raise PaymentUnavailable("503 from the payment provider")
    return known


def book(company: str, what: str, *, idempotency_key: str) -> Booking:
    """Book ``what`` at the ``"airline"`` or the ``"hotel"``, once for each ``idempotency_key``."""
    with transaction.atomic():
        booking, _ = Booking.objects.get_or_create(
            idempotency_key=idempotency_key,
            defaults={"company": company, "what": what, "price": PRICES[company]},
        )
        Booking.objects.filter(pk=booking.pk).update(requests=F("requests") + 1)
    _answer(company, f"book {what}")
    return booking


def cancel_booking(booking_id: int, *, idempotency_key: str) -> Refund:
    """Cancel a booking and get its price back, once for each ``idempotency_key``."""
    with transaction.atomic():
        booking = Booking.objects.get(pk=booking_id)
        refund, _ = Refund.objects.get_or_create(
            idempotency_key=idempotency_key,
            defaults={"booking": booking, "amount": booking.price},
        )
        Refund.objects.filter(pk=refund.pk).update(requests=F("requests") + 1)
    _answer(booking.company, f"cancel {booking.what}")
    return refund


def personal_subject(recipient: str, subject: str) -> str:
    """What to write above the mail to this recipient."""
    name = recipient.partition("@")[0].capitalize()
    _answer("writer", recipient)
    return f"{name}, {subject}"


def _answer(company: str, about: str) -> None:
    """Take ``EXAMPLE_LATENCY``, and much longer if the company is out of order.

    It is for as long as ``EXAMPLE_OUTAGES`` has a file of this name; the demo makes one.
    """
    latency: timedelta = getattr(settings, "EXAMPLE_LATENCY", timedelta(0))
    outages: Path | None = getattr(settings, "EXAMPLE_OUTAGES", None)
    time.sleep(latency.total_seconds())  # noqa: TID251 - the network, in real life
    while outages is not None and (outages / f"{company} {about}").exists():
        time.sleep(0.05)  # noqa: TID251 - the same
