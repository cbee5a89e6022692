"""In a test no schedule fires by itself, unless the test asks for it."""

from __future__ import annotations

import unittest
from datetime import timedelta

import durable
from durable import Cron, hours, minutes
from durable.errors import ScheduleNotFound
from durable.models import Execution, Schedule
from durable.testing import advance, drain, time_travel
from tests.calendar.cases import MORNING, outcomes, scheduled
from tests.cases import WorkflowTestCase


class OffTests(WorkflowTestCase):
    """A test that does not speak of schedules is left alone by those of all apps."""

    def setUp(self) -> None:
        super().setUp()
        self.report = scheduled(Cron("* * * * *", name="report"))

    def assertQuiet(self) -> None:
        self.assertFalse(Execution.objects.exists())
        self.assertEqual(outcomes(), [])

    def test_none_fires_while_the_clock_is_advanced(self) -> None:
        with time_travel(MORNING):
            drain()
            advance(days=30)
        self.assertQuiet()

    def test_none_fires_in_a_drain_whatever_the_time_is(self) -> None:
        drain()
        Schedule.objects.update(next_run_at=MORNING)
        drain()
        self.assertQuiet()

    def test_not_even_one_that_was_made_at_run_time(self) -> None:
        with time_travel(MORNING):
            durable.schedule(self.report, "* * * * *", name="own")
            advance(hours=1)
        self.assertQuiet()

    def test_they_exist_and_can_be_triggered(self) -> None:
        drain()
        durable.trigger_schedule("report")
        drain()
        self.assertEqual(Execution.objects.get().status, "completed")


@time_travel(MORNING, schedules=["hourly"])
class ChosenTests(WorkflowTestCase):
    """What is named fires, nothing else."""

    def setUp(self) -> None:
        super().setUp()
        self.report = scheduled(Cron("0 * * * *", name="hourly"), Cron("30 * * * *", name="other"))

    def fired(self) -> tuple[int, int]:
        return len(outcomes("hourly")), len(outcomes("other"))

    def test_by_name(self) -> None:
        advance(hours=3)
        self.assertEqual(self.fired(), (3, 0))

    def test_by_workflow(self) -> None:
        with time_travel(schedules=[self.report]):
            advance(hours=2)
        self.assertEqual(self.fired(), (2, 2))

    def test_all(self) -> None:
        with time_travel(schedules=True):
            advance(hours=2)
        self.assertEqual(self.fired(), (2, 2))

    def test_within_it_is_as_outside_unless_it_says_otherwise(self) -> None:
        with time_travel():
            advance(hours=1)
        with time_travel(schedules=False):
            advance(hours=1)
        self.assertEqual(self.fired(), (1, 0))
        self.assertEqual(outcomes("hourly")[0][0], MORNING + hours(1))

    def test_they_begin_with_the_block_that_lets_them_fire(self) -> None:
        with time_travel(MORNING - timedelta(days=400), schedules=False):
            drain()
            advance(days=399)
        advance(hours=1)
        self.assertEqual(self.fired(), (1, 0))

    def test_one_that_a_data_migration_has_made_begins_with_the_block_too(self) -> None:
        for at in (MORNING - timedelta(days=400), MORNING + timedelta(days=400)):
            durable.schedule(self.report, "15 * * * *", name="migrated")
            with self.subTest(at), time_travel(at, schedules=["migrated"]):
                drain()
                self.assertEqual(outcomes("migrated"), [])
                advance(hours=2)
                self.assertEqual(len(outcomes("migrated")), 2)
            durable.unschedule("migrated")

    def test_one_made_inside_the_block_keeps_what_it_has_missed(self) -> None:
        with time_travel(schedules=["own"]):
            durable.schedule(self.report, "15 * * * *", name="own", catch_up="all")
            with time_travel(MORNING + hours(3)):
                drain()
        self.assertEqual(len(outcomes("own")), 3)

    def test_one_that_does_not_exist_is_named(self) -> None:
        with (
            time_travel(schedules=["hourli"]),
            self.assertRaisesRegex(ScheduleNotFound, "'hourli'.*Did you mean 'hourly'"),
        ):
            advance(hours=1)

    def test_nothing_else_is_taken(self) -> None:
        for wrong in ("hourly", [5], 5):
            with self.subTest(wrong), self.assertRaises(TypeError):
                time_travel(schedules=wrong)  # type: ignore[arg-type]

    def test_an_error_inside_ends_the_choice(self) -> None:
        with self.assertRaises(ZeroDivisionError), time_travel(schedules=False):
            raise ZeroDivisionError
        advance(minutes=60)
        self.assertEqual(self.fired(), (1, 0))


class DecoratorTests(WorkflowTestCase):
    @time_travel(MORNING, schedules=True)
    def test_of_a_test(self) -> None:
        scheduled(Cron("0 * * * *", name="report"))
        advance(hours=1)
        self.assertEqual(len(outcomes()), 1)

    def test_of_a_class(self) -> None:
        scheduled(Cron("0 * * * *", name="report"))

        @time_travel(MORNING, schedules=["report"])
        class Decorated(unittest.TestCase):
            def test_it(self) -> None:
                advance(minutes=60)

        result = unittest.TestResult()
        Decorated("test_it").run(result)
        self.assertEqual((result.errors, len(outcomes())), ([], 1))
        with time_travel(MORNING):
            advance(hours=5)
        self.assertEqual(len(outcomes()), 1)
        self.assertEqual(minutes(60), hours(1))
