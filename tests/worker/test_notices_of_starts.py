"""One notification stands for many starts, and no start goes unheard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from types import SimpleNamespace
from unittest import TestCase, mock

import pytest
from django.db import connections, transaction

import durable
from durable import Data, Workflow, clock, seconds, step
from durable.models import Execution, Worker
from durable.storage import notify
from durable.storage.notify import CHANNEL, MORE, STANDS_FOR
from durable.testing import worker
from durable.worker.listener import AGAIN, APART, Pace
from tests.cases import ThreadedTestCase, elsewhere, until
from tests.worker.cases import FAST, WorkerTestCase, on_postgres

MS = 0.001


class Short(Workflow):
    """One step."""

    class Meta:
        name = "notices_short"

    @step(atomic=False)
    def only(self, data: Data) -> None: ...


class PaceTests(TestCase):
    """When a worker looks for what it hears."""

    def looks(self, *heard: tuple[float, str]) -> list[float]:
        """At which milliseconds it looks, if these payloads come at these milliseconds."""
        pace, looks = Pace(), list[float]()
        payloads = dict(heard)
        for now in range(200):
            if now in payloads:
                pace.hear(payloads[now], now * MS)
            if pace.is_due(now * MS):
                looks.append(now)
        return looks

    def test_the_first_is_looked_for_at_once(self) -> None:
        self.assertEqual(self.looks((7, "")), [7])
        self.assertEqual(self.looks((7, ""), (57, "")), [7, 57])

    def test_what_comes_thick_shares_a_look(self) -> None:
        looks = self.looks(*((at, "") for at in range(10, 60)))
        self.assertEqual(looks[0], 10)
        self.assertLessEqual(len(looks), 50 / (APART / MS) + 2)

    def test_after_more_it_looks_again_when_all_that_it_stands_for_is_over(self) -> None:
        at_once, again = self.looks((10, MORE))
        self.assertEqual(at_once, 10)
        self.assertGreaterEqual((again - at_once) * MS, STANDS_FOR + 5 * MS)

    def test_each_more_is_followed_by_such_a_look(self) -> None:
        for second in range(11, 60):
            looks = self.looks((10, MORE), (second, MORE))
            with self.subTest(second=second, looks=looks):
                self.assertGreaterEqual((max(looks) - second) * MS, STANDS_FOR)

    def test_a_loop_of_starts_causes_few_looks(self) -> None:
        looks = self.looks(*((at, MORE) for at in range(10, 110, 10)))
        self.assertLessEqual(len(looks), 100 / (AGAIN / MS) + 2)

    def test_a_plain_one_is_not_kept_waiting_by_a_loop(self) -> None:
        looks = self.looks((10, MORE), (20, MORE), (22, ""))
        self.assertIn(22, looks)

    def test_it_waits_no_longer_than_until_the_next_look(self) -> None:
        pace = Pace()
        self.assertEqual(pace.seconds(0.0, 0.5), 0.5)
        pace.hear(MORE, 0.0)
        self.assertTrue(pace.is_due(0.0))
        self.assertAlmostEqual(pace.seconds(0.005, 0.5), AGAIN - 0.005)
        self.assertFalse(pace.is_due(0.005))
        self.assertTrue(pace.is_due(AGAIN))
        self.assertEqual(pace.seconds(AGAIN, inf), inf)


class Ticking:
    """A clock that moves by hand, for the loops of this process."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """The present."""
        return self.now


class LateTests(TestCase):
    """A start that was silent because a notification stood for it, but that took too long."""

    def gone(self, took: float) -> bool:
        """Whether a third start notifies that takes so many seconds, after two that took 1 ms."""
        clock, conn = (
            Ticking(),
            SimpleNamespace(
                vendor="postgresql", in_atomic_block=False, get_autocommit=lambda: True
            ),
        )
        with (
            mock.patch.object(notify, "time", clock),
            mock.patch.object(notify, "_row", notify._Row()),
            mock.patch.object(notify, "hint") as own,
        ):
            for length in (MS, MS, took):
                hint = notify.Hint(conn)
                clock.now += length
                hint.given(heard="pg_notify" in hint.sql)
            self.assertNotIn("pg_notify", hint.sql)
            return bool(own.called)

    def test_notifies_after_all(self) -> None:
        self.assertFalse(self.gone(STANDS_FOR - 2 * MS))
        self.assertTrue(self.gone(STANDS_FOR))


@pytest.mark.only_on("postgresql")
class LoopTests(ThreadedTestCase):
    """What a process says that starts one execution after the other."""

    def setUp(self) -> None:
        super().setUp()
        from durable.authoring.parse import registry

        registry.register(Short)
        now, soon = clock.now(), clock.now() + seconds(600)
        Worker.objects.create(listening=True, started_at=now, heartbeat_at=now, expires_at=soon)
        self.clock = Ticking()
        self.enterContext(mock.patch.object(notify, "time", self.clock))
        self.enterContext(mock.patch.object(notify, "_row", notify._Row()))

    @contextmanager
    def heard(self) -> Iterator[list[str]]:
        """The payloads that a listener hears of what happens inside."""
        payloads = list[str]()
        with elsewhere() as other:
            other(_listen)
            yield payloads
            payloads += other(_payloads)

    def start(self, *, took: float = 1.0, pause: float = 0.0) -> None:
        """Start an execution: the statement takes so many milliseconds, the pause is before it."""
        self.clock.now += pause * MS

        def slowly(
            execute: object, sql: str, params: object, many: bool, context: object
        ) -> object:
            result = execute(sql, params, many, context)  # type: ignore[operator]
            self.clock.now += took * MS
            return result

        with connections["default"].execute_wrapper(slowly):
            durable.start(Short)

    def test_one_by_one_with_pauses_each_notifies(self) -> None:
        with self.heard() as payloads:
            for _ in range(4):
                self.start(pause=8)
        self.assertEqual(payloads, [""] * 4)

    def test_in_a_loop_one_stands_for_many(self) -> None:
        with self.heard() as payloads:
            for _ in range(30):
                self.start()
        self.assertEqual(payloads[:2], ["", MORE])
        self.assertEqual(set(payloads[2:]), {MORE})
        self.assertLess(len(payloads), 8)

    def test_one_that_commits_too_late_notifies_after_all(self) -> None:
        with self.heard() as payloads:
            for took in (1, 1, 20):
                self.start(took=took)
        self.assertEqual(payloads, ["", MORE, ""])

    def test_where_a_commit_takes_long_each_notifies(self) -> None:
        with self.heard() as payloads:
            for _ in range(5):
                self.start(took=6)
        self.assertEqual(payloads, ["", MORE, MORE, MORE, MORE])

    def test_a_transaction_always_notifies(self) -> None:
        with self.heard() as payloads:
            for _ in range(3):
                self.start()
            with transaction.atomic():
                self.start()
        self.assertEqual(payloads, ["", MORE, ""])

    def test_nothing_is_taken_as_heard_that_failed_or_that_nobody_heard(self) -> None:
        with self.heard() as payloads:
            self.start()
            Worker.objects.update(listening=False)
            self.start()
            Worker.objects.update(listening=True)
            self.start()
        self.assertEqual(payloads, ["", MORE])


class UnheardTests(WorkerTestCase):
    """A worker that polls every twenty seconds finds all that a loop starts."""

    durable_settings = {**FAST, "POLL_INTERVAL": 20, "LEASE": 60}

    def test_all_of_a_loop_are_done_long_before_the_next_poll(self) -> None:
        from durable.authoring.parse import registry

        registry.register(Short)
        with worker(concurrency=2):
            if on_postgres():
                until(lambda: Worker.objects.live().filter(listening=True).exists())
            for _ in range(5):
                for _ in range(20):
                    durable.start(Short)
                begun = notify.time.monotonic()
                until(lambda: not Execution.objects.unfinished().exists())
                self.assertLess(notify.time.monotonic() - begun, 10)


def _listen() -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute(f"LISTEN {CHANNEL}")


def _payloads() -> list[str]:
    """What has come, in order."""
    connections["default"].ensure_connection()
    raw = connections["default"].connection
    return [one.payload for one in raw.notifies(timeout=0.5)]
