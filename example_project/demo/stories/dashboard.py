"""A dashboard whose three parts are fetched side by side."""

from __future__ import annotations

from datetime import UTC, datetime

from django.contrib.auth import get_user_model

import durable
from example_project.demo.stories.story import Ending, Story
from example_project.shop.models import Dashboard, Notification, Order
from example_project.shop.workflows import BuildDashboard

TEXTS = ["Your parcel is on its way", "You have a voucher"]
PAGE = "dora: 2 orders, 2 notifications"


class DashboardStory(Story):
    """``BuildDashboard``: user, orders and notifications in parallel, then render."""

    def start(self) -> None:
        """A customer with two old orders and two things to be told."""
        dora = get_user_model().objects.create_user("dora", "dora@example.com")
        for reference in ("D-1", "D-2"):
            Order.objects.create(
                reference=reference,
                customer=dora.email,
                status="fulfilled",
                created_at=datetime(2026, 1, 5, tzinfo=UTC),
            )
        for text in TEXTS:
            Notification.objects.create(user=dora, text=text)
        execution = durable.start(BuildDashboard, {"user_id": dora.pk})
        self.add("dashboard of dora", execution, Ending("completed", "dashboard", PAGE))

    def promises(self) -> dict[str, bool]:
        """Nothing that a branch has fetched is missing."""
        data = self.row("dashboard of dora").data
        parts = {
            "user": {"name": "dora", "email": "dora@example.com"},
            "orders": ["D-2", "D-1"],
            "notifications": TEXTS,
        }
        return {
            "the dashboard has what each of its three branches has fetched": (
                {name: data.get(name) for name in parts} == parts
                and list(Dashboard.objects.values_list("page", flat=True)) == [PAGE]
            ),
        }
