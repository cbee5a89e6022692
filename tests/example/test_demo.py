"""``make demo``: its promises notice what is wrong, and the program itself ends as it should."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from datetime import timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from django.db import transaction
from django.db.models import F
from django.test import SimpleTestCase, override_settings

from durable.authoring.parse import registry
from durable.engine.duties.inline import InlineSession
from durable.engine.run import runner
from durable.engine.run.claim import claim_due
from durable.errors import ClaimLost
from durable.models import Event, Execution, Schedule, StepRun, Wait
from durable.testing import advance, drain, time_travel
from example_project.demo import verdict
from example_project.demo.place import Outages
from example_project.demo.screen import Screen, State
from example_project.demo.stories.campaign import CampaignStory
from example_project.demo.stories.dashboard import DashboardStory
from example_project.demo.stories.expense import ExpenseStory
from example_project.demo.stories.order import OrderStory
from example_project.demo.stories.payment import PaymentStory
from example_project.demo.stories.report import ReportStory
from example_project.demo.stories.story import Story
from example_project.demo.stories.trial import TrialStory
from example_project.demo.stories.trip import TripStory
from example_project.shop.models import (
    Charge,
    ChatMessage,
    Dashboard,
    Invoice,
    Order,
    OutboxMail,
    Refund,
)
from example_project.shop.services import outside
from tests.example.cases import NOON, ScheduledTestCase
from tests.life.cases import a_worker, bury

ROOT = Path(__file__).resolve().parent.parent.parent


def _hang(seconds: float) -> None:
    """Who waits for an answer that does not come is never heard of again."""
    if seconds:
        raise ClaimLost  # nothing catches it, nothing more is written


class Rehearsal:
    """The demo's stories in this process; a kill is a worker that drops everything."""

    def __init__(self, directory: str) -> None:
        self.outages = Outages(Path(directory))
        self.order = OrderStory(self.outages)
        self.expense = ExpenseStory(self.outages)
        self.dashboard = DashboardStory(self.outages)
        self.campaign = CampaignStory(self.outages)
        self.trip = TripStory(self.outages)
        self.report = ReportStory(self.outages)
        self.trial = TrialStory(self.outages)
        self.payment = PaymentStory(self.outages)
        self.stories: list[Story] = [
            story for story in vars(self).values() if isinstance(story, Story)
        ]

    def play(self) -> None:
        """All of it, kills included."""
        for story in self.stories:
            if story not in (self.campaign, self.trip, self.report):
                story.start()
        self.kill(self.order, self.order.is_charging)
        self.expense.approve()
        self.payment.pay()
        self.order.start_another()
        drain()
        advance(seconds=1.4)
        self.campaign.start()
        self.kill(self.campaign, self.campaign.is_in_the_middle)
        self.trip.start()
        self.kill(self.trip, self.trip.is_in_the_middle)
        Order.objects.filter(reference__startswith="A").update(created_at=NOON)
        self.report.start()
        drain()
        advance(seconds=21)

    def kill(self, story: Any, is_in_the_middle: Callable[[], bool]) -> None:
        """A worker takes what there is until it hangs everywhere, and dies."""
        worker = a_worker()
        while claims := claim_due(worker, "default", registry.kinds(), 1):
            runner.run(claims[0], InlineSession())
        assert is_in_the_middle()
        story.note_kill()
        bury(worker)
        self.outages.end()
        drain()

    def promises(self) -> dict[str, bool]:
        """What had to be true, and whether it is."""
        return verdict.promises(self.stories)


@override_settings(EXAMPLE_DAY=timedelta(seconds=1.5))
@time_travel(at=NOON)
class PromisesTests(ScheduledTestCase):
    """Each promise of the verdict is seen to be kept, and to be broken."""

    def setUp(self) -> None:
        super().setUp()
        directory = self.enterContext(tempfile.TemporaryDirectory())
        self.enterContext(override_settings(EXAMPLE_OUTAGES=Path(directory)))
        self.enterContext(mock.patch.object(outside, "time", SimpleNamespace(sleep=_hang)))
        drain()
        self.rehearsal = Rehearsal(directory)
        self.rehearsal.play()

    def test_each_is_kept_and_each_would_be_noticed_if_broken(self) -> None:
        kept = self.rehearsal.promises()
        self.assertEqual([promise for promise, holds in kept.items() if not holds], [])
        noticed: set[str] = set()
        for what, spoil in self._faults().items():
            with self.subTest(what):
                broken = self._broken_by(spoil)
                self.assertTrue(broken)
                noticed |= broken
        for story in (self.rehearsal.order, self.rehearsal.campaign, self.rehearsal.trip):
            with (
                self.subTest("a kill has missed", story=story),
                mock.patch.object(story, "kill", None),
            ):
                broken = self._broken_by(lambda: None)
                self.assertTrue(broken)
                noticed |= broken
        self.assertEqual(set(kept) - noticed, set(), "no fault breaks these promises")

    def _broken_by(self, spoil: Callable[[], object]) -> set[str]:
        """Which promises are broken after a fault; the fault is taken back."""
        with transaction.atomic():
            spoil()
            broken = {promise for promise, holds in self.rehearsal.promises().items() if not holds}
            transaction.set_rollback(True)
        return broken

    def _faults(self) -> Mapping[str, Callable[[], object]]:
        """What could have gone wrong."""
        play = self.rehearsal
        trial = play.trial.executions["trial of cleo"]
        campaign = play.campaign.executions["campaign"]
        order = play.order.executions["order A-1"]
        items = Execution.objects.filter(role="item")
        mails, charges = OutboxMail.objects.all(), Charge.objects.all()
        runs = StepRun.objects.all()
        flights = Refund.objects.filter(booking__what="LH 860")
        return {
            "an execution failed": lambda: Execution.objects.filter(pk=trial).update(
                status="failed"
            ),
            "an execution has another result": lambda: Execution.objects.filter(pk=campaign).update(
                data={"sent_count": 59}
            ),
            "a mail was sent twice": lambda: _double(mails.filter(subject="Three tips")),
            "a campaign mail was sent twice": lambda: _double(
                mails.filter(to__startswith="reader")
            ),
            "a mail was not sent": lambda: mails.filter(subject="Welcome").delete(),
            "a step before the kill ran again": lambda: _double(
                runs.filter(execution=order, path="validate"), attempt=2
            ),
            "a finished item was claimed again": lambda: items.update(fence=F("fence") + 1),
            "a card was charged twice": lambda: _double(
                charges.filter(order_reference="A-1"), idempotency_key="another"
            ),
            "a card was asked for once only": lambda: charges.filter(order_reference="A-2").update(
                requests=1
            ),
            "nobody is on record": lambda: Wait.objects.filter(name="manager").update(by_name=""),
            "a branch is missing": lambda: Dashboard.objects.all().delete(),
            "a refund was given twice": lambda: _double(flights, idempotency_key="another"),
            "the flight was not cancelled": lambda: flights.delete(),
            "a compensation ran again": lambda: _double(
                runs.filter(path="book_hotel", compensation=True), attempt=2
            ),
            "the declined card was charged": lambda: charges.filter(order_reference="T-1").update(
                taken=True
            ),
            "the schedule is off": lambda: Schedule.objects.update(enabled=False),
            "the schedule has moved": lambda: Schedule.objects.update(cron="0 8 * * *"),
            "the report was posted twice": lambda: _double(ChatMessage.objects.all()),
            "an invoice is missing": lambda: Invoice.objects.filter(
                order__reference="A-4"
            ).delete(),
            "an event counted twice": lambda: _double(
                Event.objects.filter(execution__isnull=False), event_id="evt_2"
            ),
        }


def _double(rows: Any, **changes: Any) -> None:
    """Insert a copy of a row."""
    row = rows[0]
    row.pk = row._meta.pk.get_default() if row._meta.pk.has_default() else None
    for name, value in changes.items():
        setattr(row, name, value)
    row._state.adding = True
    row.save(force_insert=True)


class ScreenTests(SimpleTestCase):
    """What is shown where there is no terminal, and where there is one."""

    def _shown(self, *, live: bool) -> str:
        with redirect_stdout(StringIO()) as out:
            screen = Screen()
            screen.live = live
            screen.show({"campaign": State("running", "1 of 9 sent")})
            screen.show({"campaign": State("running", "2 of 9 sent")})
            screen.say("kill -9")
            screen.show({"campaign": State("completed")})
        return out.getvalue()

    def test_without_a_terminal_it_is_one_line_for_each_change_of_state(self) -> None:
        lines = [line[9:].split() for line in self._shown(live=False).splitlines()]
        self.assertEqual(
            lines, [["campaign", "running"], ["kill", "-9"], ["campaign", "completed"]]
        )

    def test_on_a_terminal_the_states_change_in_place_below_what_was_said(self) -> None:
        shown = self._shown(live=True)
        self.assertIn("2 of 9 sent", shown)
        last = shown.rpartition("\x1b[1A\x1b[J")[2]
        self.assertEqual(last.split(), ["campaign", "completed"])


class VerdictTests(SimpleTestCase):
    """The exit code says whether every promise was kept."""

    def _show(self, **promises: bool) -> tuple[int, str]:
        with redirect_stdout(StringIO()) as out:
            code = verdict.show(promises)
        return code, out.getvalue()

    def test_all_kept_is_zero(self) -> None:
        code, shown = self._show(one=True, two=True)
        self.assertEqual(code, 0)
        self.assertIn("2 of 2 promises kept", shown)
        self.assertNotIn("FAIL", shown)

    def test_one_broken_is_not(self) -> None:
        code, shown = self._show(one=True, two=False)
        self.assertEqual(code, 1)
        self.assertIn("FAIL  two", shown)
        self.assertIn("1 of 2 promises kept", shown)


@pytest.mark.only_on("sqlite")  # the demo brings its own database, so once is enough
class ProgramTests(SimpleTestCase):
    """``make demo``, as a program, with real workers."""

    def _run(self, **environment: str) -> subprocess.CompletedProcess[str]:
        directory = self.enterContext(tempfile.TemporaryDirectory())
        return subprocess.run(
            [sys.executable, "-m", "example_project.demo"],
            cwd=ROOT,
            env={**os.environ, "DEMO_DIRECTORY": directory, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    def _no_worker_is_left(self, shown: str, count: int) -> None:
        workers = set(map(int, re.findall(r"worker (\d+)", shown)))
        self.assertEqual(len(workers), count, shown)
        for pid in workers:
            with self.assertRaises(ProcessLookupError):
                os.kill(pid, 0)

    def test_it_ends_as_it_should_and_needs_no_terminal(self) -> None:
        done = self._run()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stdout.count("*** kill -9"), 3)
        kept = re.search(r"(\d+) of (\d+) promises kept", done.stdout)
        assert kept is not None
        self.assertEqual(kept[1], kept[2])
        self.assertNotIn("FAIL", done.stdout)
        self.assertNotIn("\x1b", done.stdout)
        self._no_worker_is_left(done.stdout, 4)

    def test_what_does_not_happen_in_time_is_a_failure_and_leaves_no_process(self) -> None:
        done = self._run(DEMO_LIMIT="0")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("FAIL  waited 0 s in vain until worker", done.stderr)
        self._no_worker_is_left(done.stderr, 1)
