"""What happens in the demo, in order."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from durable.models import Worker as WorkerRow
from example_project.demo import verdict
from example_project.demo.place import DAY, LIMIT, Outages
from example_project.demo.screen import Screen
from example_project.demo.stories.campaign import CampaignStory
from example_project.demo.stories.dashboard import DashboardStory
from example_project.demo.stories.expense import ExpenseStory
from example_project.demo.stories.order import OrderStory
from example_project.demo.stories.payment import PaymentStory
from example_project.demo.stories.report import ReportStory
from example_project.demo.stories.story import Story
from example_project.demo.stories.trial import TrialStory
from example_project.demo.stories.trip import TripStory
from example_project.demo.worker import DemoFailed, Worker

LOOK = 0.05  # seconds between two looks


class Hit(Protocol):
    """A story whose worker is killed."""

    def note_kill(self) -> str:
        """Keep what is on record right after the kill; say what it has hit."""

    def what_became_of_it(self) -> tuple[str, ...]:
        """For the table: where it was hit, what stayed done, what ran again."""


class Play:
    """Eight workflows, four workers one after the other, three of them killed."""

    def __init__(self) -> None:
        self.screen = Screen()
        self.outages = Outages()
        self.order = OrderStory(self.outages)
        self.expense = ExpenseStory(self.outages)
        self.trial = TrialStory(self.outages)
        self.payment = PaymentStory(self.outages)
        self.dashboard = DashboardStory(self.outages)
        self.campaign = CampaignStory(self.outages)
        self.trip = TripStory(self.outages)
        self.report = ReportStory(self.outages)
        self.stories: list[Story] = [
            self.order,
            self.expense,
            self.dashboard,
            self.campaign,
            self.trip,
            self.report,
            self.trial,
            self.payment,
        ]
        self.worker: Worker | None = None
        self.kills: list[tuple[int, Hit]] = []

    def run(self) -> int:
        """Show it; 0 only if all ended as it should."""
        self.screen.say(f"a fresh SQLite database; a day takes {DAY} seconds")
        self.start_worker()
        self.a_payment()
        self.a_campaign()
        self.a_rollback()
        code = self.the_end()
        return self.verdict(code)

    # -- the acts -------------------------------------------------------------------------------

    def a_payment(self) -> None:
        """An order's worker is killed in its payment; people and webhooks don't wait for it."""
        self.order.start()
        self.dashboard.start()
        self.trial.start()
        self.screen.say("started: an order, a dashboard, a trial of fourteen days")
        self.until("the dashboard is there", self.dashboard.has_ended)
        self.until("the card is charged", self.order.is_charging)
        self.expense.start()
        self.payment.start()
        self.screen.say("started: two expenses to be approved, two payments to be made")
        self.until("the expenses ask for approval", self.expense.asks)
        self.until("the payments wait for the webhook", self.payment.waits)
        self.kill(self.order)
        self.expense.approve()
        self.screen.say("no worker is up; a manager approves the expense of 120 all the same")
        self.payment.pay()
        self.screen.say("no worker is up; a webhook says, twice, that A-3 is paid")
        self.start_worker()

    def a_campaign(self) -> None:
        """A campaign's worker is killed when some of its mails are sent and some are not."""
        self.order.start_another()
        self.campaign.start()
        self.screen.say("started: a campaign of 60 mails, 10 at a time; another order")
        self.until("the payment is tried again", self.order.is_charged_again)
        self.screen.say("A-1 was taken up where it was: its payment step runs again")
        self.until("both orders are paid", self.order.has_ended)
        self.until("the campaign is in the middle", self.campaign.is_in_the_middle)
        self.kill(self.campaign)
        self.start_worker()

    def a_rollback(self) -> None:
        """A trip's charge is declined; the worker is killed while the bookings are undone."""
        self.trip.start()
        self.screen.say("started: a trip; flight and hotel can be booked, the card is declined")
        self.until("the campaign is sent", self.campaign.has_ended)
        self.screen.say("the campaign was taken up where it was: all 60 mails are sent")
        self.until("the rollback is in the middle", self.trip.is_in_the_middle)
        self.kill(self.trip)
        self.start_worker()

    def the_end(self) -> int:
        """What is left ends by itself; then the worker is told to stop. Its exit code."""
        self.until("the payment of A-3 is noted", lambda: self.payment.has_ended("payment of A-3"))
        self.report.start()
        self.screen.say("started: the sales report, by hand; its schedule goes on beside that")
        self.until("the trip is undone", self.trip.has_ended)
        self.screen.say("the rollback was taken up where it was: the trip is undone")
        self.until("all executions end", lambda: all(story.has_ended() for story in self.stories))
        assert self.worker is not None
        code = self.worker.stop()
        self.screen.say(f"worker {self.worker.pid} was told to stop (SIGTERM), and did")
        self.screen.close()
        return code

    def verdict(self, code: int) -> int:
        """The tables, what had to be true, and the exit code."""
        verdict.show_table("All executions", verdict.executions(self.stories))
        rows: verdict.Rows = [
            ("killed", "in the middle of", "done before, not again", "done again")
        ]
        rows += [(str(pid), *story.what_became_of_it()) for pid, story in self.kills]
        verdict.show_table("What the kills have hit", rows)
        names = ("order A-1", "trip to Oslo")
        verdict.show_table("Two of them, step by step", verdict.steps(self.stories, *names))
        schedule = self.report.schedule()
        title = f"The schedule {schedule.name}: {schedule.cron} in {schedule.timezone}"
        verdict.show_table(title, self.report.table())
        print()
        stopped = {"the last worker stopped cleanly on SIGTERM": code == 0}
        return verdict.show({**verdict.promises(self.stories), **stopped})

    # -- its means ------------------------------------------------------------------------------

    def start_worker(self) -> None:
        """Start a worker and wait until it is at work."""
        before = WorkerRow.objects.count()
        self.worker = Worker()
        self.until(f"worker {self.worker.pid} is up", lambda: WorkerRow.objects.count() > before)
        self.screen.say(f"worker {self.worker.pid} is up (manage.py durable_worker)")

    def kill(self, story: Hit) -> None:
        """SIGKILL the worker; then whoever did not answer does so again."""
        assert self.worker is not None
        self.worker.kill()
        self.screen.say(f"*** kill -9 {self.worker.pid} {story.note_kill()}")
        self.kills.append((self.worker.pid, story))
        self.worker = None
        self.outages.end()

    def until(self, what: str, happened: Callable[[], bool]) -> None:
        """Show how things stand until it has happened."""
        end = time.monotonic() + LIMIT
        while not happened():
            if time.monotonic() > end:
                raise DemoFailed(f"waited {LIMIT:g} s in vain until {what}")
            if self.worker is not None:
                self.worker.check()
            self.look()
            time.sleep(LOOK)  # noqa: TID251 - a live demo looks on from outside
        self.look()

    def look(self) -> None:
        """Show where each execution stands."""
        self.screen.show(
            {
                name: story.state(story.row(name))
                for story in self.stories
                for name in story.executions
            }
        )
