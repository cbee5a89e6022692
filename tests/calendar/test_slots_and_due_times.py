"""Slots, schedules that can't start, and due times.

Defects 11, 17 and 28 of the original.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import mock

from django.db import IntegrityError, transaction
from django.test import TestCase, override_settings

import durable
from durable import Cron, Workflow, clock, hours, seconds, step
from durable.authoring.parse import registry
from durable.engine.calendar import fire
from durable.engine.calendar.deployed import register_declared
from durable.engine.duties.duty import duties_of
from durable.engine.duties.pulse import pulse
from durable.engine.duties.rota import Rota
from durable.models import Execution, Firing, Queue, Schedule
from durable.worker.dispatcher import Dispatcher
from tests.stage import NOON


class Report(Workflow):
    """What the schedules here start."""

    class Meta:
        abstract = True

    @step
    def write(self, data: durable.Data) -> None: ...


class CalendarCase(TestCase):
    """One hourly schedule, at noon."""

    def setUp(self) -> None:
        super().setUp()

        class Hourly(Report):
            class Meta:
                schedules = [Cron("0 * * * *", timezone="UTC", name="hourly")]

        self.workflow = Hourly
        with clock.frozen(NOON):
            register_declared()

    @property
    def schedule(self) -> Schedule:
        """The row as it is now."""
        return Schedule.objects.get(name="hourly")


class SlotTests(CalendarCase):
    """11: two schedulers fired one slot; a slot is unique, start and advance are one commit."""

    def test_whoever_comes_second_looks_again_and_finds_nothing_due(self) -> None:
        with clock.frozen(NOON + hours(1)):
            due = self.schedule.pk  # both have seen it
            self.assertEqual([fire._fire(due), fire._fire(due)], [1, 0])
        self.assertEqual(Firing.objects.count(), 1)
        self.assertEqual(Execution.objects.count(), 1)

    def test_a_start_and_the_next_time_go_together(self) -> None:
        with clock.frozen(NOON + hours(1)):
            self.assertEqual(fire.fire_due(), 1)
        self.assertEqual(self.schedule.next_run_at, NOON + hours(2))
        self.assertEqual(Execution.objects.count(), 1)

    def test_a_slot_that_was_fired_is_not_fired_again_whatever_the_next_time_says(self) -> None:
        with clock.frozen(NOON + hours(1)):
            fire.fire_due()
            Schedule.objects.update(next_run_at=NOON + hours(1))
            fire.fire_due()
        self.assertEqual(Execution.objects.count(), 1)
        self.assertEqual(self.schedule.next_run_at, NOON + hours(2))

    def test_no_slot_is_on_record_twice(self) -> None:
        slot: Any = {"schedule": self.schedule, "slot": NOON, "fired_at": NOON}
        Firing.objects.create(**slot)
        with self.assertRaises(IntegrityError), transaction.atomic():
            Firing.objects.create(**slot)


class FailureTests(CalendarCase):
    """17: a schedule that can't start fired on every poll; it moves on, and says so."""

    def test_a_start_that_fails_is_not_due_again_at_once(self) -> None:
        with (
            clock.frozen(NOON + hours(1)),
            mock.patch.object(fire, "start", side_effect=ValueError("broken")),
            self.assertLogs("durable.schedules", "WARNING"),
        ):
            self.assertEqual(fire.fire_due(), 1)
            self.assertFalse(Schedule.objects.due().exists())
        self.assertEqual((self.schedule.failures, Execution.objects.count()), (1, 0))
        self.assertIn("broken", self.schedule.last_error)


class DueTimeTests(CalendarCase):
    """28: cron and timeouts were up to a minute late; the next due time is waited for."""

    def pause(self) -> float:
        """How long a worker would wait before it looks again."""
        nobody: Any = mock.Mock(worker=None)
        listener: Any = SimpleNamespace(trusted=False)
        dispatcher = Dispatcher(
            {}, nobody, listener, mock.Mock(), lambda: False, burst=False, max_executions=None
        )
        for _ in range(5):
            if pause := dispatcher.look():
                return pause
        raise AssertionError("there is always something to do")

    @override_settings(DURABLE={"POLL_INTERVAL": 60})
    def test_a_worker_waits_no_longer_than_until_the_next_sleeper_or_slot_is_due(self) -> None:
        with clock.frozen(NOON):
            self.assertEqual(self.pause(), 60)
            Schedule.objects.update(next_run_at=NOON + seconds(7))
            self.assertEqual(self.pause(), 7)
            durable.start(self.workflow, delay=seconds(5))
            self.assertEqual(self.pause(), 5)


class PausedQueueTests(TestCase):
    """A queue that somebody has paused gives nothing to do."""

    def test_what_lies_in_a_paused_queue_is_not_ready(self) -> None:
        class Plain(Report):
            pass

        durable.start(Plain)
        self.assertTrue(pulse(["default"], registry.kinds()).ready)
        Queue.objects.create(name="default", paused=True)
        seen = pulse(["default"], registry.kinds())
        self.assertFalse(seen.ready)
        self.assertTrue(Rota(duties_of()).is_idle(seen))
