"""Retention removes finished trees whole, in batches, and nothing that is unfinished."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any
from unittest import mock

from django.core.management import CommandError, call_command
from django.test import override_settings

import durable
from durable import Cron, Workflow, clock, days, hours, minutes, parallel, step
from durable.engine.duties import workers
from durable.engine.operators.prune import prune
from durable.engine.operators.remove import remove
from durable.engine.operators.sweep import sweep
from durable.engine.run.claim import claim_due
from durable.models import AuditEntry, Event, Execution, Mailbox, Role, StepRun, Worker
from durable.models.fields import uuid7
from durable.testing import advance, drain, isolate_workflows, run, time_travel
from tests.calendar.cases import MORNING, outcomes, scheduled
from tests.cases import WorkflowTestCase

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


@time_travel(MORNING, schedules=True)
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
        self.assertEqual(prune(days(1)), 3)  # with the children that nobody waited for
        newer.refresh_from_db()
        self.assertIsNone(newer.rerun_of)
        self.assertFalse(Execution.objects.filter(root_id=root.pk).exists())
        self.assertFalse(Execution.objects.filter(parent=root.pk).exists())
        self.assertFalse(StepRun.objects.filter(execution__root_id=root.pk).exists())
        self.assertEqual(AuditEntry.objects.count(), entries)

    def test_all_of_it_stays_while_a_child_that_it_waited_for_is_unfinished(self) -> None:
        root = run(family())
        awaited = Execution.objects.filter(role=Role.CHILD, awaited=True)
        awaited.update(status="blocked", finished_at=None)  # as if an operator had retried it
        advance(days=2, work=False)
        self.assertEqual(prune(days(1), dry_run=True), 1)  # the other child
        self.assertEqual(prune(days(1)), 1)
        self.assertEqual(Execution.objects.filter(root_id=root.pk).count(), 3)
        self.assertEqual(durable.get_execution(root.pk).pk, root.pk)  # not even marked
        awaited.update(status="failed", finished_at=clock.now())
        self.assertEqual(prune(days(1), dry_run=True), 1)
        self.assertEqual(prune(days(1)), 1)
        self.assertEqual(Execution.objects.count(), 0)

    def test_a_child_that_nobody_waited_for_outlives_its_parent_as_a_root(self) -> None:
        root = run(family(), {"wait": True})
        self.assertEqual(root.status, "completed")
        advance(days=2)
        branch = Execution.objects.get(role=Role.BRANCH, branch="right").pk
        self.assertEqual(prune(days(1), dry_run=True), 1)
        self.assertEqual(prune(days(1)), 1)
        child = Execution.objects.get()
        self.assertEqual((child.role, child.parent_id, child.former_parent), ("root", None, branch))
        self.assertEqual(child.started_by, branch)
        durable.send_event(child.pk, "go")
        drain()
        child.refresh_from_db()
        self.assertEqual(child.status, "completed")
        self.assertEqual(prune(hours(1)), 0)
        advance(days=2)
        self.assertEqual(prune(days(1)), 1)

    def test_a_child_goes_before_its_parent_and_is_not_started_again(self) -> None:
        child = quick(keep=days(1))

        class Long(Workflow):
            @step(atomic=False)
            def begin(self, data: dict[str, Any]) -> dict[str, Any]:
                started = self.start_workflow(child, {})
                self.wait_for_event("on")
                return {"child": str(started)}

        root = run(Long)
        first = Execution.objects.get(parent=root.pk).pk
        advance(days=2)
        self.assertEqual(prune(), 1)
        self.assertEqual(Execution.objects.get().pk, root.pk)
        durable.send_event(root.pk, "on")
        drain()
        root.refresh_from_db()
        self.assertEqual((root.status, root.result), ("completed", {"child": str(first)}))
        self.assertEqual(Execution.objects.count(), 1)

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

    def test_thousands_go_in_batches(self) -> None:
        template = run(quick())
        rows = []
        for _ in range(3_000):
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
        self.assertEqual(prune(hours(1)), 3_001)
        self.assertFalse(Execution.objects.exists())


@time_travel(MORNING, schedules=True)
class SweepTests(WorkflowTestCase):
    """What no execution takes with it goes by the same age."""

    def test_delivered_events_go_and_those_that_are_kept_for_a_key_stay(self) -> None:
        durable.start(quick(), {"wait": True}, keys=["k"])
        drain()
        durable.publish_event("go", {}, key="k")
        durable.publish_event("nobody.wants.it")
        durable.publish_event("later", {}, key="other")
        drain()
        advance(days=2)
        self.assertEqual(sweep(days(3)).events, 0)
        self.assertEqual(sweep(days(1), dry_run=True).events, 2)
        self.assertEqual(sweep(days(1)).events, 2)
        published = Event.objects.filter(execution__isnull=True)
        self.assertEqual(list(published.values_list("name", flat=True)), ["later"])
        copy = Event.objects.get(execution__isnull=False)  # goes with its execution
        self.assertEqual((copy.name, copy.status, copy.source), ("go", "consumed", None))
        self.assertEqual(list(Mailbox.objects.values_list("key", flat=True)), ["other"])
        durable.start("quick", {}, keys=["other"])
        drain()
        self.assertEqual(Event.objects.get(name="later", execution__isnull=False).status, "kept")

    def test_a_published_event_is_known_by_its_id_until_then(self) -> None:
        run(quick(), {"wait": True}, keys=["k"])
        for expected in (True, False):
            self.assertIs(durable.publish_event("x", key="k", event_id="e").created, expected)
            drain()
        advance(days=2)
        sweep(days(1))
        self.assertTrue(durable.publish_event("x", key="k", event_id="e").created)

    def test_past_slots_go_unless_something_is_still_to_happen_with_them(self) -> None:
        class Report(Workflow):
            class Meta:
                schedules = [Cron("0 * * * *", timezone="UTC", overlap="queue")]

            @step
            def write(self, data: dict[str, Any]) -> None:
                if self.now() > MORNING + hours(2):
                    self.wait_for_event("go")

        advance(hours=5)
        self.assertEqual(
            [outcome for _, outcome in outcomes()],
            ["started", "started", "started", "queued", "queued"],
        )
        advance(days=2, work=False)
        self.assertEqual(sweep(days(1)).firings, 2)
        self.assertEqual([outcome for _, outcome in outcomes()], ["started", "queued", "queued"])
        drain()
        self.assertEqual(Execution.objects.unfinished().count(), 1)  # the queue is still one

    def test_slots_follow_the_retention_of_their_workflow(self) -> None:
        scheduled(Cron("0 0 * * *", timezone="UTC", name="report"))
        advance(days=10)
        self.assertEqual(sweep().firings, 0)
        with override_settings(DURABLE={"RETENTION": days(4)}):
            self.assertEqual(sweep(dry_run=True).firings, 6)
            with isolate_workflows():
                scheduled(Cron("0 0 * * *", timezone="UTC", name="report"), keep=days(7))
                self.assertEqual(sweep(dry_run=True).firings, 3)

    def test_rows_of_stopped_workers_go_after_a_month_or_what_is_said(self) -> None:
        def a_worker() -> Any:
            return workers.register("w", [], ["quick@1"], minutes(1), listening=False)

        quick()
        gone, alive, holding = a_worker(), a_worker(), a_worker()
        durable.start("quick")
        claim_due(holding, "default", ["quick@1"], 1)
        Worker.objects.filter(pk__in=[gone, holding]).update(stopped_at=clock.now())
        advance(days=29, work=False)
        self.assertEqual(sweep().workers, 0)
        self.assertEqual(sweep(days(30)).workers, 0)
        advance(days=1, work=False)
        self.assertEqual(sweep(dry_run=True).workers, 1)
        self.assertEqual(sweep(days(1)).workers, 1)
        self.assertEqual(set(Worker.objects.values_list("pk", flat=True)), {alive, holding})
        workers.free_strays()
        self.assertEqual(sweep().workers, 1)

    def test_many_go_in_small_batches(self) -> None:
        Event.objects.bulk_create(
            Event(name="x", key="k", status="delivered", created_at=clock.now()) for _ in range(5)
        )
        with (
            mock.patch("durable.engine.operators.sweep.AT_ONCE", 2),
            mock.patch("durable.engine.operators.sweep.remove", wraps=remove) as removed,
        ):
            self.assertEqual(sweep(timedelta(0)).events, 5)
        self.assertEqual(removed.call_count, 3)
        self.assertFalse(Event.objects.exists())


@time_travel(MORNING, schedules=True)
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
            {"removed": 0, "found": 1, "events": 0, "firings": 0, "workers": 0},
        )
        self.assertEqual(self.call(*OLD, "--dry-run"), "1 execution would be removed\n")
        self.assertEqual(self.call(*OLD, "--status", "failed"), "0 executions removed\n")
        self.assertEqual(self.call(*OLD), "1 execution removed\n")
        self.assertEqual(Execution.objects.count(), 1)

    def test_it_removes_what_else_is_over_unless_it_is_asked_for_executions_only(self) -> None:
        run(quick(), {"wait": True}, keys=["k"])
        durable.publish_event("x", key="k", keep=days(60))
        drain()
        advance(days=30)
        self.assertEqual(self.call(*OLD, "--status", "failed"), "0 executions removed\n")
        self.assertEqual(
            self.call(*OLD, "--dry-run"),
            "0 executions would be removed\n1 events, 0 firings, 0 workers would be removed\n",
        )
        self.assertEqual(
            self.call(*OLD), "0 executions removed\n1 events, 0 firings, 0 workers removed\n"
        )
        self.assertEqual(self.call(*OLD), "0 executions removed\n")

    def test_what_is_no_time_span_is_refused(self) -> None:
        for text in ("30", "d", "-1d", "1.5h", "30 days", ""):
            with self.subTest(text), self.assertRaises(CommandError):
                self.call(f"--older-than={text}")
