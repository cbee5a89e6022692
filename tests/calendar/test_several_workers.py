"""One execution per slot, exactly, however many workers fire."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from unittest import mock

import durable
from durable import Cron, clock, hours, minutes
from durable.authoring.calendar.cron import slots_after
from durable.engine.calendar import fire
from durable.engine.calendar.deployed import register_declared
from durable.engine.duties.pulse import pulse
from durable.models import Execution, Firing, Schedule
from durable.states import Status
from durable.testing import time_travel, worker
from tests.calendar.cases import MORNING, outcomes, planned, row, scheduled
from tests.cases import ThreadedTestCase, together, until

TEN = [
    Cron("30 2 * * *", timezone="Europe/Berlin", name="berlin gap"),
    Cron("15 2 * * *", timezone="America/New_York", name="new york gap"),
    Cron("30 1 * * *", timezone="America/New_York", name="new york twice"),
    Cron("0 0 * * *", timezone="Australia/Lord_Howe", name="lord howe"),
    Cron("0 */6 * * *", timezone="Europe/Berlin", name="six hours"),
    Cron("45 */4 * * *", timezone="Asia/Kolkata", name="kolkata"),
    Cron("@daily", timezone="UTC", name="daily"),
    Cron("0 9 * * 1-5", timezone="Europe/Berlin", name="weekdays"),
    Cron("0 12 1,15 * *", timezone="UTC", name="twice a month"),
    Cron("20 3 * * *", timezone="Europe/Berlin", name="all", catch_up="all", overlap="queue"),
]


class SeveralWorkersTests(ThreadedTestCase):
    """With threads that have connections of their own."""

    def test_threads_that_fire_together_start_one_execution(self) -> None:
        scheduled(Cron("0 * * * *", timezone="UTC", name="report", catch_up="all"))
        with time_travel(MORNING):
            register_declared()
        with time_travel(MORNING + hours(12)):
            counts = together(*[fire.fire_due] * 6)
            self.assertTrue(all(isinstance(count, int) for count in counts), counts)
        self.assertEqual(planned(), [MORNING + hours(n) for n in range(1, 13)])
        self.assertEqual(sum(counts), 12)

    def test_workers_that_register_together_make_one_row(self) -> None:
        scheduled(*TEN)
        for result in together(*[register_declared] * 4):
            self.assertIsInstance(result, int)
        self.assertEqual(Schedule.objects.filter(workflow="report").count(), 10)

    def test_a_crash_before_the_commit_leaves_the_slot_due(self) -> None:
        scheduled(Cron("0 * * * *", timezone="UTC", name="report"))

        class Crash(BaseException):
            pass

        def die(point: str) -> None:
            if point == "fire.before_commit":
                raise Crash

        with time_travel(MORNING):
            register_declared()
        with time_travel(MORNING + hours(1)):
            with mock.patch("durable.engine.calendar.fire.reach", die), self.assertRaises(Crash):
                fire.fire_due()
            self.assertEqual((planned(), outcomes()), ([], []))
            self.assertEqual(row().next_run_at, MORNING + hours(1))
            fire.fire_due()
            self.assertEqual(planned(), [MORNING + hours(1)])

    def test_ten_schedules_over_the_changes_of_clocks_on_two_continents(self) -> None:
        """Two workers, interleaved and at once, with steps of the clock that miss slots too."""
        scheduled(*TEN)
        for begin, span in (
            (datetime(2024, 3, 9, tzinfo=UTC), timedelta(days=3)),
            (datetime(2024, 3, 30, tzinfo=UTC), timedelta(days=3)),
            (datetime(2024, 10, 26, tzinfo=UTC), timedelta(days=10)),
        ):
            Execution.objects.all().delete()
            Schedule.objects.all().delete()
            with self.subTest(begin=begin):
                self.simulate(begin, span)

    def simulate(self, begin: datetime, span: timedelta) -> None:
        end, at, stop = begin + span, begin, threading.Event()
        with time_travel(begin):
            register_declared()

            # the second worker looks all the time, on a connection of its own
            def look() -> None:
                while not stop.is_set():
                    fire.fire_due()
                    stop.wait(0.02)

            def step() -> None:
                nonlocal at
                try:
                    while at < end:
                        at = min(at + hours(3), end)
                        clock.set_frozen(at)
                        fire.fire_due()
                        # so that a queue goes on
                        Execution.objects.unfinished().ended(Status.CANCELLED, None)
                    for _ in range(3):
                        fire.fire_due()
                finally:
                    stop.set()

            for result in together(look, step):
                self.assertIsNone(result)
            for cron in TEN:
                slots = slots_after(cron.expression, str(cron.timezone), begin)
                expected = list(takewhile(lambda slot: slot <= end, slots))
                self.assertEqual(planned(str(cron.name)), expected, cron.name)
        started = Counter(Firing.objects.values_list("schedule", "slot"))
        self.assertEqual(set(started.values()), {1})
        self.assertEqual(Execution.objects.count(), len(started))

    def test_a_worker_fires_what_is_due_and_knows_when_the_next_is(self) -> None:
        report = scheduled(Cron("0 0 1 1 *", timezone="UTC", name="report"))
        durable.schedule(report, "0 0 1 1 *", name="due", timezone="UTC")
        past = clock.read("default") - minutes(1)
        Schedule.objects.filter(name="due").update(next_run_at=past)
        with worker():
            until(lambda: Execution.objects.filter(workflow="report", status="completed").exists())
            until(lambda: Schedule.objects.filter(name="report").exists())
        seen = pulse(["default"], [report.definition.kind])
        self.assertEqual(seen.next_slot, row("report").next_run_at)
        self.assertFalse(seen.queued or seen.has_come(seen.next_slot))
        self.assertIsNone(pulse(["default"], ["other@1"]).next_slot)
        self.assertEqual(Firing.objects.filter(schedule__name="due").count(), 1)
