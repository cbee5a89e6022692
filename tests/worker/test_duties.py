"""A worker does all that is due; a duty that fails keeps it from nothing else."""

from __future__ import annotations

from typing import Any
from unittest import mock

from django.db import OperationalError

import durable
from durable import Workflow, clock, step
from durable.engine.calendar import deployed, fire
from durable.engine.run import claim
from durable.models import Execution, Schedule, Worker
from durable.testing import worker
from tests.calendar.cases import scheduled
from tests.cases import until
from tests.life.cases import a_worker, claim_as
from tests.worker.cases import WorkerTestCase


class DutyTests(WorkerTestCase):
    """The due work of a real worker."""

    def workflow(self) -> type[Workflow]:
        """One step, which does nothing."""

        class Plain(Workflow):
            @step
            def only(self, data: Any) -> None: ...

        return Plain

    def test_what_an_unknown_worker_holds_is_freed(self) -> None:
        execution = durable.start(self.workflow())
        claim_as(a_worker())
        Worker.objects.all().delete()
        with worker():
            self.assertCompleted(execution)

    def test_a_duty_that_fails_keeps_the_worker_from_no_other_and_from_no_claim(self) -> None:
        for error in (RuntimeError("a bug"), OperationalError("canceling statement")):
            durable.schedule(scheduled(), "* * * * *", name="often")
            Schedule.objects.update(next_run_at=clock.now())
            execution = durable.start(self.workflow())
            event = durable.start(self.listening())
            durable.send_event(event.pk, "go")
            with (
                self.subTest(error=error),
                mock.patch.object(fire, "fire_due", side_effect=error) as failing,
                self.assertLogs("durable.worker", "WARNING") as logs,
                worker() as running,
            ):
                self.assertCompleted(execution, event)
                until(lambda mocked=failing: mocked.call_count >= 2)  # it is tried again
                self.assertFalse(running.stopping)
            self.assertIn(str(error), "\n".join(logs.output))

    def listening(self) -> type[Workflow]:
        """One step that waits for an event."""

        class Listening(Workflow):
            @step
            def only(self, data: Any) -> None:
                self.wait_for_event("go")

        return Listening

    def test_a_duty_that_fails_rests_for_a_poll_interval(self) -> None:
        with (
            mock.patch.object(claim, "promote", side_effect=RuntimeError("a bug")) as failing,
            self.assertLogs("durable.worker", "ERROR"),
            worker(),
        ):
            durable.start(self.workflow(), delay=durable.seconds(0.01))
            until(lambda: failing.called)
            calls = failing.call_count
            self.assertCompleted(*[durable.start(self.workflow()) for _ in range(20)])
            self.assertLess(failing.call_count - calls, 20)

    def test_what_could_not_be_declared_is_tried_again(self) -> None:
        scheduled(durable.Cron("0 9 * * *"))
        Schedule.objects.all().delete()
        plain, tries = deployed.register_declared, [RuntimeError("not now")]

        def once() -> int:
            if tries:
                raise tries.pop()
            return plain()

        with (
            mock.patch.object(deployed, "register_declared", once),
            self.assertLogs("durable.worker", "ERROR"),
            worker(),
        ):
            until(lambda: Schedule.objects.exists())
        self.assertEqual(Execution.objects.count(), 0)
