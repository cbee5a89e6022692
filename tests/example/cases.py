"""What the tests of the example share: its mails, and its schedule, which other tests forget."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from django.test import TestCase

from durable.authoring.parse import registry
from example_project.shop.models import OutboxMail
from example_project.shop.workflows import DailySalesReport

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ITEMS = [{"sku": "tea", "price": Decimal("12.50")}, {"sku": "cup", "price": Decimal(7)}]


def subjects() -> list[str]:
    """What was mailed, in order."""
    return list(OutboxMail.objects.order_by("pk").values_list("subject", flat=True))


class ScheduledTestCase(TestCase):
    """A test in which the example's schedule fires when its time comes."""

    def setUp(self) -> None:
        super().setUp()
        registry.register(DailySalesReport)
