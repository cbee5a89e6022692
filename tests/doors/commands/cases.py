"""What the tests of commands share: call one, see it refuse, run one as a process."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import Any
from unittest import TestCase

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.db import connections

from durable import Workflow, parallel, step
from durable.models import AuditEntry, Event, Execution, Wait
from tests.cases import ThreadedTestCase, WorkflowTestCase
from tests.processes import ROOT

Data = dict[str, Any]


class Called(TestCase):
    """Commands called in this process."""

    errors = ""  # what the last call has said beside its answer

    def call(self, command: str, *args: Any, **options: Any) -> str:
        """What a command answers."""
        out, err = io.StringIO(), io.StringIO()
        try:
            call_command(f"durable_{command}", *map(str, args), stdout=out, stderr=err, **options)
        finally:
            self.errors = err.getvalue()
            self.answered = out.getvalue()
        return self.answered

    def json(self, command: str, *args: Any) -> Any:
        """What a command answers in JSON."""
        return json.loads(self.call(command, *args, "--json"))

    def refused(self, words: str, command: str, *args: Any) -> CommandError:
        """A command ends with an error that has these words, and changes nothing."""
        before = counts()
        with self.assertRaises(CommandError) as caught:
            self.call(command, *args)
        self.assertIn(words, str(caught.exception))
        self.assertEqual(counts(), before)
        self.assertNotEqual(caught.exception.returncode, 0)
        return caught.exception

    def audited(self, action: str) -> AuditEntry:
        """The one entry about this action, which came from the command line."""
        entry = AuditEntry.objects.get(action=action)
        self.assertRegex(entry.origin, r"^command \S+@\S+$")
        return entry


class CommandTestCase(Called, WorkflowTestCase):
    """Commands in one test transaction."""


class CommittingCommandTestCase(Called, ThreadedTestCase):
    """Commands whose commits are real."""

    def process(
        self, command: str, *args: Any, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """The same in a process of its own."""
        return subprocess.run(
            [sys.executable, "-m", "django", f"durable_{command}", *map(str, args)],
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "DJANGO_SETTINGS_MODULE": "tests.crash.settings",
                "DURABLE_TEST_NAME": str(connections["default"].settings_dict["NAME"]),
            },
            input=stdin,
            capture_output=True,
            text=True,
            timeout=100,
        )


def counts() -> tuple[Any, ...]:
    """What a refusal must leave as it was."""
    executions = Execution.objects.order_by("pk").values_list("pk", "status", "path", "attempt")
    waits = Wait.objects.order_by("pk").values_list("pk", "status", "assignees")
    return (
        list(executions),
        list(waits),
        Event.objects.count(),
        AuditEntry.objects.count(),
    )


def a_user(name: str = "kim", *permissions: str, **options: Any) -> Any:
    """A person with these permissions of the app."""
    user = get_user_model().objects.create_user(name, password="x", **options)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="durable", codename__in=permissions)
    )
    return user


def asking() -> type[Workflow]:
    """A workflow that asks for an approval between two steps."""

    class Asking(Workflow):
        @step
        def begin(self, data: Data) -> Data:
            return {**data, "begun": True}

        @step
        def ask(self, data: Data) -> Data:
            return {**data, "manager": self.wait_for_approval("manager", prompt="All right?")}

    return Asking


def listening() -> type[Workflow]:
    """A workflow that waits for an event."""

    class Listening(Workflow):
        @step
        def hear(self, data: Data) -> Data:
            return {**data, "heard": self.wait_for_event("go")}

    return Listening


def failing() -> type[Workflow]:
    """A workflow whose second step fails until it is told otherwise."""

    class Failing(Workflow):
        broken = True

        @step
        def first(self, data: Data) -> Data:
            return {**data, "first": True}

        @step
        def second(self, data: Data) -> Data:
            if type(self).broken:
                raise ValueError("token=abc is broken")
            return {**data, "second": True}

    return Failing


def quick() -> type[Workflow]:
    """A workflow that is done at once."""

    class Quick(Workflow):
        @step
        def one(self, data: Data) -> Data:
            return {**data, "done": True}

    return Quick


def two_ask() -> type[Workflow]:
    """Two branches that ask the same question."""

    class TwoAsk(Workflow):
        @step
        def left(self, data: Data) -> Data:
            return {"left": self.wait_for_approval("ok")}

        @step
        def right(self, data: Data) -> Data:
            return {"right": self.wait_for_approval("ok")}

        flow = parallel(left, right)

    return TwoAsk
