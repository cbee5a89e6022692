"""Retention removes finished trees whole, in batches, and nothing that is unfinished."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

from django.core.management import CommandError, call_command
from django.test import override_settings

import durable
from durable import Workflow, clock, days, hours, parallel, step
from durable.engine.prune import prune
from durable.models import AuditEntry, Event, Execution, StepRun
from durable.models.fields import uuid7
from durable.testing import advance, drain, run, time_travel
from tests.cases import WorkflowTestCase
from tests.schedules.cases import MORNING, scheduled

OLD = ("--older-than", "30d")


def quick(keep: timedelta | None = None) -> type[Workflow]:
    class Quick(Workflow):
        class Meta:
            retention = keep

        @step
        def one(self, data: dict[str, Any]) -> None:
            if data.get("wait"):
                self.wait_for_event("go")

    return Quick


def family() -> type[Workflow]:
    child = quick()

    class Family(Workflow):
        @step
        def left(self, data: dict[str, Any]) -> dict[str, Any]:
            return {"left": self.call_workflow(child, {})}

        @step
        def right(self, data: dict[str, Any]) -> None:
            self.start_workflow(child, {"wait": data.get("wait", False)})

        flow = parallel(left, right)

    return Family


@time_travel(MORNING)
class RetentionTests(WorkflowTestCase):
    """Which executions go, and when."""

    def test_everything_is_kept_by_default(self) -> None:
        run(quick())
        advance(days=10_000)
        self.assertEqual(prune(), 0)
        self.assertEqual(Execution.objects.count(), 1)

    def test_the_setting_and_the_workflows_own(self) -> None:
        quick(days(3))
        scheduled()
        run("quick")
        run("report")
        with override_settings(DURABLE={"RETENTION": days(5)}):
            advance(days=2, hours=23)
            self.assertEqual(prune(), 0)
            advance(hours=1)
            self.assertEqual(prune(), 1)
            self.assertEqual(Execution.objects.get().workflow, "report")
            advance(days=2)
            self.assertEqual(prune(), 1)
        self.assertFalse(Execution.objects.exists())

    def test_a_tree_goes_whole_and_the_audit_stays(self) -> None:
        root = durable.start(family())
        drain()
        root.refresh_from_db()
        self.assertEqual(root.status, "completed", root.error)
        self.assertGreater(Execution.objects.count(), 4)
        durable.rerun(root.pk)
        entries = AuditEntry.objects.count()
        advance(days=2)
        newer = Execution.objects.filter(rerun_of=root).get()
        Execution.objects.filter(pk=newer.pk).update(finished_at=clock.now())
        self.assertEqual(prune(days(1)), 1)
        newer.refresh_from_db()
        self.assertIsNone(newer.rerun_of)
        self.assertFalse(Execution.objects.filter(root_id=root.pk).exists())
        self.assertFalse(Execution.objects.filter(parent=root.pk).exists())
        self.assertFalse(StepRun.objects.filter(execution__root_id=root.pk).exists())
        self.assertEqual(AuditEntry.objects.count(), entries)

    def test_nothing_of_a_tree_goes_while_a_child_is_unfinished(self) -> None:
        root = run(family(), {"wait": True})
        self.assertEqual(root.status, "completed")
        count = Execution.objects.count()
        advance(days=2)
        self.assertEqual(prune(days(1), dry_run=True), 0)
        self.assertEqual(prune(days(1)), 0)
        self.assertEqual(Execution.objects.count(), count)
        durable.cancel(Execution.objects.unfinished().get().pk)
        self.assertEqual(prune(days(1), dry_run=True), 1)
        self.assertEqual(prune(days(1)), 1)
        self.assertEqual(Execution.objects.count(), 0)

    def test_unfinished_executions_never_go(self) -> None:
        run(quick(), {"wait": True})
        advance(days=1000)
        self.assertEqual(prune(timedelta(0)), 0)

    def test_inboxes_and_records_go_with_it(self) -> None:
        root = durable.start(quick(), {"wait": True}, keys=["k"])
        drain()
        durable.send_event(root.pk, "other", 1)
        durable.publish_event("go", 2, key="k")
        drain()
        self.assertEqual(prune(timedelta(0)), 1)
        self.assertFalse(Event.objects.filter(execution__isnull=False).exists())

    def test_ten_thousand_go_in_batches(self) -> None:
        template = run(quick())
        rows = []
        for _ in range(10_000):
            pk = uuid7()
            rows.append(
                Execution(
                    id=pk,
                    root_id=pk,
                    workflow="quick",
                    kind="quick@1",
                    status="completed",
                    created_at=clock.now(),
                    finished_at=template.finished_at,
                )
            )
        Execution.objects.bulk_create(rows, batch_size=1000)
        advance(hours=1, work=False)
        self.assertEqual(prune(hours(1)), 10_001)
        self.assertFalse(Execution.objects.exists())


@time_travel(MORNING)
class CleanUpCommandTests(WorkflowTestCase):
    """``manage.py durable_cleanup``."""

    def call(self, *args: str) -> str:
        out = io.StringIO()
        call_command("durable_cleanup", *args, stdout=out)
        return out.getvalue()

    def test_it_removes_what_is_older(self) -> None:
        run(quick())
        advance(days=30)
        run("quick")
        self.assertEqual(
            json.loads(self.call("--older-than", "30d", "--dry-run", "--json")),
            {"removed": 0, "found": 1},
        )
        self.assertEqual(self.call(*OLD, "--dry-run"), "1 execution would be removed\n")
        self.assertEqual(self.call(*OLD, "--status", "failed"), "0 executions removed\n")
        self.assertEqual(self.call(*OLD), "1 execution removed\n")
        self.assertEqual(Execution.objects.count(), 1)

    def test_what_is_no_time_span_is_refused(self) -> None:
        for text in ("30", "d", "-1d", "1.5h", "30 days", ""):
            with self.subTest(text), self.assertRaises(CommandError):
                self.call(f"--older-than={text}")
