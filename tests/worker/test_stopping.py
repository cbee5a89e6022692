"""How a worker process ends: on a signal, in a burst, after so many executions, or not at all."""

from __future__ import annotations

import signal
import time
from typing import Any

from django.core.management import CommandError, call_command

import durable
from durable.models import Execution, Worker
from tests.cases import ThreadedTestCase
from tests.crash.workflows import Awaiting, Quick, Slow, Stuck
from tests.processes import Processes, processes
from tests.shop.models import Effect

LONG = {"LEASE": 60, "POLL_INTERVAL": 0.1, "SHUTDOWN_GRACE": 20}


def runs(started: Processes, name: str) -> int:
    """How often a body has begun."""
    return sum(line.endswith(f" {name}") for line in started.ran())


class SignalTests(ThreadedTestCase):
    """SIGTERM: what runs reaches its checkpoint, nothing is lost, nothing is waited for in vain."""

    def assertTakenUpAtOnce(self, execution: Execution, started: Processes) -> None:
        """Another worker takes it up without waiting for any lease."""
        execution.refresh_from_db()
        self.assertEqual(execution.status, "pending")
        self.assertIsNone(execution.worker)
        self.assertIsNotNone(execution.ready_at)
        started.worker("--burst", settings=LONG)
        started.until(lambda: Execution.objects.get(pk=execution.pk).status == "completed")

    def test_a_running_step_reaches_its_checkpoint_and_the_next_one_is_not_started(self) -> None:
        with processes() as started:
            execution = durable.start(Slow, {"seconds": 1.0})
            child = started.worker(settings=LONG)
            started.until(lambda: runs(started, "first"))
            child.signal(signal.SIGTERM)
            self.assertEqual(child.wait(), 0, child.output())
            execution.refresh_from_db()
            self.assertEqual(execution.path, "second")
            self.assertEqual(runs(started, "second"), 0)
            self.assertFalse(Worker.objects.live().exists())
            self.assertTakenUpAtOnce(execution, started)
            self.assertEqual(runs(started, "first"), 1)

    def test_an_async_step_reaches_its_checkpoint_too(self) -> None:
        with processes() as started:
            execution = durable.start(Awaiting, {"seconds": 0.7})
            child = started.worker(settings=LONG)
            started.until(lambda: runs(started, "nap"))
            child.signal(signal.SIGTERM)
            self.assertEqual(child.wait(), 0, child.output())
            execution.refresh_from_db()
            self.assertEqual(execution.status, "completed")

    def test_a_second_signal_releases_what_runs_at_once(self) -> None:
        with processes() as started:
            execution = durable.start(Slow, {"seconds": 15})
            child = started.worker(settings=LONG)
            started.until(lambda: runs(started, "first"))
            child.signal(signal.SIGTERM)
            started.until(lambda: "draining" in child.output())
            begun = time.monotonic()
            child.signal(signal.SIGTERM)
            self.assertEqual(child.wait(10), 0, child.output())
            self.assertLess(time.monotonic() - begun, 8)
            execution.refresh_from_db()
            self.assertEqual((execution.status, execution.path), ("pending", "first"))
            self.assertIsNone(execution.worker)
            self.assertEqual(execution.recoveries, 0)  # nobody died

    def test_when_the_grace_period_is_over_a_hung_step_is_released_and_the_process_ends(
        self,
    ) -> None:
        with processes() as started:
            execution = durable.start(Stuck)
            child = started.worker(settings={**LONG, "SHUTDOWN_GRACE": 0.5})
            started.until(lambda: runs(started, "hang"))
            child.signal(signal.SIGTERM)
            self.assertEqual(child.wait(10), 0, child.output())
            self.assertIn("released 1 executions", child.output())
            self.assertIn("leaving 1 threads behind", child.output())
            execution.refresh_from_db()
            self.assertEqual((execution.status, execution.worker), ("pending", None))

    def test_an_idle_worker_stops_at_once(self) -> None:
        with processes() as started:
            child = started.worker(settings=LONG)
            started.until(lambda: Worker.objects.live().exists())
            begun = time.monotonic()
            child.signal(signal.SIGTERM)
            self.assertEqual(child.wait(), 0, child.output())
            self.assertLess(time.monotonic() - begun, LONG["SHUTDOWN_GRACE"] / 2)


class EndOfWorkTests(ThreadedTestCase):
    """--burst and --max-executions."""

    def test_a_burst_ends_when_nothing_is_due_and_leaves_what_is_due_later(self) -> None:
        now = [durable.start(Quick, {"n": n}) for n in range(25)]
        later = durable.start(Quick, {}, delay=durable.hours(1))
        call_command("durable_worker", burst=True, verbosity=0)
        for execution in now:
            execution.refresh_from_db()
            self.assertEqual(execution.status, "completed", execution.error)
        later.refresh_from_db()
        self.assertEqual(later.status, "pending")

    def test_a_burst_ends_although_a_paused_queue_has_work(self) -> None:
        from durable.models import Queue

        Queue.objects.create(name="default", paused=True)
        execution = durable.start(Quick)
        call_command("durable_worker", burst=True, verbosity=0)
        execution.refresh_from_db()
        self.assertEqual(execution.status, "pending")

    def test_a_worker_ends_after_as_many_executions_as_it_was_told(self) -> None:
        for n in range(7):
            durable.start(Slow, {"seconds": 0, "n": n})
        call_command("durable_worker", max_executions=3, verbosity=0)
        self.assertEqual(Execution.objects.filter(status="completed").count(), 3)
        self.assertEqual(Execution.objects.filter(status="pending").count(), 4)
        self.assertEqual(Effect.objects.filter(key__startswith="second:").count(), 3)

    def test_fewer_executions_than_asked_for_are_waited_for(self) -> None:
        with processes() as started:
            child = started.worker("--max-executions", "2", settings=LONG)
            started.until(lambda: Worker.objects.live().exists())
            durable.start(Quick)
            started.until(lambda: Execution.objects.filter(status="completed").count() == 1)
            self.assertIsNone(child.code)
            durable.start(Quick)
            self.assertEqual(child.wait(), 0, child.output())
            self.assertEqual(Execution.objects.filter(status="completed").count(), 2)


class ArgumentTests(ThreadedTestCase):
    """What the command takes, and what it refuses before it does anything."""

    def refused(self, words: str, **options: Any) -> None:
        """The command refuses these options, in these words."""
        with self.assertRaises(CommandError) as caught:
            call_command("durable_worker", burst=True, verbosity=0, **options)
        self.assertIn(words, str(caught.exception))
        self.assertFalse(Worker.objects.exists())

    def test_what_is_no_queue_is_refused(self) -> None:
        for queues in ("", ",", "=2", "a=", "a=0", "a=-1", "a=x", "a=1.5", "a=²", "a,,b"):
            with self.subTest(queues=queues):
                if queues:
                    self.refused("is not a name, or name=number", queues=queues)
        self.refused("is there twice", queues="a,b,a=2")

    def test_numbers_below_one_are_refused(self) -> None:
        self.refused("--concurrency must be at least 1", concurrency=0)
        self.refused("--processes must be at least 1", processes=0)
        self.refused("--max-executions must be at least 1", max_executions=0)

    def test_queues_have_the_concurrency_of_the_option_the_argument_or_the_settings(self) -> None:
        from durable.management.commands.durable_worker import Command

        read = Command()._queues
        with self.settings(DURABLE={"QUEUES": {"mail": {"concurrency": 3}, "slow": {}}}):
            self.assertEqual(read(None, None), {"mail": 3, "slow": 10})
            self.assertEqual(read(None, 5), {"mail": 5, "slow": 5})
            self.assertEqual(read("mail, slow = 2,new", None), {"mail": 3, "slow": 2, "new": 10})
            self.assertEqual(read("mail=1,slow", 4), {"mail": 1, "slow": 4})
