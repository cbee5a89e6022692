"""How soon a worker sees work, and how little it asks of the database when there is none."""

from __future__ import annotations

import resource
import threading
import time
from collections import Counter
from typing import Any
from unittest import mock

import pytest
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.test.utils import CaptureQueriesContext

import durable
from durable import Data, Workflow, clock, seconds, step
from durable.models import Execution, Queue, Worker
from durable.storage.notify import CHANNEL
from durable.testing import worker
from durable.worker.listener import Listener
from durable.worker.worker import WorkerProcess
from tests.cases import Elsewhere, elsewhere, open_transaction, until
from tests.shop.models import Effect
from tests.worker.cases import FAST, WorkerTestCase, on_postgres


class Quick(Workflow):
    """One step."""

    class Meta:
        name = "waking_quick"

    @step(atomic=False)
    def only(self, data: Data) -> Data:
        """Do nothing."""
        return {**data, "done": True}


class Patient(WorkerTestCase):
    """Workers that poll so rarely that only a notification explains a quick answer."""

    durable_settings = {**FAST, "POLL_INTERVAL": 20, "LEASE": 60}

    def setUp(self) -> None:
        super().setUp()
        from durable.authoring.parse import registry

        registry.register(Quick)

    def latency(self) -> float:
        """Seconds from a start to its completion."""
        begun = time.monotonic()
        self.assertCompleted(durable.start(Quick))
        return time.monotonic() - begun


class LatencyTests(Patient):
    """A notification (or SQLite's data version) shortens the wait; polling is the truth."""

    def test_a_start_is_seen_long_before_the_next_poll(self) -> None:
        with worker() as running:
            if on_postgres():
                until(lambda: Worker.objects.live().filter(listening=True).exists())
            self.latency()
            latencies = sorted(self.latency() for _ in range(10))
            self.assertFalse(running.stopping)
        print(f"latency of a start: median {latencies[5] * 1000:.0f} ms")  # noqa: T201
        self.assertLess(latencies[5], 0.5)

    def test_an_answer_delivered_by_one_worker_wakes_the_worker_of_its_queue(self) -> None:
        class Asks(Workflow):
            @step
            def only(self, data: Data) -> Data:
                return {"got": self.wait_for_event("go")}

        with worker(queues=["a"]), worker(queues=["b"]):
            if on_postgres():
                until(lambda: Worker.objects.live().filter(listening=True).count() == 2)
            for queue in ("a", "b"):
                execution = durable.start(Asks, queue=queue)
                until(lambda pk=execution.pk: Execution.objects.get(pk=pk).status == "waiting")
                begun = time.monotonic()
                durable.send_event(execution.pk, "go", 1)
                self.assertCompleted(execution)
                self.assertLess(time.monotonic() - begun, 2)


class PollingTests(WorkerTestCase):
    """Without any notification the work is done all the same."""

    def test_work_is_found_when_listening_fails(self) -> None:
        def fail(self: Listener, raw: object) -> None:
            raise RuntimeError("no LISTEN here")

        class Plain(Workflow):
            @step
            def only(self, data: Data) -> None:
                pass

        with (
            mock.patch.object(Listener, "_listen", fail),
            mock.patch.object(Listener, "_look", fail),
            worker(),
        ):
            for _ in range(3):
                self.assertCompleted(durable.start(Plain))
            self.assertFalse(Worker.objects.live().filter(listening=True).exists())

    @pytest.mark.only_on("postgresql")
    def test_a_connection_on_which_nothing_ever_arrives_is_not_trusted(self) -> None:
        class Deaf:
            def execute(self, sql: str) -> None:
                pass

            def notifies(self, timeout: float, stop_after: int) -> list[object]:
                return []

        listener = Listener(lambda: None, lambda: None)
        with self.assertRaisesMessage(RuntimeError, "don't arrive"):
            listener._listen(Deaf())
        self.assertFalse(listener.works)


class NotificationTests(Patient):
    """NOTIFY at most once for a commit, and none when nobody listens."""

    @pytest.mark.only_on("postgresql")
    def test_one_commit_notifies_once_and_only_if_somebody_listens(self) -> None:
        with elsewhere() as other:
            other(_listen)
            durable.start(Quick, queue="nobody")
            self.assertEqual(other(_heard), 0)
            now, soon = clock.now(), clock.now() + seconds(60)
            Worker.objects.create(listening=True, started_at=now, heartbeat_at=now, expires_at=soon)
            with transaction.atomic():
                for _ in range(5):
                    durable.start(Quick, queue="nobody")
                self.assertEqual(other(_heard), 0)
            self.assertEqual(other(_heard), 1)
            durable.start(Quick, queue="nobody")
            self.assertEqual(other(_heard), 1)

    @pytest.mark.only_on("postgresql")
    def test_a_long_transaction_asks_once(self) -> None:
        with transaction.atomic(), CaptureQueriesContext(connections["default"]) as sent:
            for _ in range(5):
                durable.start(Quick, queue="nobody")
        self.assertEqual(sum("pg_notify" in one["sql"] for one in sent), 1)


def _listen() -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute(f"LISTEN {CHANNEL}")


def _heard() -> int:
    """How many notifications have come since it was asked last."""
    connections["default"].ensure_connection()
    raw: Any = connections["default"].connection
    return len(list(raw.notifies(timeout=0.2)))


class FirstStartTests(Patient):
    """A start right after a worker has come up does not wait for the next poll."""

    def test_whenever_it_comes(self) -> None:
        """The worker polls every 20 seconds."""
        for pause in (0.0, 0.05, 0.2):
            self.latency_of_first_start(pause)

    def latency_of_first_start(self, pause: float) -> None:
        durable.start(Quick, queue="nobody")  # this process finds that nobody listens
        up = threading.Event()
        running = WorkerProcess(queues={"default": 1}, on_up=up.set)
        running.start()
        try:
            up.wait(10)
            threading.Event().wait(pause)
            took = self.latency()
        finally:
            running.stop()
        print(f"first start after {pause} s: {took * 1000:.0f} ms")  # noqa: T201
        self.assertLess(took, 2)


class IdleTests(WorkerTestCase):
    """An idle worker costs next to nothing."""

    durable_settings = {}

    def test_an_idle_worker_makes_at_most_two_transactions_a_second(self) -> None:
        made, here = Counter[str](), threading.current_thread()
        execute, commit = CursorWrapper.execute, BaseDatabaseWrapper._commit

        def count(conn: BaseDatabaseWrapper, what: str) -> None:
            if threading.current_thread() is not here:
                made[what] += 1

        def counted_execute(self: CursorWrapper, *args: Any) -> Any:
            if not self.db.in_atomic_block:
                count(self.db, "statements")
            return execute(self, *args)

        def counted_commit(self: BaseDatabaseWrapper) -> Any:
            count(self, "commits")
            return commit(self)

        with (
            mock.patch.object(CursorWrapper, "execute", counted_execute),
            mock.patch.object(BaseDatabaseWrapper, "_commit", counted_commit),
            worker(),
        ):
            until(lambda: Worker.objects.live().exists())
            threading.Event().wait(6)  # until the listener is trusted: idle is what comes then
            used, before = resource.getrusage(resource.RUSAGE_SELF), sum(made.values())
            begun = time.monotonic()
            threading.Event().wait(8)
            now, took = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() - begun
            rate = (sum(made.values()) - before) / took
            cpu = (now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime) / took
        print(f"idle: {rate:.2f} transactions/s, {cpu:.1%} of a CPU")  # noqa: T201
        self.assertGreater(rate, 0)
        self.assertLessEqual(rate, 2)
        self.assertLess(cpu, 0.1)

    def _looks(self, seconds: float) -> int:
        from durable.worker import dispatcher

        looked, plain = list[float](), dispatcher.pulse

        def count(*args: Any) -> Any:
            looked.append(time.monotonic())
            return plain(*args)

        with mock.patch.object(dispatcher, "pulse", count), worker(concurrency=1):
            until(lambda: looked)
            threading.Event().wait(seconds)
            return len(looked)

    def test_a_paused_queue_with_work_is_no_reason_to_hurry(self) -> None:
        class Plain(Workflow):
            @step
            def only(self, data: Data) -> None:
                pass

        Queue.objects.create(name="default", paused=True)
        durable.start(Plain)
        self.assertLess(self._looks(2), 12)

    def test_a_full_queue_with_more_work_is_no_reason_to_hurry(self) -> None:
        release = threading.Event()
        self.addCleanup(release.set)

        class Plain(Workflow):
            @step(atomic=False)
            def only(self, data: Data) -> None:
                release.wait(3)

        for _ in range(3):
            durable.start(Plain)
        self.assertLess(self._looks(2), 12)

    @pytest.mark.only_on("postgresql")
    def test_work_that_somebody_has_locked_is_no_reason_to_hurry(self) -> None:
        class Plain(Workflow):
            @step
            def only(self, data: Data) -> None:
                pass

        execution = durable.start(Plain)
        sleeper = durable.start(Plain, delay=durable.seconds(0.01))
        with elsewhere() as other, open_transaction(other):
            _lock(other)
            self.assertLess(self._looks(2), 16)
        with worker():
            self.assertCompleted(execution, sleeper)
        self.assertEqual(Effect.objects.count(), 0)


def _lock(other: Elsewhere) -> None:
    other(lambda: list(Execution.objects.select_for_update().order_by("pk")))
