"""A worker that is started while the database is away waits for it, and says so."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from unittest import mock

from django.core.management import CommandError, call_command
from django.db import OperationalError, ProgrammingError
from django.test import override_settings

import durable
from durable.engine.duties import workers
from durable.worker import arrival, worker
from durable.worker.arrival import NoDatabase, patiently
from durable.worker.worker import WorkerProcess
from tests.cases import ThreadedTestCase
from tests.crash.workflows import Quick
from tests.processes import ROOT

AWAY = OperationalError("connection refused")
SIGN_ON = workers.register


class Outage:
    """A database that is away for a number of tries; the time between them passes by itself."""

    def __init__(self, tries: float, error: Exception = AWAY) -> None:
        self.left, self.error, self.pauses = tries, error, list[float]()

    def __call__(self, *args: Any, **options: Any) -> Any:
        self.left -= 1
        if self.left >= 0:
            raise self.error
        return SIGN_ON(*args, **options)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def patiently(self, call: Any, pause: Any, stopping: Any) -> Any:
        return patiently(call, self.pause, stopping)

    def during(self, call: Callable[[], Any]) -> Any:
        """``call()`` while it lasts."""
        clock = mock.Mock(monotonic=lambda: sum(self.pauses))
        with (
            mock.patch.object(workers, "register", self),
            mock.patch.object(arrival, "time", clock),
            mock.patch.object(worker, "patiently", self.patiently),
        ):
            return call()


@override_settings(DURABLE={"LEASE": 40, "POLL_INTERVAL": 0.1})
class ArrivalTests(ThreadedTestCase):
    def test_it_tries_again_with_growing_pauses_and_then_works(self) -> None:
        execution = durable.start(Quick)
        outage = Outage(4)
        with self.assertLogs("durable.worker", "WARNING") as logs:
            outage.during(WorkerProcess(burst=True).run)
        self.assertEqual(outage.pauses[:4], [0.5, 1, 2, 4])
        self.assertEqual(len(logs.output), 4)
        self.assertIn("trying again in 0.5 s, for 40 s more: connection refused", logs.output[0])
        execution.refresh_from_db()
        self.assertEqual(execution.status, "completed")

    def test_it_gives_up_after_a_lease_in_plain_words(self) -> None:
        for command in ("durable_worker", "durable_tick"):
            outage = Outage(float("inf"))
            with (
                self.subTest(command),
                self.assertLogs("durable.worker", "WARNING"),
                self.assertRaisesRegex(CommandError, "not answered for 40 s: connection refused"),
            ):
                outage.during(lambda command=command: call_command(command, verbosity=0))
            self.assertEqual(outage.pauses, [0.5, 1, 2, 4, 8, 15, 9.5])

    def test_a_refusal_that_no_waiting_mends_is_told_at_once(self) -> None:
        for command in ("durable_worker", "durable_tick"):
            outage = Outage(float("inf"), ProgrammingError("no such relation"))
            with (
                self.subTest(command),
                self.assertRaisesRegex(CommandError, "no such relation.*migrate"),
            ):
                outage.during(lambda command=command: call_command(command, verbosity=0))
            self.assertEqual(outage.pauses, [])

    def test_told_to_stop_meanwhile_it_stops(self) -> None:
        one, outage = WorkerProcess(), Outage(float("inf"))
        outage.pause = lambda seconds: one.request_stop()  # type: ignore[method-assign]
        with (
            self.assertLogs("durable.worker", "WARNING") as logs,
            self.assertRaises(NoDatabase),
        ):
            outage.during(one.run)
        self.assertEqual((len(logs.output), one.was_up), (1, False))

    def test_a_command_that_is_told_to_stop_ends_well_and_says_nothing_of_a_worker(self) -> None:
        out = io.StringIO()
        with (
            self.assertLogs("durable.worker", "WARNING") as logs,
            mock.patch.object(WorkerProcess, "stopping", True),
            mock.patch.object(worker, "patiently", side_effect=NoDatabase("away")),
        ):
            call_command("durable_worker", "--json", stdout=out, verbosity=0)
        self.assertIn("stopped before it was up: away", logs.output[0])
        self.assertEqual(out.getvalue(), "")

    def test_an_answer_at_last_is_the_answer(self) -> None:
        answers = iter([AWAY, AWAY, "here"])

        def call() -> object:
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        with self.assertLogs("durable.worker", "WARNING"):
            self.assertEqual(patiently(call, lambda seconds: None), "here")


class ProcessTests(ThreadedTestCase):
    """Real processes, and a port at which nobody answers."""

    def test_no_command_that_works_shows_a_traceback(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # and does not listen
            url = f"postgres://nobody@127.0.0.1:{taken.getsockname()[1]}/none"
            settings = "from example_project.settings import *\nDURABLE = {'LEASE': 1}\n"
            code = (
                "import sys, types, django.conf\n"
                "made = types.ModuleType('made')\n"
                f"exec({settings!r}, made.__dict__)\n"
                "sys.modules['made'] = made\n"
                "from django.core.management import execute_from_command_line\n"
                "execute_from_command_line(['manage.py', *sys.argv[1:]])\n"
            )
            commands = (
                ["durable_worker"],
                ["durable_worker", "--processes", "2"],
                ["durable_worker", "--reload"],
                ["durable_tick"],
            )
            started = [
                subprocess.Popen(
                    [sys.executable, "-c", code, *command],
                    cwd=ROOT,
                    env={
                        **os.environ,
                        "PYTHONPATH": str(ROOT),
                        "DJANGO_SETTINGS_MODULE": "made",
                        "DATABASE_URL": url,
                    },
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
                for command in commands
            ]
            for command, process in zip(commands, started, strict=True):
                said, _ = process.communicate(timeout=100)
                with self.subTest(command):
                    self.assertEqual(process.returncode, 1, said)
                    self.assertIn("CommandError: the database has not answered for", said)
                    self.assertNotIn("Traceback", said)
                    if command[0] == "durable_worker":
                        self.assertIn("trying again in 0.5 s", said)
