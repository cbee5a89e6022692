"""Commands and crontab jobs leave the connection and the transaction of a ``TestCase`` whole."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import Any

from django.core.management import CommandError, call_command
from django.db import connection, transaction

import durable
from durable import Workflow, crontab, minutes, step
from durable.models import Execution, Worker
from durable.testing import advance, assert_completed, time_travel
from tests.calendar.cases import Ticks
from tests.cases import ThreadedTestCase, WorkflowTestCase
from tests.doors.commands.cases import listening, quick
from tests.pages import commands
from tests.shop.models import Note

#: the arguments with which a command does its most; ``ID`` is an execution that waits
ARGUMENTS: dict[str, list[list[str]]] = {
    "durable_cancel": [["ID"]],
    "durable_check_versions": [[]],
    "durable_cleanup": [[], ["--older-than", "1s"]],
    "durable_doctor": [[], ["--fix"]],
    "durable_graph": [["quick"]],
    "durable_inspect": [["ID"]],
    "durable_list": [[]],
    "durable_pause": [["ID"]],
    "durable_provide_input": [["ID", "manager", "true"]],
    "durable_publish_event": [["go", "--key", "k"]],
    "durable_queues": [[]],
    "durable_rerun": [["ID"]],
    "durable_resume": [["ID"]],
    "durable_retry": [["ID"]],
    "durable_run": [["quick"], ["quick", "--wait"], ["quick", "--wait", "--timeout", "1"]],
    "durable_schedules": [["list"]],
    "durable_send_event": [["ID", "go"]],
    "durable_status": [[]],
    "durable_tick": [[], ["--json"]],
    "durable_waits": [[]],
    "durable_worker": [["--burst"], ["--burst", "--json"]],
    "durable_workers": [[]],
}


class WholeTests(WorkflowTestCase):
    """Whatever a command answers, the test goes on where it was."""

    def setUp(self) -> None:
        super().setUp()
        quick()
        self.execution = durable.start(listening())
        Note.objects.create(text="of the test")
        self.raw = connection.connection

    def assertWhole(self, what: object) -> None:
        """The same connection, in the same transaction, which can be read and written."""
        self.assertIs(connection.connection, self.raw, what)
        self.assertTrue(connection.in_atomic_block, what)
        self.assertFalse(connection.needs_rollback, what)
        self.assertTrue(Note.objects.filter(text="of the test").exists(), what)
        Note.objects.create(text="after it")

    def test_after_each_command(self) -> None:
        self.assertEqual(sorted(ARGUMENTS), commands.names())
        for name, calls in ARGUMENTS.items():
            for arguments in calls:
                with self.subTest(name, arguments=arguments):
                    out = io.StringIO()
                    given = [str(self.execution.pk) if one == "ID" else one for one in arguments]
                    with suppress(CommandError):
                        call_command(name, *given, stdout=out, stderr=out)
                    self.assertWhole((name, out.getvalue()))

    def test_after_each_job_of_the_crontab(self) -> None:
        for job in (crontab.tick, crontab.clean_up):
            job()
            self.assertWhole(job)


class TickTests(Ticks, WorkflowTestCase):
    """``durable_tick`` does its pass in this thread and this transaction."""

    def test_it_registers_fires_and_works_what_is_due(self) -> None:
        super().test_it_registers_fires_and_works_what_is_due()
        self.assertFalse(Worker.objects.exists())

    def test_it_follows_the_clock_of_the_test(self) -> None:
        class Sleeper(Workflow):
            @step
            def only(self, data: dict[str, Any]) -> None:
                self.sleep(minutes(5))

        with time_travel():
            execution = durable.start(Sleeper)
            crontab.tick()
            advance(minutes=5, work=False)
            crontab.tick()
            assert_completed(execution)


class RealTransactionTests(ThreadedTestCase):
    """A transaction that no test case has opened: the work would go with it."""

    def test_a_tick_is_refused(self) -> None:
        execution = durable.start(quick())
        with transaction.atomic():
            with self.assertRaisesRegex(CommandError, "after the commit"):
                crontab.tick()
            self.assertTrue(connection.in_atomic_block)
        execution.refresh_from_db()
        self.assertEqual(execution.status, "pending")


class RefusalTests(WorkflowTestCase):
    """What can't work in a transaction is refused before anything is done."""

    def test_a_run_that_is_to_be_waited_for_is_not_started(self) -> None:
        quick()
        with self.assertRaisesRegex(CommandError, "transaction"):
            call_command("durable_run", "quick", "--wait", stdout=io.StringIO())
        self.assertFalse(Execution.objects.exists())

    def test_a_worker_is_not_started(self) -> None:
        with self.assertRaisesRegex(CommandError, "transaction"):
            call_command("durable_worker", "--burst", stdout=io.StringIO())
        self.assertFalse(Worker.objects.exists())
