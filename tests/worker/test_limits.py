"""A step's timeout: the slot and the locks are free at once, whatever the body hangs in."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction

import durable
from durable import Data, Retry, Workflow, seconds, step
from durable.testing import worker
from tests.cases import until
from tests.shop.models import Effect, Order
from tests.worker.cases import WorkerTestCase, on_postgres

LIMIT = seconds(0.4)


def pools() -> set[threading.Thread]:
    """The threads in which the ORM work of async code is done."""
    return {thread for thread in threading.enumerate() if "ThreadPool" in thread.name}


class StepTimeoutTests(WorkerTestCase):
    """An attempt ends in time, its slot takes other work, nothing it still does is accepted."""

    def setUp(self) -> None:
        super().setUp()
        self.release = threading.Event()
        self.addCleanup(self.release.set)

    def quick(self) -> type[Workflow]:
        """A workflow of one step."""

        class Quick(Workflow):
            @step
            def only(self, data: Data) -> None:
                Order.objects.filter(reference="locked").update(status="seen")

        return Quick

    def assertEndsInTime(
        self, hanging: type[Workflow], afterwards: Callable[[], object] = bool
    ) -> Any:
        """With one slot: the timeout is recorded, and another execution gets the slot."""
        quick = self.quick()
        with worker(concurrency=1):
            begun = time.monotonic()
            execution = durable.start(hanging)
            other = durable.start(quick)
            self.assertFails(execution, "StepTimeout")
            self.assertCompleted(other)
            self.assertLess(time.monotonic() - begun, 8)
            afterwards()
        self.assertIsNone(execution.worker)
        self.assertEqual(execution.steps.get().status, "failed")
        return execution

    def test_a_body_that_hangs_in_python(self) -> None:
        release = self.release

        class Hangs(Workflow):
            @step(atomic=False, timeout=LIMIT)
            def only(self, data: Data) -> None:
                release.wait(60)

        self.assertEndsInTime(Hangs)

    @pytest.mark.only_on("postgresql")
    def test_a_body_that_hangs_in_sql_and_holds_a_lock(self) -> None:
        class Hangs(Workflow):
            @step(timeout=LIMIT)
            def only(self, data: Data) -> None:
                Order.objects.filter(reference="locked").update(status="mine")
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_sleep(60)")

        Order.objects.create(reference="locked")
        self.assertEndsInTime(Hangs)
        self.assertEqual(Order.objects.get().status, "seen")

    def test_a_body_that_hangs_in_python_with_its_transaction_open(self) -> None:
        release, late = self.release, list[BaseException]()

        class Hangs(Workflow):
            @step(timeout=LIMIT)
            def only(self, data: Data) -> None:
                Order.objects.filter(reference="locked").update(status="mine")
                Effect.objects.create(key="early")
                release.wait(60)
                try:
                    Effect.objects.create(key="late")
                except BaseException as error:
                    late.append(error)
                    raise

        Order.objects.create(reference="locked")
        self.assertEndsInTime(Hangs)
        self.assertEqual(Order.objects.get().status, "seen")
        release.set()
        until(lambda: late)
        self.assertEqual(type(late[0]).__name__, "Abandoned")
        self.assertFalse(Effect.objects.exists())

    def test_late_writes_of_a_step_outside_transactions_are_refused(self) -> None:
        release, ended = self.release, threading.Event()

        class Hangs(Workflow):
            @step(atomic=False, timeout=LIMIT)
            def only(self, data: Data) -> Data:
                Effect.objects.create(key="early")
                release.wait(60)
                try:
                    Effect.objects.create(key="late")
                finally:
                    ended.set()
                return {**data, "late": True}

        execution = self.assertEndsInTime(Hangs)
        release.set()
        until(ended.is_set)
        self.assertEqual(list(Effect.objects.values_list("key", flat=True)), ["early"])
        execution.refresh_from_db()
        self.assertEqual(execution.data, {})

    def test_an_async_body_is_cancelled(self) -> None:
        ends = list[str]()

        class Hangs(Workflow):
            @step(timeout=LIMIT)
            async def only(self, data: Data) -> None:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    ends.append("cancelled")
                    raise

        self.assertEndsInTime(Hangs)
        until(lambda: ends)

    def test_late_writes_of_an_async_step_are_refused(self) -> None:
        release, ends = self.release, list[str]()

        class Hangs(Workflow):
            @step(timeout=LIMIT)
            async def only(self, data: Data) -> None:
                def write() -> None:
                    Effect.objects.create(key="early")
                    release.wait(60)
                    try:
                        Effect.objects.create(key="late")
                    except BaseException as error:
                        ends.append(type(error).__name__)
                        raise
                    ends.append("written")

                await sync_to_async(write)()

        def wake_up() -> None:
            release.set()
            until(lambda: ends)
            until(lambda: not pools() - before)

        before = pools()
        self.assertEndsInTime(Hangs, wake_up)
        self.assertEqual(ends, ["Abandoned"])
        self.assertEqual(Effect.objects.count(), 1)

    def test_an_async_body_that_blocks_the_event_loop_does_not_block_the_next_one(self) -> None:
        release = self.release

        class Blocks(Workflow):
            @step(timeout=LIMIT)
            async def only(self, data: Data) -> None:
                release.wait(60)

        class Next(Workflow):
            @step
            async def only(self, data: Data) -> Data:
                await asyncio.sleep(0)
                return {"next": True}

        with worker(concurrency=1):
            self.assertFails(durable.start(Blocks), "StepTimeout")
            self.assertCompleted(durable.start(Next))

    def test_a_timeout_counts_as_an_attempt_and_the_next_one_may_succeed(self) -> None:
        release = self.release

        class Second(Workflow):
            @step(atomic=False, timeout=LIMIT, retry=Retry(max_attempts=2, base=seconds(0.01)))
            def only(self, data: Data) -> Data:
                if self.attempt == 1:
                    release.wait(60)
                return {"attempt": self.attempt}

        with worker(concurrency=1):
            execution = durable.start(Second)
            self.assertCompleted(execution)
        self.assertEqual(execution.data, {"attempt": 2})
        self.assertEqual(execution.steps.first().error["type"], "StepTimeout")

    def test_steps_that_end_just_in_time_or_just_late_lose_nothing(self) -> None:
        release = self.release

        class Edge(Workflow):
            @step(timeout=seconds(0.2), retry=Retry(max_attempts=50, base=seconds(0.001)))
            def only(self, data: Data) -> Data:
                Effect.objects.create(key=str(self.id))
                release.wait(0.0 if self.attempt > 3 else 0.2005)  # what is slow is the disk
                return {"attempt": self.attempt}

        with worker(concurrency=2 if not on_postgres() else 6):
            executions = [durable.start(Edge, {"n": n}) for n in range(12)]
            self.assertCompleted(*executions)
        for execution in executions:
            self.assertEqual(Effect.objects.filter(key=str(execution.pk)).count(), 1)
            self.assertIsNone(execution.worker)

    def test_so_many_hung_threads_that_the_process_must_be_replaced(self) -> None:
        from unittest import mock

        from django.core.management import call_command

        release = self.release

        class Hangs(Workflow):
            @step(atomic=False, timeout=seconds(0.1))
            def only(self, data: Data) -> None:
                release.wait(60)

        for _ in range(3):
            durable.start(Hangs)
        with (
            mock.patch("durable.worker.worker.MAX_ABANDONED", 3),
            mock.patch("durable.management.commands.durable_worker.signal.signal"),
            self.assertRaises(SystemExit) as caught,
        ):
            call_command("durable_worker", concurrency=3, verbosity=0)
        self.assertEqual(caught.exception.code, 75)

    def test_a_workflow_that_ran_out_of_time_ends_the_step_that_it_is_in(self) -> None:
        release = self.release

        class Slow(Workflow):
            class Meta:
                timeout = seconds(0.5)

            @step
            def only(self, data: Data) -> None:
                transaction.on_commit(lambda: Effect.objects.create(key="hook"))
                release.wait(60)

        with worker(concurrency=1):
            self.assertFails(durable.start(Slow), "WorkflowTimeout")
        self.assertFalse(Effect.objects.exists())
