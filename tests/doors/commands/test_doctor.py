"""``durable_doctor``: each planted fault is found, what is safe is repaired, the rest is left."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import pytest
from django.core.management import CommandError
from django.db import OperationalError, connections
from django.test import override_settings

import durable
from durable import Workflow, clock, parallel, step
from durable.engine.duties import workers
from durable.engine.operators import queues
from durable.management import doctor
from durable.management.doctor import database
from durable.models import Event, Execution, Schedule, StepRun, Wait, Worker
from durable.states import Status, WaitStatus
from durable.testing import advance, drain, isolate_workflows, run, time_travel
from tests.calendar.cases import scheduled
from tests.doors.commands.cases import (
    CommandTestCase,
    CommittingCommandTestCase,
    Data,
    asking,
    failing,
    listening,
    quick,
)
from tests.life.cases import a_worker, claim_as

NOON = datetime(2030, 5, 6, 12, tzinfo=UTC)


class DoctorTestCase(CommandTestCase):
    """A database in which something is wrong, at noon."""

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(time_travel(NOON))
        # the clock stands still: of course it differs from this machine's
        self.enterContext(mock.patch.object(database.clock, "local_now", clock.frozen_at))
        self.enterContext(mock.patch.object(database, "_arrives", return_value=True))

    def found(self, *args: str) -> dict[str, dict[str, Any]]:
        """The findings by their codes."""
        try:
            said = self.json("doctor", *args)
        except CommandError:
            said = json.loads(self.answered)
            self.assertFalse(said["ok"])
        else:
            self.assertTrue(said["ok"])
        self.assertEqual(set(said), {"ok", "errors", "findings", "repaired"})
        self.repaired = said["repaired"]
        return {finding["code"]: finding for finding in said["findings"]}

    def one(self, code: str, severity: str, *words: str) -> dict[str, Any]:
        """The finding of this code, which is so bad and says these words."""
        found = self.found()
        self.assertIn(code, found)
        finding = found[code]
        self.assertEqual(finding["severity"], severity, finding)
        for word in words:
            self.assertIn(word, finding["words"])
        return finding

    def assertFixed(self, code: str, repair: str) -> None:
        """``--fix`` repairs it, and it is found no more."""
        self.assertNotIn(code, self.found("--fix"))
        self.assertIn(repair, self.repaired)
        self.assertNotIn(code, self.found())


class HealthyTests(DoctorTestCase):
    """Nothing is wrong."""

    def test_a_healthy_system_has_no_errors_and_nothing_is_repaired(self) -> None:
        a_worker()
        run(quick())
        found = self.found("--fix")
        self.assertEqual(set(found) - {"workers-not-listening"}, {"size"})
        self.assertEqual(self.repaired, {})
        self.assertIn("no errors", self.call("doctor"))

    def test_the_text_says_what_is_wrong_and_what_to_do_the_worst_first(self) -> None:
        durable.start(quick())
        advance(minutes=5, work=False)
        with self.assertRaises(CommandError) as caught:
            self.call("doctor")
        self.assertEqual(str(caught.exception), "1 error found")
        self.assertEqual(caught.exception.returncode, 1)
        first, samples, advice, *_ = self.answered.splitlines()
        self.assertIn("error", first)
        self.assertIn("no worker is alive, and 1 execution is due", first)
        self.assertIn(str(Execution.objects.get().pk), samples)
        self.assertIn("→ start manage.py durable_worker", advice)


class DatabaseTests(DoctorTestCase):
    """The database itself."""

    def test_one_that_does_not_answer_is_the_only_finding(self) -> None:
        broken = OperationalError("connection refused")
        with mock.patch.object(connections["default"], "ensure_connection", side_effect=broken):
            found = self.found()
        self.assertEqual(set(found), {"database-unreachable"})
        self.assertIn("connection refused", found["database-unreachable"]["words"])

    def test_one_that_is_too_old(self) -> None:
        conn = connections["default"]
        if conn.vendor == "postgresql":
            fake = mock.patch.object(conn, "pg_version", 130_011)
        else:
            old = mock.Mock(return_value=(3, 8, 0))
            fake = mock.patch.object(type(conn), "get_database_version", old)
        with fake:
            self.one("database-too-old", "error", "version")

    def test_migrations_that_are_not_applied(self) -> None:
        migration = mock.Mock()
        migration.name = "0002_more"
        where = "django.db.migrations.executor.MigrationExecutor.migration_plan"
        with mock.patch(where, return_value=[(migration, False)]):
            found = self.found()
        self.assertEqual(set(found), {"migrations-missing"})
        self.assertIn("0002_more", found["migrations-missing"]["words"])

    def test_clocks_that_disagree(self) -> None:
        for away, words in ((-60, "60 s ahead of"), (60, "60 s behind")):
            machine = NOON + timedelta(seconds=away)
            with mock.patch.object(database.clock, "local_now", return_value=machine):
                self.one("clock-skew", "warning", words)

    @pytest.mark.only_on("sqlite")
    def test_sqlite_that_is_not_set_up_for_several_writers(self) -> None:
        options = connections["default"].settings_dict["OPTIONS"]
        with mock.patch.dict(options, {"transaction_mode": "DEFERRED"}):
            self.one("sqlite-not-immediate", "error", "DEFERRED")

    @pytest.mark.only_on("postgresql")
    def test_notifications_that_do_not_arrive(self) -> None:
        with mock.patch.object(database, "_arrives", return_value=False):
            self.one("listen-unusable", "warning", "workers poll")
        a_worker()
        self.one("workers-not-listening", "info", "1 live workers")

    def test_much_is_kept_and_nothing_says_how_long(self) -> None:
        with mock.patch.object(database, "MANY_FINISHED", 2):
            cls = quick()
            for _ in range(3):
                run(cls)
            self.one("no-retention", "warning", "more than 2 finished")
            with override_settings(DURABLE={"RETENTION": 3600}):
                self.assertNotIn("no-retention", self.found())

    def test_large_tables(self) -> None:
        self.assertEqual(self.found()["size"]["severity"], "info")
        with mock.patch.object(database, "LARGE", 1):
            self.one("size", "warning", "the tables take")


class RealDatabaseTests(CommittingCommandTestCase):
    """What needs a connection outside of a test's transaction, or a process of its own."""

    @pytest.mark.only_on("postgresql")
    def test_notifications_arrive_here(self) -> None:
        self.assertTrue(database._arrives())

    @pytest.mark.only_on("sqlite")
    def test_sqlite_without_wal(self) -> None:
        """In a copy: what another test left open would hold the mode of this file."""
        connection = connections["default"]
        ours = connection.settings_dict["NAME"]
        with TemporaryDirectory() as directory:
            copy = f"{directory}/copy.sqlite3"
            with connection.cursor() as cursor:
                cursor.execute("VACUUM INTO %s", [copy])
            connection.close()
            connection.settings_dict["NAME"] = copy
            try:
                with connection.cursor() as cursor:
                    cursor.execute("PRAGMA journal_mode=DELETE")
                    self.assertEqual(cursor.fetchone(), ("delete",))
                codes = [finding.code for finding in doctor.diagnose()]
            finally:
                connection.close()
                connection.settings_dict["NAME"] = ours
        self.assertIn("sqlite-not-wal", codes)

    def test_from_the_shell(self) -> None:
        done = self.process("doctor", "--json")
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        self.assertTrue(json.loads(done.stdout)["ok"])
        quick()
        durable.start("quick")
        Execution.objects.update(ready_at=clock.now() + -timedelta(hours=1))
        done = self.process("doctor")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no worker is alive", done.stdout)
        self.assertIn("CommandError: 2 errors found", done.stderr)  # this one: the child lacks it


class WorkerTests(DoctorTestCase):
    """Who works, and what they hold."""

    def test_nobody_works(self) -> None:
        self.one("no-worker", "info", "nothing is due")
        durable.start(quick())
        self.one("no-worker", "warning", "1 execution is due")
        advance(minutes=3, work=False)
        finding = self.one("no-worker", "error")
        self.assertEqual((finding["count"], finding["repair"]), (1, None))

    def test_a_queue_that_nobody_serves(self) -> None:
        a_worker()
        durable.start(quick(), queue="mail")
        self.one("queue-unserved", "error", "'mail'")
        queues.pause_queue("mail", by=None)
        self.assertNotIn("queue-unserved", self.found())

    def test_code_that_nobody_has_is_marked(self) -> None:
        with isolate_workflows():
            execution = durable.start(quick())
        a_worker()
        self.one("code-missing", "error", "1 execution is due")
        self.assertFixed("code-missing", "block")
        execution.refresh_from_db()
        self.assertEqual((execution.status, execution.blocked_by), ("blocked", "worker"))

    def test_without_any_worker_nothing_is_marked_that_this_code_has(self) -> None:
        durable.start(quick())
        advance(minutes=3, work=False)
        self.found("--fix")
        self.assertEqual(self.repaired, {})
        self.assertEqual(Execution.objects.get().status, "pending")

    def test_what_the_dead_hold_is_freed(self) -> None:
        execution = durable.start(quick())
        claim_as(a_worker("gone:1"))
        advance(minutes=2, work=False)
        finding = self.one("worker-dead", "error", "gone:1", "it holds 1 execution")
        self.assertEqual(finding["samples"], [str(execution.pk)])
        self.assertFixed("worker-dead", "bury")
        execution.refresh_from_db()
        self.assertEqual((execution.status, execution.recoveries), ("pending", 1))
        self.assertFalse(Worker.objects.filter(stopped_at__isnull=True).exists())

    def test_a_dead_worker_with_empty_hands_is_no_error(self) -> None:
        a_worker("gone:1")
        advance(minutes=2, work=False)
        self.one("worker-dead", "warning", "it holds 0 executions")

    def test_what_nobody_holds_is_freed(self) -> None:
        durable.start(quick())
        durable.start("quick")
        for name in ("stopped", "removed"):
            claim_as(a_worker(name))
        Worker.objects.filter(name="stopped").update(stopped_at=clock.now())
        Worker.objects.filter(name="removed").delete()
        self.assertEqual(self.one("held-by-nobody", "error")["count"], 2)
        self.assertFixed("held-by-nobody", "free")
        self.assertFalse(Execution.objects.filter(worker__isnull=False).exists())

    def test_a_living_worker_keeps_what_it_holds(self) -> None:
        durable.start(quick())
        claim_as(a_worker())
        found = self.found("--fix")
        self.assertFalse({"worker-dead", "held-by-nobody"} & set(found))
        self.assertEqual(Execution.objects.get().status, "running")


class WorkTests(DoctorTestCase):
    """What is stuck, late or left over."""

    def test_blocked_executions_and_why(self) -> None:
        with isolate_workflows():
            execution = run(asking())
        with isolate_workflows():

            class Asking(Workflow):
                @step
                def other(self, data: Data) -> None:
                    return None

            durable.provide_input(execution.pk, "manager", "approved")
            drain()
        finding = self.one("blocked", "error", "1 execution of asking@1", "PositionLost")
        self.assertIn("deploy code that fits", finding["advice"])
        self.assertEqual(finding["samples"], [str(execution.pk)])

    def test_sleepers_that_overslept_are_woken(self) -> None:
        a_worker()
        durable.start(quick(), delay=durable.minutes(10))
        advance(minutes=10, seconds=30, work=False)
        Worker.objects.update(expires_at=clock.now() + timedelta(hours=1))
        self.assertNotIn("sleepers-overdue", self.found())
        advance(minutes=1, work=False)
        self.one("sleepers-overdue", "warning", "1 sleeper")
        self.assertFixed("sleepers-overdue", "promote")
        self.assertIsNotNone(Execution.objects.get().ready_at)

    def test_waits_past_their_deadline(self) -> None:
        class Timed(Workflow):
            @step
            def hear(self, data: Data) -> None:
                self.wait_for_event("go", timeout=durable.minutes(10))

        execution = run(Timed)
        advance(minutes=12, work=False)
        self.one("waits-overdue", "warning", "1 open wait is past")
        self.found("--fix")
        self.assertIn("promote", self.repaired)
        drain()
        self.assertNotIn("waits-overdue", self.found())
        execution.refresh_from_db()
        self.assertEqual(execution.status, "failed")

    def test_deadlines_of_what_is_paused_are_no_fault(self) -> None:
        class Timed(Workflow):
            @step
            def hear(self, data: Data) -> None:
                self.wait_for_event("go", timeout=durable.minutes(10))

        durable.pause(run(Timed).pk)
        advance(minutes=12, work=False)
        self.assertNotIn("waits-overdue", self.found())
        self.one("executions-paused", "info")

    def test_questions_that_people_leave_unanswered(self) -> None:
        class Due(Workflow):
            @step
            def ask(self, data: Data) -> None:
                self.wait_for_approval("ok", due=durable.hours(1))

        run(Due)
        self.assertNotIn("answers-overdue", self.found())
        advance(hours=2)
        self.one("answers-overdue", "info", "1 question")

    def test_events_and_answers_that_nobody_delivers(self) -> None:
        execution, asked = run(listening()), run(asking())
        durable.send_event(execution.pk, "go")
        durable.provide_input(asked.pk, "manager", "approved")
        self.assertNotIn("undelivered", self.found())
        advance(minutes=2, work=False)
        finding = self.one("undelivered", "warning")
        self.assertEqual(finding["repair"], "answer")
        self.assertFixed("undelivered", "deliver")
        self.assertFalse(Event.objects.pending().exists())
        self.assertEqual(Execution.objects.filter(ready_at__isnull=False).count(), 2)

    def test_ends_that_parents_do_not_know_of(self) -> None:
        class Pair(Workflow):
            @step
            def left(self, data: Data) -> None:
                self.wait_for_event("left")

            @step
            def right(self, data: Data) -> None:
                self.wait_for_event("right")

            flow = parallel(left, right)

        root = run(Pair)
        part = Execution.objects.filter(parent=root)[0]
        Wait.objects.filter(execution=part).resolve(WaitStatus.CANCELLED)
        Execution.objects.filter(pk=part.pk).ended(Status.CANCELLED, None)
        advance(minutes=2, work=False)
        self.one("undelivered", "warning", "1 end of a part")
        self.found("--fix")
        self.assertFalse(Execution.objects.unreported().exists())

    def test_finished_executions_with_open_waits_or_attempts_are_closed(self) -> None:
        done = run(quick())
        common: dict[str, Any] = {"execution": done, "path": "one"}
        Wait.objects.create(
            root_id=done.pk, kind="event", name="go", opened_at=clock.now(), **common
        )
        StepRun.objects.create(status="waiting", started_at=NOON, visit=7, **common)
        finding = self.one("finished-with-leftovers", "error")
        self.assertEqual(finding["samples"], [str(done.pk)])
        self.assertFixed("finished-with-leftovers", "close")
        self.assertFalse(Wait.objects.open().exists())
        self.assertFalse(StepRun.objects.filter(status="waiting").exists())
        done.refresh_from_db()
        self.assertEqual(done.status, "completed")

    def test_what_lives_below_a_finished_parent_is_cancelled(self) -> None:
        done = run(quick())
        child = run(asking())
        Execution.objects.filter(pk=child.pk).update(
            parent=done, role="child", awaited=True, parent_path="one", parent_visit=1
        )
        self.one("alive-below-finished", "error", "1 execution is alive")
        self.assertFixed("alive-below-finished", "close")
        child.refresh_from_db()
        self.assertEqual(child.status, "cancelled")

    def test_what_failed_is_nobodys_fault_here(self) -> None:
        a_worker()
        run(failing())
        self.assertEqual(set(self.found()) - {"workers-not-listening"}, {"size"})


class SettingTests(DoctorTestCase):
    """Schedules and pauses."""

    def test_schedules_that_fail_rest_are_late_or_off(self) -> None:
        report = scheduled()
        for name in ("failing", "late", "ended", "off"):
            durable.schedule(report, "0 13 * * *", name=name, timezone="UTC")
        Schedule.objects.filter(name="failing").update(failures=2, last_error="ValueError: no")
        Schedule.objects.filter(name="late").update(next_run_at=NOON - timedelta(minutes=5))
        Schedule.objects.filter(name="ended").update(next_run_at=None)
        durable.disable_schedule("off")
        self.one("schedule-failing", "error", "'failing' failed 2 times", "ValueError: no")
        self.assertEqual(self.one("schedules-overdue", "error")["samples"], ["late"])
        self.assertEqual(self.one("schedules-ended", "warning")["samples"], ["ended"])
        self.assertEqual(self.one("schedules-disabled", "info")["samples"], ["off"])

    def test_a_schedule_whose_workflow_is_gone(self) -> None:
        with isolate_workflows():
            durable.schedule(scheduled(), "0 13 * * *", name="lunch", timezone="UTC")
        self.one("schedule-without-workflow", "error", "'lunch' is for 'report'")

    def test_a_paused_queue(self) -> None:
        queues.pause_queue("default", by=None)
        self.one("queue-paused", "info", "'default' is paused")
        durable.start(quick())
        self.one("queue-paused", "warning", "1 execution due")


class RepairTests(DoctorTestCase):
    """--fix does only what is safe, and says what it did."""

    def test_the_text_says_what_was_repaired(self) -> None:
        a_worker("gone:1")
        advance(minutes=2, work=False)
        text = self.call("doctor", "--fix")
        self.assertIn("repaired (bury): 0", text)

    def test_looking_changes_nothing(self) -> None:
        durable.start(quick(), delay=durable.minutes(1))
        execution = run(listening())
        durable.send_event(execution.pk, "go")
        advance(minutes=10, work=False)
        workers.register("gone", ["default"], [], timedelta(seconds=1), listening=False)
        before = [
            list(model.objects.order_by("pk").values()) for model in (Execution, Event, Worker)
        ]
        self.found()
        after = [
            list(model.objects.order_by("pk").values()) for model in (Execution, Event, Worker)
        ]
        self.assertEqual(before, after)
