"""Each setting is honoured, read when it is needed.

``MASK``, ``WEBHOOKS``, ``API_PERMISSIONS``, ``PUBLIC_URL`` and ``RETENTION`` belong to the doors
and jobs of later issues, and ``MAX_COLLECTED_BYTES`` to ``foreach``; that they are known is tested
with the checks.
"""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connections, transaction
from django.test import override_settings

import durable
from durable import Data, Workflow, conf, seconds, step
from durable.engine.duties import workers
from durable.models import Execution, Worker
from durable.testing import assert_completed, drain, run, worker
from durable.worker.worker import WorkerProcess
from example_project import database_url
from tests.cases import PATIENCE, ThreadedTestCase, WorkflowTestCase, until
from tests.shop.models import Note


def using(**values: Any) -> Any:
    return override_settings(DURABLE=values)


class DefaultTests(WorkflowTestCase):
    @override_settings()
    def test_every_key_is_optional(self) -> None:
        for value in ({}, None):
            settings.DURABLE = value
            self.assertEqual(conf.queues(), {"default": 10})
            self.assertEqual(conf.database(), "default")
            self.assertEqual(conf.get("MAX_DATA_BYTES"), 1024 * 1024)
            self.assertEqual(conf.get("MAX_COLLECTED_BYTES"), 16 * 1024 * 1024)
            self.assertEqual(conf.duration("LEASE"), seconds(60))
            self.assertEqual(conf.duration("POLL_INTERVAL"), seconds(1))
            self.assertEqual(conf.duration("SHUTDOWN_GRACE"), seconds(30))
            self.assertIsNone(conf.get("RETENTION"))
        del settings.DURABLE
        self.assertEqual(conf.queues(), {"default": 10})

    def test_a_duration_is_seconds_or_a_timedelta(self) -> None:
        for value in (90, 90.0, timedelta(minutes=1, seconds=30)):
            with using(LEASE=value, POLL_INTERVAL=value, SHUTDOWN_GRACE=value):
                for name in ("LEASE", "POLL_INTERVAL", "SHUTDOWN_GRACE"):
                    self.assertEqual(conf.duration(name), timedelta(seconds=90))


class QueueTests(ThreadedTestCase):
    def test_a_worker_has_the_queues_and_slots_that_are_configured(self) -> None:
        with using(QUEUES={"default": {"concurrency": 3}, "slow": {}}):
            process = WorkerProcess()
            process.start()
            process.stop()
            self.assertEqual(process.queues, {"default": 3, "slow": 10})

    @using(QUEUES={"default": {"concurrency": 2}}, POLL_INTERVAL=0.02)
    def test_concurrency_bounds_what_runs_at_once(self) -> None:
        running, most, lock, go = 0, 0, threading.Lock(), threading.Event()

        class Busy(Workflow):
            @step(atomic=False)
            def only(self, data: Data) -> None:
                nonlocal running, most
                with lock:
                    running += 1
                    most = max(most, running)
                go.wait(PATIENCE)
                with lock:
                    running -= 1

        started = durable.start_many(Busy, [{}] * 5)
        process = WorkerProcess()
        process.start()
        try:
            until(lambda: running == 2)
            go.set()
            for execution in started:
                durable.wait_for_result(execution.id, timeout=seconds(30))
        finally:
            go.set()
            process.stop()
        self.assertEqual(most, 2)

    def test_a_queue_that_a_worker_does_not_have_is_left_to_others(self) -> None:
        class Quick(Workflow):
            @step
            def only(self, data: Data) -> None: ...

        other = durable.start(Quick, queue="other")
        with worker(queues=["default"]):
            durable.wait_for_result(durable.start(Quick).id, timeout=seconds(30))
        other.refresh_from_db()
        self.assertEqual(other.status, "pending")


class LimitTests(WorkflowTestCase):
    def test_max_data_bytes_is_the_limit_at_every_door_and_of_results(self) -> None:
        class Growing(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                answer = self.wait_for_text("q")
                return {"answer": answer * data["times"]}

        with using(MAX_DATA_BYTES=200):
            execution = run(Growing, {"times": 1})
            for call in (
                lambda: durable.start(Growing, {"v": "x" * 200}),
                lambda: durable.send_event(execution.id, "go", "x" * 200),
                lambda: durable.publish_event("go", "x" * 200, key="k"),
                lambda: durable.provide_input(execution.id, "q", "x" * 200),
            ):
                with self.assertRaisesRegex(durable.NotSerializable, "200.*MAX_DATA_BYTES"):
                    call()
            durable.provide_input(execution.id, "q", "x" * 100)
            drain()
            assert_completed(execution)
            big = run(Growing, {"times": 3})
            durable.provide_input(big.id, "q", "x" * 100)
            drain()
            big.refresh_from_db()
            self.assertEqual((big.status, big.error["type"]), ("failed", "NotSerializable"))
        with using(MAX_DATA_BYTES=2_000):
            durable.start(Growing, {"v": "x" * 300})

    def test_log_capture_is_the_level_from_which_logs_are_kept(self) -> None:
        class Noisy(Workflow):
            @step
            def only(self, data: Data) -> None:
                for level in (logging.DEBUG, logging.INFO, logging.ERROR):
                    logging.getLogger("elsewhere").log(level, "said %s", level)

        cases: list[tuple[Any, list[str]]] = [
            ("DEBUG", ["DEBUG", "INFO", "ERROR"]),
            ("INFO", ["INFO", "ERROR"]),
            ("ERROR", ["ERROR"]),
            (None, []),
            (False, []),
        ]
        before = logging.getLogger().level
        for level, kept in cases:
            with self.subTest(level), using(LOG_CAPTURE=level):
                records = run(Noisy).steps.get().log_records
                ours = [r["level"] for r in records if r["logger"] == "elsewhere"]
                self.assertEqual(ours, kept)
                self.assertEqual(logging.getLogger().level, before)


class LeaseTests(ThreadedTestCase):
    def test_lease_is_how_long_a_worker_counts_as_alive(self) -> None:
        for value in (120, timedelta(minutes=2)):
            with using(LEASE=value), worker():
                until(lambda: Worker.objects.filter(stopped_at=None).exists())
                row = Worker.objects.get(stopped_at=None)
                self.assertAlmostEqual(
                    (row.expires_at - row.heartbeat_at).total_seconds(), 120, delta=1
                )

    @using(LEASE=0.6, POLL_INTERVAL=0.05)
    def test_the_lease_is_renewed_while_the_worker_lives(self) -> None:
        with worker():
            until(lambda: Worker.objects.filter(stopped_at=None).exists())
            first = Worker.objects.get().expires_at
            until(lambda: Worker.objects.get().expires_at > first)
            self.assertEqual(workers.expired(), [])

    @using(SHUTDOWN_GRACE=0.1, POLL_INTERVAL=0.05)
    def test_shutdown_grace_bounds_the_wait_for_a_running_step(self) -> None:
        begun, go = threading.Event(), threading.Event()
        self.addCleanup(go.set)

        class Hanging(Workflow):
            @step(atomic=False)
            def only(self, data: Data) -> None:
                if not begun.is_set():
                    begun.set()
                    go.wait(PATIENCE)

        with worker():
            execution = durable.start(Hanging)
            self.assertTrue(begun.wait(PATIENCE))
        execution.refresh_from_db()
        self.assertEqual((execution.status, execution.worker), ("pending", None))
        go.set()
        drain()
        assert_completed(execution)


class DatabaseTests(ThreadedTestCase):
    """A second database, a SQLite file with all tables, is the engine's."""

    databases = {"default", "other"}

    @classmethod
    def setUpClass(cls) -> None:
        directory = cls.enterClassContext(TemporaryDirectory())
        wanted = {
            **settings.DATABASES,
            "other": database_url.sqlite(Path(directory) / "other.sqlite3"),
        }
        connections.databases["other"] = connections.configure_settings(wanted)["other"]
        cls.addClassCleanup(cls._forget)
        super().setUpClass()
        call_command("migrate", database="other", verbosity=0)

    @classmethod
    def _forget(cls) -> None:
        connections["other"].close()
        del connections["other"]
        del connections.databases["other"]

    def test_everything_of_the_engine_is_in_the_database_that_it_names(self) -> None:
        class Two(Workflow):
            @step
            def first(self, data: Data) -> Data:
                Note.objects.using("other").create(text="here")
                self.set_tags(a=1)
                return {"first": self.wait_for_event("go")}

            @step
            def second(self, data: Data) -> Data:
                if data["first"] == "fail":
                    Note.objects.using("other").create(text="rolled back")
                    raise ValueError
                return data

        with using(DATABASE="other"):
            execution = run(Two, keys=["k"])
            self.assertEqual(execution._state.db, "other")
            durable.publish_event("go", 7, key="k")
            drain()
            assert_completed(execution)
            failing = run(Two)
            durable.send_event(failing.id, "go", "fail")
            drain()
            failing.refresh_from_db()
            self.assertEqual(failing.status, "failed")
            self.assertEqual(Note.objects.using("other").count(), 2)
            self.assertFalse(Note.objects.using("other").filter(text="rolled back").exists())
            with transaction.atomic(using="default"):  # not the engine's: nothing is joined
                durable.start(Two)
                transaction.set_rollback(True, using="default")
            self.assertEqual(Execution.objects.count(), 3)
            with transaction.atomic(using="other"):
                durable.start(Two)
                transaction.set_rollback(True, using="other")
            self.assertEqual(durable.list_executions().count(), 3)
        self.assertFalse(Execution.objects.exists())

    def test_a_worker_works_on_it(self) -> None:
        class Quick(Workflow):
            @step
            def only(self, data: Data) -> Data:
                Note.objects.using("other").create(text="here")
                return {"done": True}

        with using(DATABASE="other", POLL_INTERVAL=0.05):
            with worker():
                execution = durable.start(Quick)
                result = durable.wait_for_result(execution.id, timeout=seconds(30))
            self.assertEqual(result, {"done": True})
            self.assertEqual(Note.objects.using("other").count(), 1)
