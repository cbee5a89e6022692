"""The testing kit: running, draining, standing in for steps, hooks, assertions."""

from __future__ import annotations

import threading
from typing import Any
from unittest import mock

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import TransactionTestCase

import durable
from durable import Data, Workflow, clock, minutes, step
from durable.authoring.parse import registry
from durable.engine.duties import workers
from durable.models import Worker
from durable.storage import failpoints
from durable.testing import (
    advance,
    assert_completed,
    drain,
    isolate_workflows,
    run,
    time_travel,
    worker,
)
from tests.cases import ThreadedTestCase, WorkflowTestCase
from tests.shop.models import Note


class RunTests(WorkflowTestCase):
    def test_run_starts_works_and_returns_the_refreshed_execution(self) -> None:
        class Adding(Workflow):
            @step
            def add(self, data: Data) -> Data:
                return {"sum": data.get("a", 0) + 1}

        execution = run(Adding, {"a": 1}, tags={"t": 1}, priority=2, idempotency_key="k")
        self.assertEqual((execution.status, execution.result), ("completed", {"sum": 2}))
        self.assertEqual((execution.tags, execution.priority), ({"t": 1}, 2))
        self.assertEqual(execution.idempotency_key, "k")
        self.assertEqual(run("adding").result, {"sum": 1})

    def test_run_takes_the_options_of_start_and_no_others(self) -> None:
        class Quick(Workflow):
            @step
            def only(self, data: Data) -> None: ...

        with self.assertRaises(TypeError):
            run(Quick, {}, colour="red")

    def test_drain_works_in_a_fixed_order_one_after_the_other(self) -> None:
        seen: list[str] = []

        class Two(Workflow):
            @step
            def first(self, data: Data) -> None:
                seen.append(f"{data['n']}a")

            @step
            def second(self, data: Data) -> None:
                seen.append(f"{data['n']}b")

        for n in (1, 2):
            durable.start(Two, {"n": n}, queue=f"q{n}")
        durable.start(Two, {"n": 3}, priority=1)
        self.assertEqual(drain(), 3)
        self.assertEqual(seen, ["3a", "3b", "1a", "1b", "2a", "2b"])
        self.assertEqual(drain(), 0)

    def test_max_steps_ends_a_workflow_that_goes_round_in_circles(self) -> None:
        class Endless(Workflow):
            @step(atomic=False)
            def again(self, data: Data) -> None:
                durable.start("endless")

        durable.start(Endless)
        with self.assertRaises(durable.DurableError) as caught:
            drain(max_steps=5)
        for word in ("drain", "5", "max_steps"):
            self.assertIn(word, str(caught.exception))

    def test_exactly_max_steps_are_enough(self) -> None:
        class Quick(Workflow):
            @step
            def only(self, data: Data) -> None: ...

        durable.start_many(Quick, [{}] * 3)
        self.assertEqual(drain(max_steps=3), 3)

    def test_a_workflow_that_is_not_registered_is_blocked_not_failed(self) -> None:
        with isolate_workflows():

            class Gone(Workflow):
                @step
                def only(self, data: Data) -> None: ...

            execution = durable.start(Gone)
        drain()
        execution.refresh_from_db()
        self.assertEqual(execution.status, "blocked")

    def test_isolate_workflows_forgets_what_is_defined_inside(self) -> None:
        before = registry.all()
        with isolate_workflows():

            class Inside(Workflow):
                @step
                def only(self, data: Data) -> None: ...

            self.assertIn(Inside, registry.all())
        self.assertEqual(registry.all(), before)


class HookTests(WorkflowTestCase):
    """transaction.on_commit inside a TestCase, which never commits."""

    def test_hooks_of_a_step_run_once_its_checkpoint_is_in(self) -> None:
        seen: list[str] = []

        class Hooked(Workflow):
            @step
            def first(self, data: Data) -> None:
                transaction.on_commit(lambda: seen.append(f"hook {self.execution.steps.count()}"))
                seen.append("body")

            @step
            def second(self, data: Data) -> None:
                seen.append("next body")

        run(Hooked)
        self.assertEqual(seen, ["body", "hook 1", "next body"])

    def test_hooks_registered_before_by_the_test_are_left_alone(self) -> None:
        class Quick(Workflow):
            @step
            def only(self, data: Data) -> None:
                transaction.on_commit(lambda: seen.append("step's"))

        seen: list[str] = []
        with self.captureOnCommitCallbacks() as hooks:
            transaction.on_commit(lambda: seen.append("test's"))
            run(Quick)
        self.assertEqual(seen, ["step's"])
        self.assertEqual(len(hooks), 1)

    def test_hooks_of_a_step_that_fails_or_waits_never_run(self) -> None:
        seen: list[str] = []

        class Failing(Workflow):
            @step(retry=2)
            def only(self, data: Data) -> None:
                transaction.on_commit(lambda: seen.append("failed"))
                raise ValueError

        class Waiting(Workflow):
            @step
            def only(self, data: Data) -> None:
                transaction.on_commit(lambda: seen.append(f"attempt {len(visits)}"))
                visits.append(1)
                self.wait_for_event("go")

        visits: list[int] = []
        with time_travel():
            run(Failing)
            advance(hours=1)
        execution = run(Waiting)
        self.assertEqual(seen, [])
        durable.send_event(execution.id, "go")
        drain()
        self.assertEqual(len(seen), 1)

    def test_a_hook_may_start_another_execution(self) -> None:
        class Second(Workflow):
            @step
            def only(self, data: Data) -> None: ...

        class First(Workflow):
            @step
            def only(self, data: Data) -> None:
                transaction.on_commit(lambda: durable.start("second") and None)

        run(First)
        self.assertEqual(durable.list_executions(workflow="second", status="completed").count(), 1)


class KilledTests(ThreadedTestCase):
    """A process may be killed while it drains: its claims have a lease like those of a worker."""

    def setUp(self) -> None:
        super().setUp()
        seen = self.seen = list[Any]()

        class Plain(Workflow):
            @step(atomic=False)
            def only(self, data: Data) -> None:
                seen.append((Worker.objects.live().count(), workers.free_strays()))

        self.execution = durable.start(Plain)

    def test_what_it_held_is_due_again_when_the_lease_has_run_out(self) -> None:
        class Killed(BaseException):
            pass

        def die(point: str) -> None:
            if point == "claim.after_commit":
                raise Killed

        with (
            mock.patch("durable.engine.duties.inline._Presence.end"),  # it never came to that
            mock.patch.object(failpoints, "armed", die),
            self.assertRaises(Killed),
        ):
            drain()
        self.execution.refresh_from_db()
        self.assertEqual(self.execution.status, "running")
        drain()
        self.execution.refresh_from_db()
        self.assertEqual(self.execution.status, "running")  # it may still be alive
        Worker.objects.update(expires_at=clock.now())
        drain()
        assert_completed(self.execution)
        self.assertEqual(len(self.seen), 1)

    def test_meanwhile_it_counts_as_a_worker_and_afterwards_nothing_is_left(self) -> None:
        drain()
        assert_completed(self.execution)
        self.assertEqual(self.seen, [(1, 0)])
        self.assertFalse(Worker.objects.exists())


class WorkerTests(ThreadedTestCase):
    def test_worker_is_a_real_worker_in_threads(self) -> None:
        names = []

        class Hooked(Workflow):
            @step
            def only(self, data: Data) -> Data:
                names.append(threading.current_thread().name)
                Note.objects.create(text="written")
                transaction.on_commit(lambda: names.append("hook"))
                return {"done": True}

        with worker(concurrency=2):
            execution = durable.start(Hooked)
            result = durable.wait_for_result(execution.id, timeout=minutes(1))
        self.assertEqual(result, {"done": True})
        self.assertNotEqual(names[0], threading.current_thread().name)
        self.assertEqual(names[1:], ["hook"])
        self.assertEqual(Note.objects.count(), 1)
        self.assertFalse([t for t in threading.enumerate() if t.name == "durable-worker"])

    def test_a_hook_that_raises_does_not_hold_up_the_execution(self) -> None:
        class Hooked(Workflow):
            @step
            def first(self, data: Data) -> None:
                Note.objects.create(text="written")
                transaction.on_commit(lambda: 1 / 0)

            @step
            def second(self, data: Data) -> Data:
                return {"done": True}

        with worker():
            execution = durable.start(Hooked)
            result = durable.wait_for_result(execution.id, timeout=minutes(1) / 6)
        self.assertEqual(result, {"done": True})


class WorkerRefusalTests(WorkflowTestCase):
    def test_worker_says_that_it_needs_a_transaction_test_case(self) -> None:
        with self.assertRaisesRegex(durable.DurableError, "TransactionTestCase"), worker():
            pass


@pytest.mark.only_on("sqlite")
class WorkerInMemoryTests(TransactionTestCase):
    def test_a_worker_says_that_a_database_in_memory_is_not_for_several_threads(self) -> None:
        name = "file:memorydb_default?mode=memory&cache=shared"  # as Django's runner calls it
        self.enterContext(mock.patch.dict(connection.settings_dict, NAME=name))
        for command in ("durable_worker", "durable_tick"):
            with self.assertRaisesRegex(durable.DurableError, "TEST.*NAME"):
                call_command(command, verbosity=0)
        with self.assertRaisesRegex(durable.DurableError, "TEST.*NAME"), worker():
            pass
