"""A worker that dies loses nothing; a step that kills its workers is stopped."""

from __future__ import annotations

from typing import Any

import durable
from durable import Retry, Workflow, WorkflowMeta, clock, minutes, seconds, step
from durable.engine import deliver
from durable.engine.duties import workers
from durable.engine.duties.inline import InlineSession
from durable.engine.run import runner
from durable.models import Execution, Worker
from durable.testing import advance, assert_completed, assert_step, drain, run, time_travel
from tests.cases import ThreadedTestCase, WorkflowTestCase
from tests.life.cases import a_worker, bury, claim_as, die_at, die_in_the_next_step
from tests.shop.models import Note


class RecoveryTests(WorkflowTestCase):
    def workflow(self, bound: int | None = None, **options: Any) -> type[Workflow]:
        class P(Workflow):
            class Meta(WorkflowMeta):
                if bound is not None:
                    max_recoveries = bound

            @step(**options)
            def one(self, data):
                return {"attempt": self.attempt}

            @step
            def two(self, data):
                return {**data, "two": True}

        return P

    def test_what_a_dead_worker_held_is_due_again_and_counted(self) -> None:
        execution = durable.start(self.workflow())
        claim = die_in_the_next_step()
        execution.refresh_from_db()
        self.assertEqual((execution.status, execution.worker), ("pending", None))
        self.assertEqual((execution.recoveries, execution.attempt), (1, 1))
        self.assertGreater(execution.fence, claim.fence)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"attempt": 1, "two": True})

    def test_after_max_recoveries_it_counts_as_a_failed_attempt(self) -> None:
        execution = durable.start(self.workflow(2))
        for _ in range(3):
            die_in_the_next_step()
        drain()
        error = self.assertFailed(execution, "StepCrashed", "max_recoveries is 2")
        self.assertIn("one", error["message"])
        assert_step(execution, "one", status="failed", attempts=1)

    def test_as_many_as_allowed_are_recovered(self) -> None:
        for bound in (0, 1, 3):
            execution = durable.start(self.workflow(bound))
            for _ in range(bound):
                die_in_the_next_step()
            drain()
            assert_completed(execution)

    def test_five_is_the_default(self) -> None:
        for deaths, status in [(5, "completed"), (6, "failed")]:
            execution = durable.start(self.workflow())
            for _ in range(deaths):
                die_in_the_next_step()
            drain()
            execution.refresh_from_db()
            self.assertEqual(execution.status, status)

    def test_none_are_allowed_if_it_says_zero(self) -> None:
        execution = durable.start(self.workflow(0))
        die_in_the_next_step()
        drain()
        self.assertFailed(execution, "StepCrashed")

    def test_the_failed_attempt_is_retried_like_any_other(self) -> None:
        execution = durable.start(self.workflow(0, retry=Retry(2, base=seconds(0), on=KeyError)))
        die_in_the_next_step()
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result["attempt"], 2)
        types = [row.error and row.error["type"] for row in execution.steps.filter(path="one")]
        self.assertEqual(types, ["StepCrashed", None])

    def test_each_step_is_counted_by_itself(self) -> None:
        execution = durable.start(self.workflow(1))
        die_in_the_next_step()
        die_at("checkpoint.after_commit")
        execution.refresh_from_db()
        self.assertEqual((execution.path, execution.recoveries), ("two", 1))
        drain()
        assert_completed(execution)

    def test_an_operators_retry_starts_the_count_anew(self) -> None:
        execution = durable.start(self.workflow(0))
        die_in_the_next_step()
        drain()
        durable.retry(execution.id)
        drain()
        assert_completed(execution)

    def test_only_a_worker_whose_lease_has_run_out_is_buried(self) -> None:
        with time_travel():
            execution = durable.start(self.workflow())
            worker = a_worker()
            claim_as(worker)
            advance(work=False, seconds=59)
            self.assertEqual(workers.bury(worker), 0)
            drain()
            execution.refresh_from_db()
            self.assertEqual(execution.status, "running")
            workers.renew(worker, minutes(1), running=1, listening=False)
            advance(seconds=59)
            execution.refresh_from_db()
            self.assertEqual(execution.status, "running")
            advance(seconds=1)
            drain()
            assert_completed(execution)

    def test_a_worker_that_was_declared_dead_cant_renew_its_lease(self) -> None:
        worker = a_worker()
        bury(worker)
        self.assertFalse(workers.renew(worker, minutes(1), running=0, listening=False))
        self.assertIsNotNone(Worker.objects.get(pk=worker).stopped_at)

    def test_a_worker_that_leaves_in_order_is_no_recovery(self) -> None:
        execution = durable.start(self.workflow(0))
        worker = a_worker()
        claim_as(worker)
        workers.sign_off(worker)
        drain()
        assert_completed(execution)
        self.assertEqual(Execution.objects.get().recoveries, 0)

    def test_a_crash_while_parked_changes_nothing(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {"got": self.wait_for_event("go")}

        execution = run(P)
        bury(a_worker())
        durable.send_event(execution.id, "go", 1)
        deliver.deliver_due()
        die_at("body.before")
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": 1})
        self.assertIsNone(clock.frozen_at())

    def test_nothing_is_left_of_a_worker_that_is_forgotten_whether_it_holds_something_or_not(
        self,
    ) -> None:
        class Quick(Workflow):
            @step
            def one(self, data: object) -> None: ...

        execution = durable.start(Quick)
        for holds in (False, True):
            with self.subTest(holds=holds):
                worker = a_worker()
                if holds:
                    claim_as(worker)
                self.assertEqual(workers.forget(worker), int(holds))
                self.assertFalse(Worker.objects.filter(pk=worker).exists())
        drain()
        assert_completed(execution)


class FenceTests(ThreadedTestCase):
    def test_nothing_that_the_dead_worker_still_writes_is_accepted(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                Note.objects.create(text="x")

        execution = durable.start(P)
        stale = die_in_the_next_step()
        runner.run(stale, InlineSession())
        self.assertFalse(Note.objects.exists())
        execution.refresh_from_db()
        self.assertEqual((execution.status, execution.steps.count()), ("pending", 0))
        drain()
        assert_completed(execution)
        self.assertEqual(Note.objects.count(), 1)

    def test_nor_what_it_writes_about_a_failure_or_a_wait(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                if data["n"] == 1:
                    raise ValueError
                self.wait_for_event("go")

        for n in (1, 2):
            execution = durable.start(P, {"n": n})
            stale = die_in_the_next_step()
            runner.run(stale, InlineSession())
            execution.refresh_from_db()
            self.assertEqual(execution.status, "pending")
            self.assertFalse(execution.waits.exists() or execution.steps.exists())
            durable.cancel(execution.id)

    def test_nor_is_it_while_another_worker_holds_the_execution(self) -> None:
        class P(Workflow):
            @step(retry=5)
            def one(self, data):
                Note.objects.create(text="x")
                if data["n"] == 1:
                    raise ValueError
                if data["n"] == 2:
                    self.wait_for_event("go")
                if data["n"] == 3:
                    Execution.objects.filter(pk=self.id).update(pause_requested=True)

        for n in range(4):
            with self.subTest(n=n):
                execution = durable.start(P, {"n": n})
                stale = die_in_the_next_step()
                fresh = claim_as(a_worker("fresh"))
                before = Execution.objects.filter(pk=execution.pk).values().get()
                runner.run(stale, InlineSession())
                self.assertEqual(Execution.objects.filter(pk=execution.pk).values().get(), before)
                self.assertFalse(execution.waits.exists() or execution.steps.exists())
                self.assertFalse(Note.objects.exists())
                runner.run(fresh, InlineSession())
                self.assertEqual(execution.steps.count(), 1)
                Note.objects.all().delete()
                execution.refresh_from_db()
                if not execution.is_finished:
                    durable.cancel(execution.id)
