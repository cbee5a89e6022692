"""A report that a schedule starts every morning, and a person once by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import durable
from durable import Cron
from durable.models import Execution, Schedule
from example_project.demo.stories.story import Ending, Mail, Story
from example_project.shop.models import ChatMessage
from example_project.shop.services import in_words

NAME = "sales report"
SCHEDULE = "daily_sales_report"
ZONE = ZoneInfo("America/New_York")
ORDERS, REVENUE = 3, Decimal("119.00")  # at 19.50, A-3 at 80


class ReportStory(Story):
    """``DailySalesReport``: generate, distribute; at nine o'clock in New York."""

    def start(self) -> None:
        """It is hardly ever nine just now, so somebody starts it by hand, beside its slots."""
        report = durable.trigger_schedule(SCHEDULE)
        self.add(NAME, report, Ending("completed", "report.orders", ORDERS))

    def schedule(self) -> Schedule:
        """The schedule that the class declares."""
        return durable.schedules().get(name=SCHEDULE)

    def next_runs(self) -> list[datetime]:
        """The next three, and the two around the next change of clocks, in New York's time."""
        slots = list(islice(self._slots(), 366))
        changed = next(
            day
            for day in range(1, len(slots))
            if slots[day].utcoffset() != slots[day - 1].utcoffset()
        )
        return sorted({*slots[:3], *slots[changed - 1 : changed + 1]})

    def table(self) -> list[tuple[str, ...]]:
        """When it runs next."""
        head = ("next run", "in New York", "the same in UTC")
        return [
            head,
            *(
                (f"{slot:%a %d %b %Y}", f"{slot:%H:%M %Z}", f"{slot.astimezone(UTC):%H:%M}")
                for slot in self.next_runs()
            ),
        ]

    def mails(self) -> list[Mail]:
        """One for each report."""
        return [
            Mail("sales@example.com", f"Sales report: {in_words(report)}")
            for report in self._reports()
        ]

    def promises(self) -> dict[str, bool]:
        """It comes every morning, and what it says is right."""
        runs, report = self.next_runs(), (self.row(NAME).data or {}).get("report", {})
        return {
            "the report runs at nine in New York, before and after the clocks change": (
                self.schedule().enabled
                and all((run.hour, run.minute) == (9, 0) for run in runs)
                and len({run.utcoffset() for run in runs}) == 2
            ),
            "started by hand, it says what was sold, and was posted once": (
                (report.get("orders"), report.get("revenue")) == (ORDERS, REVENUE)
                and sorted(ChatMessage.objects.values_list("text", flat=True))
                == sorted(map(in_words, self._reports()))
            ),
        }

    def _reports(self) -> list[dict[str, Any]]:
        """All that were made: two, if it became nine in New York just now."""
        made = Execution.objects.filter(workflow=SCHEDULE, status="completed")
        return [row.data["report"] for row in made]

    def _slots(self) -> Iterator[datetime]:
        """When the schedule fires, beginning with what its row has noted as the next."""
        schedule = self.schedule()
        assert schedule.next_run_at is not None
        before = schedule.next_run_at - timedelta(seconds=1)
        for slot in Cron(schedule.cron, timezone=schedule.timezone).slots_after(before):
            yield slot.astimezone(ZONE)
