"""When a duty is due: by the pulse, by the clock, not while it rests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from unittest import TestCase, mock

from django.test import override_settings

from durable import seconds
from durable.engine.duties import rota
from durable.engine.duties.duty import ONCE, Duty, duties_of
from durable.engine.duties.pulse import Pulse
from durable.engine.duties.rota import Rota

NOON = datetime(2030, 1, 1, tzinfo=UTC)
NOTHING = Pulse(NOON, *[None] * 4, *[False] * 5)
MESSAGES = replace(NOTHING, messages=True)


class RotaTests(TestCase):
    """The clock is moved by hand."""

    def setUp(self) -> None:
        self.now, self.counts = 100.0, list[int]()
        clock = self.enterContext(mock.patch.object(rota.time, "monotonic"))
        clock.side_effect = lambda: self.now

    def rota(self, **options: Any) -> Rota:
        """A rota of one duty, which does as much as ``counts`` says."""

        def work(limit: int) -> int:
            return self.counts.pop() if self.counts else 0

        return Rota([Duty("one", work, at_once=10, **options)])

    def look(self, one: Rota, seen: Pulse = NOTHING) -> bool:
        """Do what is due; whether the duty was."""
        return bool([one.perform(duty) for duty in one.due(seen)])

    def test_one_by_state_is_due_as_long_as_the_pulse_says_so(self) -> None:
        one = self.rota(due=lambda seen: seen.messages)
        self.assertEqual([self.look(one), self.look(one, MESSAGES)], [False, True])
        self.assertTrue(self.look(one, MESSAGES))
        self.assertEqual((one.is_idle(NOTHING), one.is_idle(MESSAGES)), (True, False))

    def test_one_by_the_clock_is_due_at_first_and_then_that_often(self) -> None:
        one = self.rota(every=seconds(5))
        self.assertEqual([self.look(one), self.look(one)], [True, False])
        self.now += 4.9
        self.assertFalse(self.look(one))
        self.now += 0.1
        self.assertTrue(self.look(one))

    def test_one_that_filled_its_portion_is_due_again_at_once(self) -> None:
        one = self.rota(every=seconds(5))
        self.counts = [3, 10, 10]
        self.assertEqual([self.look(one) for _ in range(4)], [True, True, True, False])
        self.assertEqual(one.done, {"one": 23})

    def test_a_restart_lets_what_is_done_often_be_due(self) -> None:
        rotas = [self.rota(every=every) for every in (ONCE, seconds(6), seconds(5), seconds(1))]
        for one in rotas:
            self.look(one)
            one.restart(seconds(5))
        self.assertEqual([self.look(one) for one in rotas], [False, False, True, True])

    @override_settings(DURABLE={"POLL_INTERVAL": 2})
    def test_one_that_fails_rests_and_is_due_again_then(self) -> None:
        def fail(limit: int) -> int:
            raise RuntimeError

        for duty in (
            Duty("one", fail, at_once=1, every=ONCE),
            Duty("one", fail, at_once=1, due=lambda seen: True),
        ):
            one = Rota([duty])
            with self.assertRaises(RuntimeError):
                self.look(one)
            self.assertFalse(self.look(one))
            self.now += 2
            self.assertEqual(list(one.due(NOTHING)), [duty])

    def test_one_with_a_thread_of_its_own_keeps_nobody_from_being_idle(self) -> None:
        self.assertTrue(self.rota(due=lambda seen: True, own_thread=True).is_idle(NOTHING))

    def test_each_duty_of_the_engine_has_a_name_of_its_own_and_is_due_some_day(self) -> None:
        duties = duties_of()
        self.assertEqual(len({duty.name for duty in duties}), len(duties))
        full = Pulse(NOON, *[NOON] * 4, *[True] * 5)
        for duty in duties:
            with self.subTest(duty=duty.name):
                self.assertTrue(duty.every is not None or duty.due(full))
                self.assertGreater(duty.at_once, 0)
