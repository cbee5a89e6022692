"""``durable_tick`` and the jobs of ``durable.crontab``: work without a resident worker."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any
from unittest import mock

from django.core.checks import CheckMessage
from django.core.management import CommandError
from django.test import SimpleTestCase, override_settings

import durable
from durable import Cron, Workflow, checks, crontab, step
from durable.models import Execution
from durable.testing import isolate_workflows
from durable.worker.worker import WorkerProcess
from tests.calendar.cases import Ticks, scheduled
from tests.cases import PATIENCE, ThreadedTestCase


class TickTests(Ticks, ThreadedTestCase):
    """One pass."""

    def test_a_step_in_flight_when_its_time_is_over_has_the_grace_period_and_no_more(self) -> None:
        asked, never = threading.Event(), threading.Event()
        self.addCleanup(never.set)

        class Slow(Workflow):
            @step(atomic=False)
            def first(self, data: dict[str, Any]) -> None:
                (asked if data["ends"] else never).wait(PATIENCE)

            @step
            def second(self, data: dict[str, Any]) -> None: ...

        def stop(worker: WorkerProcess) -> None:
            request_stop(worker)
            asked.set()

        request_stop = WorkerProcess.request_stop
        ends, hangs = (durable.start(Slow, {"ends": each}) for each in (True, False))
        with (
            override_settings(DURABLE={"SHUTDOWN_GRACE": 3}),
            mock.patch.object(WorkerProcess, "request_stop", stop),
        ):
            said = self.tick("--max-seconds", "2")
        self.assertTrue(said["stopped_early"])
        self.assertLess(said["seconds"], PATIENCE)
        for execution, path in ((ends, "second"), (hangs, "first")):
            execution.refresh_from_db()
            self.assertEqual((execution.status, execution.path), ("pending", path))
            self.assertIsNotNone(execution.ready_at)

    def test_no_time_at_all_is_refused(self) -> None:
        with self.assertRaises(CommandError):
            self.tick("--max-seconds", "0")

    def test_the_jobs_call_the_commands(self) -> None:
        execution = durable.start(scheduled())
        crontab.tick()
        execution.refresh_from_db()
        self.assertEqual(execution.status, "completed")
        crontab.clean_up()
        with override_settings(DURABLE={"RETENTION": 0.001}):
            crontab.clean_up()
        self.assertFalse(Execution.objects.exists())


class CrontabTests(SimpleTestCase):
    """The list that settings import, and what ``check`` says about it."""

    def said(self, apps: list[str], jobs: Any, program: str = "sh") -> list[str | None]:
        with (
            mock.patch("durable.checks.settings.INSTALLED_APPS", apps),
            override_settings(CRONJOBS=jobs, CRONTAB_EXECUTABLE=program),
        ):
            found: list[CheckMessage] = checks.check_crontab()
        return [each.id for each in found]

    def test_settings_can_import_it(self) -> None:
        code = "from durable.crontab import CRONJOBS; print(len(CRONJOBS))"
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stdout.strip(), "2", done.stderr)

    def test_the_jobs_exist(self) -> None:
        for _, path in crontab.CRONJOBS:
            self.assertTrue(callable(getattr(crontab, path.rpartition(".")[2])))

    def test_what_check_says(self) -> None:
        ours, other = crontab.CRONJOBS, [("0 4 * * *", "shop.cron.report")]
        self.assertEqual(self.said([], []), [])
        self.assertEqual(self.said([], other), [])
        self.assertEqual(self.said(["django_crontab"], ours), [])
        self.assertEqual(self.said(["django_crontab"], [*ours, *other]), [])
        self.assertEqual(self.said([], ours), ["durable.W013"])
        self.assertEqual(self.said(["django_crontab"], other), ["durable.W014"])
        self.assertEqual(self.said(["django_crontab"], None), ["durable.W014"])
        self.assertEqual(self.said(["django_crontab"], ours, "/nowhere/crontab"), ["durable.W015"])

    def test_check_names_schedules_that_two_workflows_declare(self) -> None:
        with isolate_workflows():
            scheduled(Cron("@daily", name="same"), name="a")
            self.assertEqual(checks.check_schedules(), [])
            scheduled(Cron("@daily", name="same"), name="b")
            (error,) = checks.check_schedules()
        self.assertEqual(error.id, "durable.E012")
