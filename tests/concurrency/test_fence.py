"""A worker that lost its claim can change nothing: every kind of write is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import durable
from durable import Data, Workflow, step
from durable.authoring.parse import registry
from durable.authoring.self.context import WaitSpec
from durable.engine.body import progress
from durable.engine.duties.inline import InlineSession
from durable.engine.duties.workers import bury, free, register, sign_off
from durable.engine.ends import checkpoint as checkpoints
from durable.engine.ends import direct
from durable.engine.ends.checkpoint import Attempt, Checkpoint
from durable.engine.ends.release import block, give_back, put_to_sleep
from durable.engine.row.held import Claim
from durable.engine.row.journal import Journal
from durable.engine.row.position import Position
from durable.engine.run.claim import claim_due
from durable.engine.run.runner import run as run_claim
from durable.engine.run.step_context import Request, StepContext
from durable.engine.run.suspend import park, park_alone
from durable.engine.run.work import Forward
from durable.engine.undo import fail
from durable.errors import ClaimLost, DurableError
from durable.models import AuditEntry, Execution, Record, StepRun, Wait, Worker
from durable.models.fields import uuid7
from durable.states import StepStatus
from durable.testing import drain
from tests.cases import ThreadedTestCase

KIND = "two@1"


def define() -> type[Workflow]:
    class Two(Workflow):
        @step(atomic=False)
        def first(self, data: Data) -> Data:
            return {"by": "first"}

        @step
        def second(self, data: Data) -> Data:
            return {**data, "second": True}

    return Two


def claim_one() -> Claim:
    (claim,) = claim_due(uuid7(), "default", [KIND], 1)
    return claim


def attempt(claim: Claim, status: StepStatus = StepStatus.COMPLETED) -> Attempt:
    return Attempt(
        execution_id=claim.execution_id, path=claim.at.path, visit=claim.at.visit,
        attempt=claim.at.attempt, status=status, started_at=claim.now(), ended_at=claim.now(),
        worker=claim.worker, input="{}", output='{"late": 1}',
    )  # fmt: skip


def checkpoint(claim: Claim, path: str = "second", data: str = '{"late": 1}') -> Checkpoint:
    return Checkpoint(
        claim.execution_id, claim.fence, data, claim.at, Position(path), claim.now(),
        attempt(claim),
        extras=(lambda: Execution.objects.filter(pk=claim.execution_id).update(progress="late"),),
    )  # fmt: skip


class FenceTests(ThreadedTestCase):
    def setUp(self) -> None:
        super().setUp()
        define()
        self.execution = durable.start("two")
        self.stale = claim_one()
        give_back(self.stale)
        self.fresh = claim_one()
        self.extra = lambda: Execution.objects.filter(pk=self.stale.execution_id).update(
            progress="late"
        )

    def snapshot(self) -> list[Any]:
        tables = (Execution, StepRun, Wait, Record, AuditEntry)
        return [list(table.objects.order_by("pk").values()) for table in tables]

    def context(self) -> StepContext:
        journal = Journal(self.stale.at.path)
        definition = registry.latest("two").definition
        work = Forward(self.stale, definition, definition.tree.find("first").step)
        return StepContext(work, InlineSession(), journal)

    def failure(self, delay: timedelta | None) -> Any:
        error = fail.describe(self.stale, ValueError("late"))
        record = attempt(self.stale, StepStatus.FAILED)
        return fail.fail_attempt(self.stale, record, error, delay, [self.extra])

    def writes(self) -> dict[str, Callable[[], Any]]:
        event = Request(WaitSpec("event", "go", names=("go",)), ("event", "go", 0))
        return {
            "checkpoint": lambda: checkpoints.write([checkpoint(self.stale)]),
            "last checkpoint": lambda: checkpoints.write([checkpoint(self.stale, path="")]),
            "checkpoint of its own": lambda: direct.commit(checkpoint(self.stale)),
            "park": lambda: park(
                self.stale, event, Journal("first"), attempt(self.stale), (), InlineSession()
            ),
            "park alone": lambda: park_alone(
                self.stale, event, Journal("first"), attempt(self.stale), [self.extra]
            ),
            "failure": lambda: self.failure(None),
            "failure with retry": lambda: self.failure(timedelta(seconds=1)),
            "run()": lambda: self.context().run(lambda: 7, (), "f"),
            "let go": lambda: put_to_sleep(self.stale, self.stale.now()),
            "give back": lambda: give_back(self.stale),
            "block": lambda: block(self.stale, DurableError("late")),
            "progress": lambda: progress.show(
                {
                    self.stale.execution_id: progress.StepProgress(
                        self.stale.root_id, self.stale.fence, "late", False
                    )
                }
            ),
            "a whole run": lambda: run_claim(self.stale, InlineSession()),
            "free": lambda: free(self.stale.worker, {(self.stale.execution_id, self.stale.fence)}),
            "stop": lambda: sign_off(self.stale.worker),
        }

    def test_every_write_under_an_old_fence_is_refused_and_leaves_no_trace(self) -> None:
        for name, write in self.writes().items():
            with self.subTest(name):
                before = self.snapshot()
                try:
                    told = write()
                except ClaimLost:
                    told = None
                self.assertFalse(told and name not in ("progress",), told)
                self.assertEqual(self.snapshot(), before)
        run_claim(self.fresh, InlineSession())
        self.execution.refresh_from_db()
        self.assertEqual(self.execution.result, {"by": "first", "second": True})
        self.assertEqual(self.execution.fence, 2)

    def test_the_same_fence_at_another_position_is_refused_too(self) -> None:
        accepted = checkpoints.write([checkpoint(self.fresh, data='{"by": "first"}')])
        self.assertEqual(len(accepted), 1)
        self.stale = self.fresh  # as a second thread that still stands at the first step
        writes = self.writes()
        for name in (
            "park",
            "park alone",
            "failure",
            "failure with retry",
            "run()",
            "let go",
            "block",
        ):
            with self.subTest(name):
                before = self.snapshot()
                with self.assertRaises(ClaimLost):
                    writes[name]()
                self.assertEqual(self.snapshot(), before)

    def test_a_checkpoint_is_accepted_once(self) -> None:
        one = checkpoint(self.fresh, data='{"by": "first"}')
        self.assertEqual(len(checkpoints.write([one])), 1)
        before = self.snapshot()
        checkpoints.write([one])
        self.assertEqual(self.snapshot(), before)

    def test_a_checkpoint_of_a_finished_or_cancelled_execution_is_refused(self) -> None:
        run_claim(self.fresh, InlineSession())
        before = self.snapshot()
        self.assertEqual(checkpoints.write([checkpoint(self.fresh)]), {})
        self.assertEqual(self.snapshot(), before)


class DeathTests(ThreadedTestCase):
    def test_a_buried_worker_s_claims_are_due_again_and_its_writes_refused(self) -> None:
        define()
        execution = durable.start("two")
        worker = register("w", ["default"], [KIND], timedelta(seconds=60), listening=False)
        (stale,) = claim_due(worker, "default", [KIND], 1)
        self.assertEqual(bury(worker), 0)  # alive
        Worker.objects.filter(pk=worker).update(expires_at=stale.claimed_at)
        self.assertEqual(bury(worker), 1)
        self.assertEqual(checkpoints.write([checkpoint(stale)]), {})
        execution.refresh_from_db()
        self.assertEqual((execution.status, execution.recoveries), ("pending", 1))
        drain()
        execution.refresh_from_db()
        self.assertEqual(execution.result, {"by": "first", "second": True})
