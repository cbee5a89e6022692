"""``durable_check_versions``: a deploy that would strand live executions does not go through."""

from __future__ import annotations

import json
from typing import Any

from django.core.management import CommandError

import durable
from durable import Workflow, chain, parallel, step
from durable.models import Execution, Schedule
from durable.testing import drain, isolate_workflows, run
from tests.calendar.cases import scheduled
from tests.doors.commands.cases import (
    CommandTestCase,
    CommittingCommandTestCase,
    Data,
    asking,
    listening,
    quick,
    two_ask,
)


class CheckTests(CommandTestCase):
    """What this code lacks."""

    def stranded(self) -> dict[str, Any]:
        """What the command says before it ends with an error."""
        with self.assertRaises(CommandError) as caught:
            self.call("check_versions", "--json")
        self.assertEqual(caught.exception.returncode, 1)
        self.assertIn("this code would strand", str(caught.exception))
        found: dict[str, Any] = json.loads(self.answered)
        self.assertFalse(found["ok"])
        return found

    def group(self) -> dict[str, Any]:
        """The only group that is stranded."""
        (group,) = self.stranded()["stranded"]
        found: dict[str, Any] = group
        return found

    def test_everything_that_has_its_place_is_fine(self) -> None:
        run(asking())
        run(two_ask())
        run(quick())
        durable.start("quick")
        durable.schedule("quick", "@daily", name="nightly")
        self.assertEqual(self.json("check_versions"), {"ok": True, "stranded": [], "schedules": []})
        self.assertIn("has its place", self.call("check_versions"))

    def test_a_workflow_that_is_gone(self) -> None:
        with isolate_workflows():
            waiting = [run(asking()) for _ in range(5)]
            run(quick())
        group = self.group()
        self.assertEqual(
            (group["workflow"], group["version"], group["missing"], group["count"]),
            ("asking", 1, "workflow", 5),
        )
        self.assertEqual(group["ids"], [str(one.pk) for one in waiting[:3]])
        keys = {"workflow", "version", "path", "missing", "words", "count", "ids"}
        self.assertEqual(set(group), keys)
        with self.assertRaises(CommandError) as caught:
            self.call("check_versions")
        self.assertIn("5: there is no workflow 'asking' in this code", self.answered)
        self.assertIn("5 executions and 0 schedules", str(caught.exception))

    def test_a_version_that_is_gone(self) -> None:
        with isolate_workflows():
            run(asking())
        with isolate_workflows():

            class Asking(Workflow):
                class Meta:
                    version = 2

                @step
                def ask(self, data: Data) -> None:
                    return None

            group = self.group()
            self.assertEqual((group["missing"], group["count"]), ("version", 1))
            self.assertIn("asking version 1 is gone; this code has 2", group["words"])

    def test_a_step_that_is_gone_while_executions_stand_there(self) -> None:
        with isolate_workflows():
            run(asking())
        with isolate_workflows():

            class Asking(Workflow):
                @step
                def begin(self, data: Data) -> None:
                    return None

                @step
                def ask_boss(self, data: Data) -> None:
                    return None

            group = self.group()
            self.assertEqual((group["missing"], group["path"]), ("step", "ask"))

    def test_a_step_that_is_gone_where_nobody_stands_is_no_matter(self) -> None:
        with isolate_workflows():
            run(asking())
        with isolate_workflows():

            class Asking(Workflow):
                @step
                def ask(self, data: Data) -> None:
                    return None

            self.assertTrue(self.json("check_versions")["ok"])

    def test_the_branches_of_a_block_count_too(self) -> None:
        with isolate_workflows():
            run(two_ask())
        with isolate_workflows():

            class TwoAsk(Workflow):
                @step
                def left(self, data: Data) -> None:
                    return None

                @step
                def middle(self, data: Data) -> None:
                    return None

                flow = parallel(left, middle)

            group = self.group()
            self.assertEqual((group["path"], group["count"]), ("parallel/right/right", 1))

    def test_a_compensation_that_is_gone_while_it_waits(self) -> None:
        def undoing(with_compensation: bool) -> type[Workflow]:
            class Undoing(Workflow):
                @step
                def book(self, data: Data) -> None:
                    return None

                if with_compensation:

                    @book.compensate
                    def undo(self, data: Data) -> None:
                        self.wait_for_event("agreed")

                @step
                def fail(self, data: Data) -> None:
                    raise durable.Fail("no")

                flow = chain(book, fail)

            return Undoing

        with isolate_workflows():
            execution = run(undoing(True))
            self.assertEqual(execution.status, "compensating")
            self.assertTrue(self.json("check_versions")["ok"])
        with isolate_workflows():
            undoing(False)
            group = self.group()
            self.assertEqual((group["missing"], group["path"]), ("compensation", "book"))
            self.assertEqual(group["ids"], [str(execution.pk)])

    def test_finished_executions_do_not_matter(self) -> None:
        with isolate_workflows():
            run(quick())
            durable.cancel(run(listening()).pk)
        self.assertTrue(self.json("check_versions")["ok"])

    def test_schedules_whose_workflow_is_gone(self) -> None:
        with isolate_workflows():
            durable.schedule(scheduled(), "@daily", name="nightly")
        self.assertEqual(self.stranded()["schedules"], [{"name": "nightly", "workflow": "report"}])
        with self.assertRaises(CommandError):
            self.call("check_versions")
        self.assertIn("the schedule 'nightly' is for 'report'", self.answered)
        Schedule.objects.update(enabled=False)
        self.assertTrue(self.json("check_versions")["ok"])

    def test_looking_changes_nothing(self) -> None:
        with isolate_workflows():
            run(asking())
        before = list(Execution.objects.values())
        self.stranded()
        drain()
        self.assertEqual(list(Execution.objects.values()), before)


class ProcessTests(CommittingCommandTestCase):
    """As a step of a deploy."""

    def test_the_exit_code_stops_the_deploy(self) -> None:
        self.assertEqual(self.process("check_versions").returncode, 0)
        durable.start(asking())
        done = self.process("check_versions")
        self.assertEqual(done.returncode, 1)
        self.assertIn("1: there is no workflow 'asking' in this code", done.stdout)
