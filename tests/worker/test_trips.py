"""A worker that trips over an execution does not do so for ever, and somebody can see it."""

from __future__ import annotations

import threading
from io import StringIO
from typing import Any
from unittest import mock

from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.urls import reverse

import durable
from durable import Data, Workflow, WorkflowMeta, seconds, step
from durable.engine.run import suspend
from durable.engine.undo import fail
from durable.models import Execution
from durable.testing import worker
from tests.cases import until
from tests.worker.cases import WorkerTestCase


def trips(*args: Any, **kwargs: Any) -> Any:
    """A function of the engine with a mistake in it."""
    raise ValueError("the engine's own mistake")


class TripTests(WorkerTestCase):
    """With real threads, and a clock that runs."""

    def blocked(self, execution: Execution) -> None:
        """Wait until it is blocked, and read it."""
        rows = Execution.objects.filter(pk=execution.pk, status="blocked")
        until(rows.exists)
        execution.refresh_from_db()
        self.assertEqual(execution.error["type"], "ValueError")
        self.assertIn("in trips", execution.error["traceback"])

    def test_it_is_blocked_with_one_error_in_the_log_and_all_else_goes_on(self) -> None:
        ran: list[int] = []

        class Trips(Workflow):
            class Meta(WorkflowMeta):
                max_recoveries = 1

            @step(atomic=False)
            def only(self, data: Data) -> None:
                ran.append(1)
                self.wait_for_event("go")

        class Plain(Workflow):
            @step
            def only(self, data: Data) -> None:
                pass

        with (
            mock.patch.object(suspend, "park", trips),
            self.assertLogs("durable", "WARNING") as logs,
            worker(concurrency=1),
        ):
            execution = durable.start(Trips)
            self.blocked(execution)
            self.assertCompleted(durable.start(Plain))
        self.assertEqual(len(ran), 2)
        levels = [record.levelname for record in logs.records]
        self.assertEqual(levels.count("ERROR"), 1, logs.output)
        self._is_seen(execution)
        durable.retry(execution.id)
        with worker():
            until(Execution.objects.filter(pk=execution.pk, status="waiting").exists)

    def _is_seen(self, execution: Execution) -> None:
        out = StringIO()
        with self.assertRaisesRegex(CommandError, "error"):
            call_command("durable_doctor", stdout=out)
        self.assertIn("blocked: ValueError the engine's own mistake", out.getvalue())
        user = get_user_model().objects.create_superuser("root", "root@example.com", "x")
        self.client.force_login(user)
        page = self.client.get(reverse("admin:durable_execution_change", args=[execution.pk]))
        self.assertContains(page, "own mistake")
        self.assertContains(page, "in trips")

    def test_a_step_whose_time_is_over_is_counted_when_the_engine_fails_with_that(self) -> None:
        release = threading.Event()
        self.addCleanup(release.set)

        class Hangs(Workflow):
            class Meta(WorkflowMeta):
                max_recoveries = 0

            @step(atomic=False, timeout=seconds(0.2))
            def only(self, data: Data) -> None:
                release.wait(30)

        with (
            mock.patch.object(fail, "fail_attempt", trips),
            self.assertLogs("durable", "ERROR"),
            worker(concurrency=1),
        ):
            self.blocked(durable.start(Hangs))
            release.set()
