"""``transaction.on_commit`` hooks of a step run once its checkpoint is in, and not before."""

from __future__ import annotations

from typing import Any

from django.db import transaction

import durable
from durable import Retry, Workflow, seconds, step
from durable.models import Execution
from durable.testing import assert_completed, assert_step, drain, run
from tests.cases import ThreadedTestCase, WorkflowTestCase
from tests.shop.models import Note


class HookPromises:
    """The same in a test's transaction and where transactions really commit."""

    def test_a_hook_that_raises_undoes_nothing_and_stops_nobody(self: Any) -> None:
        seen: list[str] = []

        def explode() -> None:
            raise RuntimeError("after the commit")

        class P(Workflow):
            @step(retry=5)
            def one(self, data):
                Note.objects.create(text="one")
                transaction.on_commit(explode, robust=data["robust"])
                transaction.on_commit(lambda: seen.append("next"))

            @step
            def two(self, data):
                return {"two": True}

        for robust, left in [(True, ["next"]), (False, [])]:
            seen.clear()
            with self.assertLogs("durable" if not robust else None, "ERROR"):
                execution = run(P, {"robust": robust})
            assert_completed(execution)
            self.assertEqual(execution.result, {"two": True})
            assert_step(execution, "one", attempts=1)
            self.assertEqual(seen, left)


class HookTests(HookPromises, WorkflowTestCase):
    def test_on_commit_hooks_run_only_when_the_checkpoint_is_in(self) -> None:
        seen: list[Any] = []

        def look() -> None:
            row = Execution.objects.get()
            seen.append((row.path, row.data, row.steps.count()))

        class P(Workflow):
            @step(retry=Retry(2, base=seconds(0)))
            def one(self, data):
                transaction.on_commit(lambda: seen.append(f"attempt {self.attempt}"))
                transaction.on_commit(look)
                if self.attempt == 1:
                    raise ValueError
                self.wait_for_event("go")
                return {"done": True}

            @step
            def two(self, data):
                seen.append("two")

        execution = run(P)
        self.assertEqual(seen, [])
        durable.send_event(execution.id, "go")
        drain()
        self.assertEqual(seen, ["attempt 2", ("two", {"done": True}, 2), "two"])

    def test_hooks_of_the_caller_are_left_alone(self) -> None:
        seen: list[str] = []

        class P(Workflow):
            @step
            def one(self, data):
                transaction.on_commit(lambda: seen.append("step"))

        transaction.on_commit(lambda: seen.append("test"))
        run(P)
        self.assertEqual(seen, ["step"])

    def test_a_hook_alone_makes_the_checkpoint_part_of_its_commit(self) -> None:
        seen: list[Any] = []

        class P(Workflow):
            @step
            def one(self, data):
                transaction.on_commit(lambda: seen.append(Execution.objects.get().status))

        run(P)
        self.assertEqual(seen, ["completed"])


class CommittedHookTests(HookPromises, ThreadedTestCase):
    """Where the step's transaction is the outermost one."""
