"""``durable_worker --json`` and ``--reload``: what a process manager and a developer see of it."""

from __future__ import annotations

import io
import json
import os
import signal
import tempfile
from pathlib import Path
from typing import Any

from django.core.management import CommandError, call_command

import durable
from durable.models import Execution, Worker
from tests.cases import ThreadedTestCase
from tests.crash.workflows import Quick, Slow
from tests.processes import Child, Processes, processes

SETTINGS = {"LEASE": 60, "POLL_INTERVAL": 0.1, "SHUTDOWN_GRACE": 20}

CODE = """
from durable import Data, Workflow, step


class Fresh(Workflow):
    @step
    def say(self, data: Data) -> Data:
        return {"said": WORD}
"""


class JsonTests(ThreadedTestCase):
    """A line when a worker is up, and one when it has stopped."""

    def test_a_line_for_the_start_and_one_for_the_end(self) -> None:
        durable.start(Quick)
        out = io.StringIO()
        call_command("durable_worker", "--burst", "--json", stdout=out, verbosity=0)
        started, stopped = map(json.loads, out.getvalue().splitlines())
        worker = Worker.objects.get()
        for line in (started, stopped):
            self.assertEqual(set(line), {"event", "worker", "pid", "queues", "claimed"})
            self.assertEqual((line["worker"], line["pid"]), (str(worker.pk), os.getpid()))
            self.assertEqual(line["queues"], {"default": 10})
        self.assertEqual((started["event"], started["claimed"]), ("started", 0))
        self.assertEqual((stopped["event"], stopped["claimed"]), ("stopped", 1))

    def test_without_it_nothing_is_printed(self) -> None:
        out = io.StringIO()
        call_command("durable_worker", "--burst", stdout=out, verbosity=0)
        self.assertEqual(out.getvalue(), "")


class ReloadTests(ThreadedTestCase):
    """On a change of code: drained, then begun anew in the same process."""

    def setUp(self) -> None:
        super().setUp()
        directory = tempfile.TemporaryDirectory(prefix="durable-")
        self.addCleanup(directory.cleanup)
        self.app = Path(directory.name) / "fresh"
        self.app.mkdir()
        (self.app / "__init__.py").touch()
        self.write("'old'", age=10)

    def write(self, word: str, age: float = 0) -> None:
        """The app's code, as if it were written so many seconds ago."""
        file = self.app / "workflows.py"
        file.write_text(CODE.replace("WORD", word))
        at = file.stat().st_mtime - age
        os.utime(file, (at, at))

    def begin(self, started: Processes) -> Child:
        return started.worker(
            "--reload",
            "--json",
            settings=SETTINGS,
            environment={
                "PYTHONPATH": f"{self.app.parent}{os.pathsep}{os.getcwd()}",
                "DURABLE_TEST_APPS": "fresh",
            },
        )

    def said(self) -> list[Any]:
        """What the executions of the app have said, in order."""
        rows = Execution.objects.filter(workflow="fresh", status="completed")
        return [row.result["said"] for row in rows.order_by("created_at")]

    def start(self) -> None:
        """Start one execution of the app, which this process does not have."""
        from durable import Data, Workflow, step
        from durable.testing import isolate_workflows

        with isolate_workflows():

            class Fresh(Workflow):
                @step
                def say(self, data: Data) -> Data:
                    return {}

            durable.start(Fresh)

    def test_new_code_runs_after_what_ran_was_drained(self) -> None:
        with processes() as started:
            child = self.begin(started)
            self.start()
            started.until(lambda: self.said() == ["old"])
            (first,) = Worker.objects.live()
            slow = durable.start(Slow, {"seconds": 3.0})
            started.until(lambda: any(line.endswith(" first") for line in started.ran()))
            self.write("'new'")
            started.until(lambda: Worker.objects.live().exclude(pk=first.pk).exists())
            self.start()
            started.until(lambda: self.said() == ["old", "new"])
            started.until(lambda: Execution.objects.get(pk=slow.pk).status == "completed")
            begun = [line for line in started.ran() if line.endswith(" first")]
            self.assertEqual(len(begun), 1)  # it reached its checkpoint
            (second,) = Worker.objects.live()
            self.assertEqual(first.name, second.name)  # the same process
            child.signal(signal.SIGTERM)
            self.assertEqual(child.wait(), 0, child.output())
            self.assertFalse(Worker.objects.live().exists())
            lines = [line for line in child.output().splitlines() if line.startswith("{")]
            events = [json.loads(line)["event"] for line in lines]
            self.assertEqual(events[:3], ["started", "stopped", "started"])

    def test_code_that_can_not_be_run_is_waited_for(self) -> None:
        with processes() as started:
            child = self.begin(started)
            self.start()
            started.until(lambda: self.said() == ["old"])
            self.write("'unfinished", age=-5)
            started.until(lambda: "not restarting" in child.output())
            self.start()
            started.until(lambda: self.said() == ["old", "old"])
            self.write("'new'", age=-10)
            started.until(lambda: child.output().count('"started"') == 2)
            self.start()
            started.until(lambda: self.said() == ["old", "old", "new"])
            child.signal(signal.SIGINT)
            self.assertEqual(child.wait(), 0, child.output())

    def test_a_signal_while_it_drains_is_the_end(self) -> None:
        with processes() as started:
            child = self.begin(started)
            started.until(lambda: Worker.objects.live().exists())
            durable.start(Slow, {"seconds": 15})
            started.until(lambda: any(line.endswith(" first") for line in started.ran()))
            self.write("'new'", age=-5)
            started.until(lambda: "has changed: draining" in child.output())
            child.signal(signal.SIGTERM)
            self.assertEqual(child.wait(10), 0, child.output())
            self.assertEqual(child.output().count('"started"'), 1)
            self.assertEqual(Execution.objects.get().status, "pending")

    def test_only_one_process_is_reloaded(self) -> None:
        with self.assertRaisesMessage(CommandError, "with one process"):
            call_command("durable_worker", "--reload", "--processes", "2")
