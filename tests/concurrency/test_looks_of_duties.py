"""One look, one decision, in the duties: deploys, deliveries, schedules, claims."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest import mock

from django.db.models import F

import durable
from durable import Cron, Data, Fail, InvalidTransition, Workflow, WorkflowMeta, step
from durable.engine import deliver
from durable.engine.calendar import deployed, fire, schedules
from durable.engine.duties import workers
from durable.engine.operators.prune import prune
from durable.models import Event, Execution, Schedule, Worker
from durable.testing import run
from tests.cases import ThreadedTestCase
from tests.concurrency.interleave import interleaved, opponent

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class DeclareTests(ThreadedTestCase):
    """Which version declares the schedules of a workflow is decided on one look."""

    def options(self) -> list[Any]:
        """The new code in the thread of the opponent, the old code in this one."""
        old, new = self.versions
        return [old if threading.current_thread() is threading.main_thread() else new]

    def come(self) -> None:
        """A worker with the new code comes up: it signs on, then declares."""
        workers.sign_on("new", [], ["flow@2"], timedelta(minutes=5), listening=False)
        deployed.register_declared()

    def test_an_old_process_that_starts_beside_a_new_one_changes_nothing_of_it(self) -> None:
        cron = partial(Cron, timezone="UTC")
        kept, gone, fresh = "kept", "gone", "fresh"
        old = [cron("0 9 * * *", name=kept), cron("0 9 * * *", name=gone)]
        new = [cron("0 10 * * *", name=kept), cron("0 10 * * *", name=fresh)]
        self.versions = (
            SimpleNamespace(name="flow", version=1, schedules=old),
            SimpleNamespace(name="flow", version=2, schedules=new),
        )
        patches = [
            mock.patch.object(module, "declared_options", self.options)
            for module in (deployed, schedules)
        ]
        for before in (False, True):  # whether the old schedules are there already
            at, statements = 1, 1
            while at <= statements:
                Schedule.objects.all().delete()
                Worker.objects.all().delete()
                with ExitStack() as stack, self.subTest(before=before, at=at):
                    for patch in patches:
                        stack.enter_context(patch)
                    other = stack.enter_context(opponent())
                    if before:
                        deployed.register_declared()
                    outcome, acted = interleaved(other, deployed.register_declared, self.come, at)
                    statements = outcome.statements
                    self.assertEqual((outcome.error, acted), (None, None))
                    found = dict(Schedule.objects.values_list("name", "cron"))
                    self.assertEqual(found, {kept: "0 10 * * *", fresh: "0 10 * * *"})
                at += 1


def remove(execution: Execution) -> None:
    """It ends, and retention removes it at once."""
    durable.cancel(execution.pk)
    prune(timedelta(0))


class RemovedMeanwhileTests(ThreadedTestCase):
    """What ends and is removed while a duty refers to it is left out of that."""

    def each_statement(self, prepare: Any, call: Any) -> None:
        """Let what ``prepare`` returns be removed before each statement of ``call``."""
        for at in range(1, 16):
            execution = prepare()
            with self.subTest(at=at), opponent() as other:
                outcome, acted = interleaved(other, call, lambda e=execution: remove(e), at)
                self.assertEqual((outcome.error, acted), (None, None))

    def test_a_taker_of_a_published_event(self) -> None:
        class Hear(Workflow):
            class Meta(WorkflowMeta):
                key = "order"

            @step
            def hear(self, data: Data) -> Data:
                return {"heard": self.wait_for_event("go", key=data["order"])}

        def prepare() -> Execution:
            Event.objects.all().delete()
            execution = run(Hear, {"order": "o"})
            durable.publish_event("go", 1, key="o")
            return execution

        self.each_statement(prepare, lambda: deliver.sort_mailbox("o"))
        self.assertFalse(Event.objects.pending().filter(execution__isnull=True).exists())

    def test_the_execution_that_a_slot_waits_for(self) -> None:
        class Ask(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                return {"answer": self.wait_for_text("q")}

        def prepare() -> Execution:
            Schedule.objects.all().delete()
            durable.schedule(Ask, "0 9 * * *", name="daily", overlap="queue")
            execution = durable.trigger_schedule("daily")
            Schedule.objects.update(next_run_at=F("created_at"))
            return execution

        self.each_statement(prepare, fire.fire_due)
        self.assertFalse(Schedule.objects.due().exists())

    def test_the_execution_that_the_head_of_a_queue_waits_for(self) -> None:
        class Ask(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                return {"answer": self.wait_for_text("q")}

        def prepare() -> Execution:
            Schedule.objects.all().delete()
            durable.schedule(Ask, "0 9 * * *", name="daily", overlap="queue")
            execution = durable.trigger_schedule("daily")
            schedule = Schedule.objects.get()
            schedule.firings.create(slot=NOON, outcome="queued", fired_at=NOON)
            return execution

        self.each_statement(prepare, lambda: fire._start_queued(Schedule.objects.get().pk))


class ParentTests(ThreadedTestCase):
    """Whether a parent goes on is decided while nobody can set it going."""

    def test_a_child_is_not_undone_under_a_parent_that_is_retried(self) -> None:
        class Inner(Workflow):
            @step
            def pay(self, data: Data) -> None:
                pass

            @pay.compensate
            def refund(self, data: Data) -> None:
                raise Fail("declined")

            @step
            def ship(self, data: Data) -> None:
                raise Fail("broken")

        class Outer(Workflow):
            class Meta(WorkflowMeta):
                on_failure = "hold"

            @step
            def call(self, data: Data) -> Data:
                return {"done": self.call_workflow(Inner, {})}

        done = 0
        for at in range(1, 9):
            parent = run(Outer)
            child = Execution.objects.get(parent=parent)
            self.assertEqual((parent.status, child.status), ("failed", "compensation_failed"))
            with self.subTest(at=at), opponent() as other:
                outcome, acted = interleaved(
                    other,
                    lambda pk=child.pk: durable.retry(pk),
                    lambda pk=parent.pk: durable.retry(pk),
                    at,
                )
                self.assertIsNone(acted)
                if outcome.error is None:  # and so the parent had to wait
                    done += 1
                    self.assertTrue(outcome.refused or outcome.statements < at)
                else:
                    self.assertIsInstance(outcome.error, InvalidTransition)
        self.assertGreater(done, 0)
