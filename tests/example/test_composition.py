"""Dashboards, campaigns, trips and reports: side by side, many, undone, every morning."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User
from django.test import TestCase

import durable
from durable import Cron, days
from durable.models import Execution
from durable.testing import (
    advance,
    assert_completed,
    assert_step,
    drain,
    replace_step,
    run,
    time_travel,
)
from example_project.shop import services
from example_project.shop.models import (
    Booking,
    Campaign,
    Charge,
    ChatMessage,
    Dashboard,
    Notification,
    Order,
    OutboxMail,
    Refund,
    SalesReport,
    Subscriber,
)
from example_project.shop.workflows import BookTrip, BuildDashboard, SendCampaign
from tests.example.cases import NOON, ScheduledTestCase, subjects

NEW_YORK = ZoneInfo("America/New_York")


class BuildDashboardTests(TestCase):
    """Three branches, and what they have fetched put together."""

    def setUp(self) -> None:
        self.ann = User.objects.create_user("ann", "ann@example.com")
        for reference in ("D-1", "D-2"):
            Order.objects.create(reference=reference, customer="ann@example.com")
        Order.objects.create(reference="D-3", customer="bob@example.com")
        Notification.objects.create(user=self.ann, text="new")
        Notification.objects.create(user=self.ann, text="old", read=True)

    def test_it_has_all_its_parts(self) -> None:
        execution = run(BuildDashboard, {"user_id": self.ann.pk})
        assert_completed(execution)
        self.assertEqual(
            execution.result,
            {
                "user_id": self.ann.pk,
                "user": {"name": "ann", "email": "ann@example.com"},
                "orders": ["D-2", "D-1"],
                "notifications": ["new"],
                "dashboard": "ann: 2 orders, 1 notifications",
            },
        )
        self.assertEqual(Dashboard.objects.get().page, "ann: 2 orders, 1 notifications")

    def test_it_is_made_anew_the_next_time(self) -> None:
        run(BuildDashboard, {"user_id": self.ann.pk})
        Notification.objects.update(read=True)
        run(BuildDashboard, {"user_id": self.ann.pk})
        self.assertEqual(Dashboard.objects.get().page, "ann: 2 orders, 0 notifications")

    def test_without_one_of_its_parts_there_is_none(self) -> None:
        def down(step: Any, data: Any) -> Any:
            raise ConnectionError("no notifications today")

        with replace_step(BuildDashboard, "notifications", down):
            execution = run(BuildDashboard, {"user_id": self.ann.pk})
        self.assertEqual(execution.status, "failed")
        self.assertIn("no notifications today", str(execution.error))
        self.assertFalse(Dashboard.objects.exists())


class SendCampaignTests(TestCase):
    """One mail for each recipient, whatever becomes of the others."""

    def setUp(self) -> None:
        self.campaign = Campaign.objects.create(subject="teas")
        Subscriber.objects.bulk_create(
            Subscriber(email=f"reader{number}@example.com") for number in range(25)
        )

    def _send(self) -> Execution:
        return run(SendCampaign, {"campaign_id": self.campaign.pk})

    def test_each_subscriber_gets_one_mail_and_counts_once(self) -> None:
        execution = self._send()
        assert_completed(execution)
        self.assertEqual(execution.result["sent_count"], 25)
        self.assertEqual(
            execution.result["send_emails"],
            {"total": 25, "succeeded": 25, "failed": 0, "errors": []},
        )
        sent = Counter(OutboxMail.objects.values_list("to", flat=True))
        self.assertEqual(sent, {f"reader{number}@example.com": 1 for number in range(25)})
        self.assertIn("Reader7, our news: teas", subjects())

    def test_who_has_left_gets_none(self) -> None:
        Subscriber.objects.filter(email="reader7@example.com").update(active=False)
        self.assertEqual(self._send().result["sent_count"], 24)
        self.assertFalse(OutboxMail.objects.filter(to="reader7@example.com").exists())

    def test_a_recipient_that_fails_stops_nobody_else(self) -> None:
        Subscriber.objects.filter(email="reader7@example.com").update(email="nobody")
        execution = self._send()
        assert_completed(execution)
        self.assertEqual(execution.result["sent_count"], 24)
        outcome = execution.result["send_emails"]
        self.assertEqual((outcome["succeeded"], outcome["failed"]), (24, 1))
        (error,) = outcome["errors"]
        self.assertEqual((error["index"], error["error"]["type"]), (7, "ValidationError"))
        self.assertEqual(OutboxMail.objects.count(), 24)
        self.assertEqual(execution.children.get(status="failed").index, 7)

    def test_no_more_than_ten_are_in_flight(self) -> None:
        in_flight = []

        def look(recipient: str, subject: str) -> str:
            begun = Execution.objects.filter(role="item", released=True)
            in_flight.append(begun.unfinished().count())
            return subject

        with mock.patch("example_project.shop.services.own.personal_subject", look):
            self._send()
        self.assertEqual((len(in_flight), max(in_flight)), (25, 10))

    def test_without_subscribers_nothing_is_sent(self) -> None:
        Subscriber.objects.all().delete()
        assert_completed(self._send())
        self.assertEqual(subjects(), [])


TRIP = {"trip_id": "T-1", "flight": "LH 860", "hotel": "Grand Hotel", "card": "tok_visa"}


def refunds() -> list[tuple[str, int]]:
    """What was refunded, in order, and how often each was asked for."""
    found = Refund.objects.select_related("booking").order_by("pk")
    return [(refund.booking.what, refund.requests) for refund in found]


@time_travel(at=NOON)
class BookTripTests(TestCase):
    """What is booked is undone if the trip can't be paid for."""

    def test_a_trip_that_works_out_is_booked_and_charged(self) -> None:
        execution = run(BookTrip, TRIP)
        assert_completed(execution)
        self.assertIs(execution.result["charged"], True)
        self.assertEqual(Charge.objects.get(taken=True).amount, Decimal(370))
        self.assertEqual((Booking.objects.count(), refunds()), (2, []))

    def test_a_declined_card_undoes_both_bookings_newest_first(self) -> None:
        execution = run(BookTrip, {**TRIP, "card": "tok_declined"})
        self.assertEqual(execution.status, "compensated")
        self.assertEqual(execution.error["type"], "CardDeclined")
        self.assertEqual(refunds(), [("Grand Hotel", 1), ("LH 860", 1)])
        self.assertEqual(
            list(execution.compensations.values_list("path", "status")),
            [("book_hotel", "completed"), ("book_flight", "completed")],
        )
        self.assertFalse(Charge.objects.filter(taken=True).exists())

    def test_only_what_was_booked_is_undone(self) -> None:
        def full(step: Any, data: Any) -> Any:
            raise durable.Fail("no room", type="full")

        with replace_step(BookTrip, "book_hotel", full):
            execution = run(BookTrip, TRIP)
        self.assertEqual((execution.status, refunds()), ("compensated", [("LH 860", 1)]))
        self.assertFalse(Charge.objects.exists())

    def test_a_cancellation_whose_answer_is_lost_is_asked_for_again_with_the_same_key(self) -> None:
        cancel, lost = services.cancel_booking, []

        def lose_the_first(booking_id: int, *, idempotency_key: str) -> Refund:
            refund = cancel(booking_id, idempotency_key=idempotency_key)
            if not lost:
                lost.append(refund)
                raise ConnectionError("the answer was lost")
            return refund

        with mock.patch.object(services, "cancel_booking", lose_the_first):
            execution = run(BookTrip, {**TRIP, "card": "tok_declined"})
            self.assertEqual((execution.status, refunds()), ("compensating", [("Grand Hotel", 1)]))
            advance(seconds=2)
        execution.refresh_from_db()
        self.assertEqual(execution.status, "compensated")
        self.assertEqual(refunds(), [("Grand Hotel", 2), ("LH 860", 1)])
        self.assertEqual(sum(refund.amount for refund in Refund.objects.all()), Decimal(370))


@time_travel(at=datetime(2026, 3, 6, 20, tzinfo=UTC), schedules=["daily_sales_report"])
class DailySalesReportTests(ScheduledTestCase):
    """A Friday; on Sunday the clocks of New York go forward."""

    def _sold(self, reference: str, total: str, ago: timedelta, status: str = "paid") -> None:
        Order.objects.create(
            reference=reference,
            customer="ann@example.com",
            total=Decimal(total),
            status=status,
            created_at=datetime(2026, 3, 6, 20, tzinfo=UTC) - ago,
        )

    def test_it_runs_at_nine_in_new_york_before_and_after_the_clocks_change(self) -> None:
        advance(days=3)
        reports = durable.list_executions("daily_sales_report", status="completed")
        self.assertEqual(
            sorted(reports.values_list("scheduled_at", flat=True)),
            [
                datetime(2026, 3, 7, 14, tzinfo=UTC),
                datetime(2026, 3, 8, 13, tzinfo=UTC),
                datetime(2026, 3, 9, 13, tzinfo=UTC),
            ],
        )
        self.assertEqual(OutboxMail.objects.filter(to="sales@example.com").count(), 3)

    def test_its_next_runs_can_be_told_beforehand(self) -> None:
        drain()
        schedule = durable.schedules().get(name="daily_sales_report")
        self.assertEqual((schedule.cron, schedule.timezone), ("0 9 * * *", "America/New_York"))
        cron = Cron(schedule.cron, timezone=schedule.timezone)
        slots = list(islice(cron.slots_after(datetime(2026, 3, 6, 20, tzinfo=UTC)), 400))
        self.assertEqual(schedule.next_run_at, slots[0])
        local = [slot.astimezone(NEW_YORK) for slot in slots]
        self.assertEqual({(slot.hour, slot.minute) for slot in local}, {(9, 0)})
        self.assertEqual(len({slot.date() for slot in local}), 400)

    def test_it_sums_up_what_was_sold_in_the_last_day(self) -> None:
        self._sold("R-1", "12.50", days(0.5))
        self._sold("R-2", "7.10", days(0.1), "fulfilled")
        self._sold("R-3", "99", days(0.1), "cancelled")
        self._sold("R-4", "99", days(1.1))
        drain()
        execution = durable.trigger_schedule("daily_sales_report")
        drain()
        assert_completed(execution)
        assert_step(execution, "distribute", attempts=1)
        report = SalesReport.objects.get()
        self.assertEqual((report.orders, report.revenue), (2, Decimal("19.60")))
        self.assertEqual(subjects(), ["Sales report: 2 orders, 19.60"])
        message = ChatMessage.objects.get()
        self.assertEqual((message.channel, message.text), ("#sales", "2 orders, 19.60"))

    def test_a_report_by_hand_takes_no_slot(self) -> None:
        drain()
        durable.trigger_schedule("daily_sales_report")
        advance(days=1)
        self.assertEqual(SalesReport.objects.count(), 2)
        self.assertEqual(SalesReport.objects.filter(orders=0, revenue=0).count(), 2)
