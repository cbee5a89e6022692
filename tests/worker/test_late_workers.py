"""Who may still write, and who has the last word.

Defects 6 and 15 of the original.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.test import TransactionTestCase

import durable
from durable import Data, Retry, Workflow, clock, minutes, step
from durable.engine.duties import workers
from durable.engine.ends import release
from durable.engine.row.held import Claim
from durable.errors import ClaimLost, DurableError, InvalidTransition
from durable.models import Execution, Record, StepRun, Wait
from durable.testing import assert_completed
from tests.shop.models import Effect
from tests.stage import (
    LEASE,
    Hand,
    at_noon,
    bury_the_dead,
    drain,
    fresh,
    history,
)


class CancelTests(TransactionTestCase):
    """6: ``completed`` overwrote a cancellation; status is guarded, and waits close with it."""

    def cancelled_in(self, at: str, ran: list[str]) -> Execution:
        class Steps(Workflow):
            @step(atomic=False)
            def first(self, data: Data) -> Data:
                return visit(self, "first")

            @step(atomic=False)
            def last(self, data: Data) -> Data:
                return visit(self, "last")

        def visit(self: Workflow, name: str) -> Data:
            ran.append(name)
            if name == at:
                durable.cancel(self.id, "changed my mind")
            return {name: True}

        execution = durable.start(Steps)
        drain()
        return fresh(execution)

    def test_a_cancellation_during_the_last_step_is_not_overwritten_by_completed(self) -> None:
        ran: list[str] = []
        execution = self.cancelled_in("last", ran)
        self.assertEqual(execution.status, "cancelled")
        self.assertEqual(ran, ["first", "last"])
        # the step did its work: its checkpoint is accepted
        self.assertEqual(history(execution)[-1], ("last", 1, "completed"))
        self.assertIsNone(execution.worker)

    def test_no_further_step_starts_after_a_cancellation(self) -> None:
        ran: list[str] = []
        execution = self.cancelled_in("first", ran)
        self.assertEqual((execution.status, ran), ("cancelled", ["first"]))
        self.assertEqual(history(execution), [("first", 1, "completed")])

    def test_a_step_that_is_cancelled_and_then_waits_ends_without_an_open_wait(self) -> None:
        class Asks(Workflow):
            @step(atomic=False)
            def ask(self, data: Data) -> None:
                durable.cancel(self.id)
                self.wait_for_event("go")

        execution = durable.start(Asks)
        drain()
        self.assertEqual(fresh(execution).status, "cancelled")
        self.assertFalse(Wait.objects.open().exists())
        self.assertEqual([run.status for run in StepRun.objects.all()], ["cancelled"])

    def test_a_failing_step_that_was_cancelled_is_neither_retried_nor_failed(self) -> None:
        class Fails(Workflow):
            @step(atomic=False, retry=Retry(max_attempts=3, base=minutes(1)))
            def fail(self, data: Data) -> None:
                durable.cancel(self.id)
                raise ValueError

        execution = durable.start(Fails)
        drain()
        self.assertEqual(fresh(execution).status, "cancelled")
        self.assertEqual(history(execution), [("fail", 1, "failed")])

    def test_what_was_blocked_and_is_cancelled_has_nothing_of_the_block_left(self) -> None:
        class Orphan(Workflow):
            @step
            def one(self, data: Data) -> None: ...

        execution = durable.start(Orphan)
        workers.block_orphans([])
        self.assertEqual(fresh(execution).blocked_by, "worker")
        durable.cancel(execution.id)
        row = fresh(execution)
        self.assertEqual((row.status, row.error, row.blocked_by), ("cancelled", None, ""))

    def test_what_is_completed_can_not_be_cancelled(self) -> None:
        execution = self.cancelled_in("never", [])
        with self.assertRaises(InvalidTransition):
            durable.cancel(execution.id)
        self.assertEqual(fresh(execution).status, "completed")


class FenceTests(TransactionTestCase):
    """15: only heartbeats were fenced; here every write of a worker carries the fence."""

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(at_noon())

    def superseded(
        self, body: Callable[[Any, Data], Data | None], *, atomic: bool, retry: int = 1
    ) -> tuple[Execution, Hand, Claim]:
        """An execution whose claim was lost to another worker, which holds it now."""

        class Contested(Workflow):
            @step(atomic=atomic, retry=retry)
            def contested(self, data: Data) -> Data | None:
                return body(self, data)

        execution = durable.start(Contested)
        late = Hand("late")
        claim = late.must_claim()
        clock.set_frozen((clock.frozen_at() or clock.local_now()) + 2 * LEASE)
        self.assertGreaterEqual(bury_the_dead(), 1)
        self.holder = Hand("holder")
        self.held = self.holder.must_claim()
        self.assertGreater(self.held.fence, claim.fence)
        return execution, late, claim

    def assert_no_trace(self, execution: Execution) -> None:
        """The row is the holder's, at the start of the step, and nothing else was written."""
        row = fresh(execution)
        self.assertEqual((row.status, row.worker), ("running", self.holder.worker))
        self.assertEqual((row.path, row.attempt, row.data), ("contested", 1, {}))
        for model in (StepRun, Wait, Record, Effect):
            self.assertFalse(model._default_manager.exists(), model)

    def test_a_late_checkpoint_is_refused(self) -> None:
        for atomic in (True, False):
            with self.subTest(atomic=atomic):
                execution, late, claim = self.superseded(lambda s, d: {"by": "late"}, atomic=atomic)
                late.run(claim)
                self.assert_no_trace(execution)
                Execution.objects.all().delete()

    def test_late_writes_of_an_atomic_step_are_rolled_back_and_happen_once(self) -> None:
        def write(self: Any, data: Data) -> Data:
            Effect.objects.create(key=str(self.id))
            return {"written": True}

        execution, late, claim = self.superseded(write, atomic=True)
        late.run(claim)
        self.assert_no_trace(execution)
        self.holder.run(self.held)
        assert_completed(execution)
        self.assertEqual(Effect.objects.count(), 1)

    def test_a_late_wait_is_refused(self) -> None:
        execution, late, claim = self.superseded(lambda s, d: s.wait_for_event("go"), atomic=False)
        late.run(claim)
        self.assert_no_trace(execution)

    def test_a_late_failure_is_refused_whether_or_not_it_would_be_retried(self) -> None:
        def fail(self: Any, data: Data) -> None:
            raise ValueError

        for retry in (1, 2):
            with self.subTest(attempts=retry):
                execution, late, claim = self.superseded(fail, atomic=False, retry=retry)
                late.run(claim)
                self.assert_no_trace(execution)
                Execution.objects.all().delete()

    def test_a_late_remembered_result_is_refused(self) -> None:
        execution, late, claim = self.superseded(
            lambda s, d: {"n": s.run(lambda: 1, name="once")}, atomic=False
        )
        late.run(claim)
        self.assert_no_trace(execution)

    def test_a_late_progress_or_tag_is_refused(self) -> None:
        def tell(self: Any, data: Data) -> None:
            self.heartbeat(progress=1)
            self.set_tags(late=True)

        execution, late, claim = self.superseded(tell, atomic=False)
        late.run(claim)
        self.assert_no_trace(execution)
        self.assertEqual((fresh(execution).progress, fresh(execution).tags), (None, {}))

    def test_a_late_release_or_block_is_refused(self) -> None:
        execution, _, claim = self.superseded(lambda s, d: None, atomic=True)
        with self.assertRaises(ClaimLost):
            release.give_back(claim)
        with self.assertRaises(ClaimLost):
            release.block(claim, DurableError("no such step"))
        with self.assertRaises(ClaimLost):
            release.park(claim)
        self.assert_no_trace(execution)

    def test_a_buried_worker_can_write_nothing_even_before_another_claims(self) -> None:
        execution, late, claim = self.superseded(lambda s, d: {"by": "late"}, atomic=True)
        release.give_back(self.held)
        late.run(claim)
        self.assertEqual((fresh(execution).status, fresh(execution).data), ("pending", {}))

    def test_fences_only_grow(self) -> None:
        execution, _, claim = self.superseded(lambda s, d: None, atomic=True)
        fences = [claim.fence, self.held.fence]
        self.holder.run(self.held)
        fences.append(fresh(execution).fence)
        self.assertEqual(fences, sorted(fences))
        self.assertLess(fences[0], fences[1])
