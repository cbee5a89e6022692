"""What a worker claims, what it keeps hold of, and what it lets others see meanwhile."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from typing import Any
from unittest import mock
from uuid import uuid4

import pytest
from django.db import connections

import durable
from durable import Data, Workflow, clock, minutes, seconds, step
from durable.engine.duties import workers
from durable.models import Execution, Worker
from durable.testing import isolate_workflows, worker
from durable.worker import dispatcher
from durable.worker.bell import Bell
from durable.worker.slots import Slots
from durable.worker.watchdog import Watchdog
from durable.worker.worker import WorkerProcess
from tests.cases import elsewhere, open_transaction, until
from tests.shop.models import Effect
from tests.worker.cases import WorkerTestCase, on_postgres


class ClaimTests(WorkerTestCase):
    """Batches, queues and kinds."""

    def test_free_slots_are_filled_in_one_batch(self) -> None:
        release, sizes = threading.Event(), list[int]()
        self.addCleanup(release.set)

        class Waits(Workflow):
            @step(atomic=False)
            def only(self, data: Data) -> None:
                release.wait(30)

        plain = dispatcher.claim_due

        def claim(*args: Any) -> Any:
            claims = plain(*args)
            sizes.append(len(claims))
            return claims

        executions = durable.start_many(Waits, [{}] * 20)
        with mock.patch.object(dispatcher, "claim_due", claim), worker(concurrency=8):
            until(lambda: sum(sizes) == 8)
            self.assertEqual([size for size in sizes if size], [8])
            release.set()
            self.assertCompleted(*executions)

    def test_each_queue_keeps_to_its_concurrency(self) -> None:
        lock, running, most = threading.Lock(), Counter[str](), Counter[str]()

        class Counts(Workflow):
            @step(atomic=False)
            def only(self, data: Data) -> None:
                queue = data["queue"]
                with lock:
                    running[queue] += 1
                    most[queue] = max(most[queue], running[queue])
                threading.Event().wait(0.02)
                with lock:
                    running[queue] -= 1

        executions = [
            durable.start(Counts, {"queue": queue}, queue=queue)
            for queue in ("a", "b", "c")
            for _ in range(12)
        ]
        both = WorkerProcess({"a": 1, "b": 3})
        both.start()
        try:
            self.assertCompleted(*(e for e in executions if e.queue != "c"))
        finally:
            both.stop()
        self.assertEqual(most, {"a": 1, "b": 3})
        self.assertEqual(Execution.objects.filter(queue="c", status="pending").count(), 12)

    def test_what_no_worker_has_is_blocked_until_one_comes_that_has_it(self) -> None:
        class Known(Workflow):
            @step
            def only(self, data: Data) -> None:
                pass

        with isolate_workflows():

            class Strange(Workflow):
                @step
                def only(self, data: Data) -> None:
                    pass

            execution = durable.start(Strange)
        with worker():
            self.assertCompleted(durable.start(Known))
            until(lambda: Execution.objects.get(pk=execution.pk).status == "blocked")
        execution.refresh_from_db()
        self.assertEqual(execution.error["type"], "NoWorker")

        class Strange(Workflow):  # type: ignore[no-redef]
            @step
            def only(self, data: Data) -> None:
                pass

        with worker():
            self.assertCompleted(execution)
        self.assertIsNone(execution.error)

    def test_a_claim_that_nobody_here_works_on_is_freed(self) -> None:
        class Plain(Workflow):
            @step
            def only(self, data: Data) -> None:
                pass

        with worker() as running:
            self.assertCompleted(durable.start(Plain))
            execution = durable.start(Plain, delay=minutes(5))
            Execution.objects.filter(pk=execution.pk).update(fence=6)
            Execution.objects.filter(pk=execution.pk).held(running.worker)
            running._heartbeat.doubt()
            self.assertCompleted(execution)
        self.assertEqual(execution.fence, 9)
        self.assertEqual(execution.recoveries, 0)

    def test_what_a_stopped_worker_claimed_in_its_last_moment_is_freed(self) -> None:
        class Plain(Workflow):
            @step
            def only(self, data: Data) -> None:
                pass

        gone = Worker.objects.create(
            id=uuid4(),
            started_at=clock.now(),
            heartbeat_at=clock.now(),
            expires_at=clock.now(),
            stopped_at=clock.now(),
        )
        execution = durable.start(Plain)
        Execution.objects.filter(pk=execution.pk).held(gone.pk)
        with worker():
            self.assertCompleted(execution)

    @pytest.mark.only_on("postgresql")
    def test_a_row_that_a_dead_worker_still_locks_does_not_hold_up_its_burial(self) -> None:
        class Plain(Workflow):
            @step
            def only(self, data: Data) -> None:
                pass

        dead = Worker.objects.create(
            started_at=clock.now(), heartbeat_at=clock.now(), expires_at=clock.now()
        )
        locked, other = durable.start(Plain), durable.start(Plain)
        Execution.objects.all().held(dead.pk)
        with elsewhere() as there, open_transaction(there):
            there(lambda: list(Execution.objects.select_for_update().filter(pk=locked.pk)))
            self.assertEqual(workers.bury(dead.pk), 1)
            with worker():
                self.assertCompleted(other)
        with worker():
            self.assertCompleted(locked)


class ProgressTests(WorkerTestCase):
    """``heartbeat()`` is seen within about a second, and never holds the step up."""

    def _progress(self, execution: Execution) -> Any:
        return Execution.objects.values_list("progress", flat=True).get(pk=execution.pk)

    def _shows(self, workflow: type[Workflow], release: threading.Event) -> Execution:
        with worker():
            execution = durable.start(workflow)
            until(lambda: self._progress(execution) == {"done": 3})
            self.assertEqual(Execution.objects.get(pk=execution.pk).status, "running")
            release.set()
            self.assertCompleted(execution)
        self.assertEqual(execution.progress, {"done": 4})
        return execution

    def test_progress_is_visible_while_the_step_runs(self) -> None:
        release = threading.Event()
        self.addCleanup(release.set)

        class Long(Workflow):
            @step(atomic=False)
            def only(self, data: Data) -> None:
                for done in range(1, 4):
                    self.heartbeat({"done": done})
                release.wait(30)
                self.heartbeat({"done": 4})

        self._shows(Long, release)

    @pytest.mark.only_on("postgresql")
    def test_progress_of_an_atomic_step_is_visible_before_its_commit(self) -> None:
        release = threading.Event()
        self.addCleanup(release.set)

        class Long(Workflow):
            @step
            def only(self, data: Data) -> None:
                Effect.objects.create(key="atomic")
                self.heartbeat({"done": 3})
                release.wait(30)
                self.heartbeat({"done": 4})

        self._shows(Long, release)
        self.assertEqual(Effect.objects.count(), 1)

    def test_a_thousand_heartbeats_are_a_handful_of_writes(self) -> None:
        from durable.engine.body import progress

        writes = list[int]()
        plain = progress.show

        def show(pending: Any) -> Any:
            writes.append(len(pending))
            return plain(pending)

        class Chatty(Workflow):
            @step(atomic=False)
            def only(self, data: Data) -> None:
                for done in range(1000):
                    self.heartbeat({"done": done})

        with mock.patch.object(progress, "show", show), worker():
            execution = durable.start(Chatty)
            self.assertCompleted(execution)
        self.assertEqual(execution.progress, {"done": 999})
        self.assertLess(len(writes), 15)

    @pytest.mark.only_on("postgresql")
    def test_a_locked_row_holds_up_neither_the_step_nor_the_lease(self) -> None:
        release, told = threading.Event(), threading.Event()
        self.addCleanup(release.set)

        class Long(Workflow):
            @step(atomic=False)
            def only(self, data: Data) -> None:
                release.wait(30)
                self.heartbeat({"done": 1})
                told.set()

        with worker() as running:
            execution = durable.start(Long)
            until(lambda: Execution.objects.get(pk=execution.pk).status == "running")
            with elsewhere() as other, open_transaction(other):
                other(lambda: list(Execution.objects.select_for_update().order_by("pk")))
                release.set()
                until(told.is_set)
                before = Worker.objects.get(pk=running.worker).heartbeat_at
                until(lambda: Worker.objects.get(pk=running.worker).heartbeat_at > before)
            self.assertCompleted(execution)
        self.assertEqual(execution.progress, {"done": 1})

    def test_progress_of_a_lost_claim_is_not_written(self) -> None:
        from durable.engine.body import progress

        class Plain(Workflow):
            @step
            def only(self, data: Data) -> None:
                pass

        execution = durable.start(Plain)
        shown = progress.StepProgress(execution.pk, 99, {"late": True}, in_transaction=False)
        self.assertEqual(progress.show({execution.pk: shown}), {execution.pk})
        self.assertIsNone(self._progress(execution))


class LogTests(WorkerTestCase):
    """Log lines say which execution and which step they are about."""

    def test_what_the_engine_says_of_an_execution_carries_it_as_attributes(self) -> None:
        class Fails(Workflow):
            @step
            def only(self, data: Data) -> None:
                raise ValueError("no")

        class Late(Workflow):
            @step(atomic=False, timeout=seconds(0.1))
            def only(self, data: Data) -> None:
                threading.Event().wait(0.5)

        with self.assertLogs("durable", logging.INFO) as logs, worker():
            execution, late = durable.start(Fails), durable.start(Late)
            self.finished(execution, late)
        for pk in (execution.pk, late.pk):
            records = [r for r in logs.records if getattr(r, "execution", None) == str(pk)]
            self.assertTrue(records)
            self.assertEqual({r.__dict__["step"] for r in records}, {"only"})


class PartTests(WorkerTestCase):
    """Small parts with a promise of their own."""

    def test_a_bell_rung_before_the_wait_is_heard_and_many_rings_count_as_one(self) -> None:
        bell = Bell()
        for _ in range(5):
            bell.ring()
        self.assertTrue(self._returns(bell, 30))
        self.assertFalse(self._returns(bell, 0.05))

    def _returns(self, bell: Bell, timeout: float) -> bool:
        begun = time.monotonic()
        bell.wait(timeout)
        return time.monotonic() - begun < timeout

    def test_a_slot_tells_of_a_claim_with_which_the_engine_itself_failed(self) -> None:
        told, freed = threading.Event(), threading.Event()

        def run(claim: Any) -> None:
            raise OSError("not the step's fault")

        slots = Slots("default", 1, run, freed.set, told.set)
        with self.assertLogs("durable.worker", "ERROR"):
            slots.submit(mock.Mock(rest=()))
            self.assertTrue(freed.wait(10))
        self.assertTrue(told.is_set())
        self.assertEqual(slots.held(), set())
        slots.stop()

    def test_the_watchdog_keeps_nothing_of_attempts_that_are_over(self) -> None:
        dog = Watchdog(lambda thread: None, lambda: None)
        for _ in range(5000):
            with dog.limit(mock.Mock(), minutes(60)):
                pass
        self.assertLess(len(dog._heap), 300)

    def test_a_worker_leaves_no_thread_and_no_connection_behind(self) -> None:
        class Plain(Workflow):
            @step
            async def one(self, data: Data) -> None:
                await Effect.objects.acreate(key="x")

            @step
            def two(self, data: Data) -> None:
                Effect.objects.create(key="y")

        before = set(threading.enumerate())
        connected = _other_connections() if on_postgres() else 0

        def ours() -> set[threading.Thread]:
            new = set(threading.enumerate()) - before
            return {thread for thread in new if thread.name.startswith("durable")}

        with worker():
            self.assertCompleted(*(durable.start(Plain) for _ in range(10)))
        until(lambda: not ours())
        if on_postgres():
            until(lambda: _other_connections() <= connected)


def _other_connections() -> int:
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        (count,) = cursor.fetchone()
    return int(count)
