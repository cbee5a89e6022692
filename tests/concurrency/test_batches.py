"""Many checkpoints in one commit: some in, some lost, one locked; each told apart."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

import durable
from durable import Data, Workflow, chain, foreach, step
from durable.engine.duties import inline
from durable.engine.duties.inline import InlineSession
from durable.engine.ends import checkpoint as checkpoints
from durable.engine.ends.release import give_back
from durable.engine.parts import batch
from durable.engine.run.claim import claim_due
from durable.engine.run.runner import run as run_claim
from durable.models import Execution, StepRun
from durable.models.fields import uuid7
from durable.testing import assert_completed, drain, run
from durable.worker.committer import Committer
from tests.cases import (
    PATIENCE,
    ThreadedTestCase,
    WorkflowTestCase,
    elsewhere,
    impatient,
    open_transaction,
    until,
)
from tests.concurrency.test_fence import checkpoint, claim_one


class BatchTests(ThreadedTestCase):
    def setUp(self) -> None:
        super().setUp()

        class Two(Workflow):
            @step
            def first(self, data: Data) -> Data:
                return {"by": "first"}

            @step
            def second(self, data: Data) -> Data:
                return {**data, "second": True}

        self.started = durable.start_many(Two, [{"n": n} for n in range(6)])
        self.claims = claim_due(uuid7(), "default", ["two@1"], 6)

    def write(self, **options: Any) -> set[Any]:
        batch = [
            checkpoint(claim, path="" if number % 2 else "second", data=f'{{"n": {number}}}')
            for number, claim in enumerate(self.claims)
        ]
        return set(checkpoints.write(batch, **options))

    def ids(self, *numbers: int) -> set[Any]:
        return {self.claims[number].execution_id for number in numbers}

    def test_all_are_in_each_with_its_own_result_and_position(self) -> None:
        self.assertEqual(self.write(), self.ids(0, 1, 2, 3, 4, 5))
        for number, claim in enumerate(self.claims):
            row = Execution.objects.get(pk=claim.execution_id)
            self.assertEqual(row.data, {"n": number})
            self.assertEqual(
                (row.status, row.path), ("completed", "") if number % 2 else ("running", "second")
            )
            self.assertEqual(row.steps.get().status, "completed")

    def test_the_lost_are_not_returned_and_have_no_trace(self) -> None:
        give_back(self.claims[1])
        give_back(self.claims[4])
        claim_one()
        self.assertEqual(self.write(), self.ids(0, 2, 3, 5))
        self.assertEqual(StepRun.objects.count(), 4)
        for number in (1, 4):
            row = Execution.objects.get(pk=self.claims[number].execution_id)
            self.assertEqual((row.path, row.progress), ("first", None))
            self.assertNotEqual(row.status, "completed")

    @pytest.mark.only_on("postgresql")
    def test_one_that_is_locked_elsewhere_does_not_hold_up_the_others(self) -> None:
        give_back(self.claims[5])
        with elsewhere() as other, open_transaction(other):
            other(lambda: durable.pause(self.claims[2].execution_id))
            with impatient():
                self.assertEqual(self.write(skip_locked=True), self.ids(0, 1, 3, 4))
        self.assertEqual(set(checkpoints.write([checkpoint(self.claims[2])])), self.ids(2))

    @pytest.mark.only_on("postgresql")
    def test_nor_does_one_that_has_to_tell_its_root_which_is_locked_elsewhere(self) -> None:
        root = self.claims[2].execution_id
        part = replace(checkpoint(self.claims[0]), root_id=root)
        batch = [part, checkpoint(self.claims[1]), checkpoint(self.claims[3])]
        with elsewhere() as other, open_transaction(other):
            other(lambda: durable.pause(root))
            with impatient():
                self.assertEqual(set(checkpoints.write(batch, skip_locked=True)), self.ids(1, 3))
        self.assertEqual(set(checkpoints.write([part])), self.ids(0))

    def test_one_that_can_t_be_written_leaves_the_whole_batch_unwritten(self) -> None:
        bad = checkpoint(self.claims[0])
        broken = [bad.__class__(**{**bad.__dict__, "extras": (lambda: 1 / 0,)})]
        with self.assertRaises(ZeroDivisionError):
            checkpoints.write([*broken, checkpoint(self.claims[1])])
        self.assertFalse(StepRun.objects.exists())
        self.assertEqual(self.write(), self.ids(0, 1, 2, 3, 4, 5))

    def test_cancelled_ones_among_the_last_are_not_completed(self) -> None:
        durable.cancel(self.claims[1].execution_id)
        durable.pause(self.claims[3].execution_id)
        batch = [checkpoint(self.claims[number], path="") for number in (1, 3, 5)]
        accepted = checkpoints.write(batch)
        self.assertTrue(accepted[self.claims[1].execution_id].cancel_requested)
        self.assertTrue(accepted[self.claims[3].execution_id].pause_requested)
        status = {
            number: Execution.objects.get(pk=self.claims[number].execution_id).status
            for number in (1, 3, 5)
        }
        self.assertEqual(status, {1: "running", 3: "completed", 5: "completed"})

    def test_a_cancelled_one_ends_cancelled_with_its_checkpoint_kept(self) -> None:
        durable.cancel(self.claims[0].execution_id)
        run_claim(self.claims[0], InlineSession())
        row = Execution.objects.get(pk=self.claims[0].execution_id)
        self.assertEqual(row.status, "cancelled")
        drain()
        self.assertEqual(Execution.objects.get(pk=row.pk).status, "cancelled")

    def test_the_number_of_statements_does_not_depend_on_the_size(self) -> None:
        with CaptureQueriesContext(connection) as few, transaction.atomic():
            checkpoints.write([checkpoint_without_extras(self.claims[0])])
        with CaptureQueriesContext(connection) as many, transaction.atomic():
            checkpoints.write([checkpoint_without_extras(claim) for claim in self.claims[1:]])
        self.assertEqual(len(few), len(many))

    def test_large_checkpoints_share_no_commit(self) -> None:
        """Sixty-four of the largest would take gigabytes on their way to the database."""
        written: list[int] = []
        write = checkpoints.write

        def note(batch: Any, **options: Any) -> Any:
            written.append(len(batch))
            return write(batch, **options)

        committer = Committer()
        with ThreadPoolExecutor(6) as slots, mock.patch.object(checkpoints, "write", note):
            with mock.patch.object(checkpoints, "ENOUGH", 100):
                large = f'{{"text": "{"x" * 60}"}}'
                batch = [checkpoint(claim, data=large) for claim in self.claims]
                replies = [slots.submit(committer.commit, one) for one in batch]
                until(lambda: committer._queue.qsize() == 6)
                committer.start()
                accepted = [reply.result(PATIENCE) for reply in replies]
            committer.stop()
        self.assertTrue(all(accepted))
        self.assertEqual(written, [2, 2, 2])


class KeptItemsTests(WorkflowTestCase):
    def test_large_results_of_a_batch_are_not_kept_until_its_end(self) -> None:
        written: list[int] = []
        write = checkpoints.write

        def note(batch: Any, **options: Any) -> Any:
            written.append(len(batch))
            return write(batch, **options)

        class Render(Workflow):
            @step
            def draw(self, data: Data, item: int, index: int) -> str:
                return "x" * 60

            flow = chain(foreach("items", draw, concurrency=4, batch_size=12, collect_as="pages"))

        with (
            mock.patch.object(checkpoints, "write", note),
            mock.patch.object(checkpoints, "ENOUGH", 300),
        ):
            execution = run(Render, {"items": list(range(12))})
        assert_completed(execution)
        self.assertEqual(execution.data["pages"], ["x" * 60] * 12)
        self.assertLessEqual(max(written), 3)

    def test_a_batch_gives_its_slot_back_before_others_have_waited_long(self) -> None:
        """What it has not begun waits for its turn again, in this slot or in another."""
        order: list[str] = []
        now = [0.0]

        class Slow(Workflow):
            @step
            def draw(self, data: Data, item: int, index: int) -> Data:
                order.append(f"item {item}")
                now[0] += 0.9
                return data

            flow = chain(foreach("items", draw, concurrency=2, batch_size=50))

        class Other(Workflow):
            @step
            def greet(self, data: Data) -> Data:
                order.append("other")
                return data

        durable.start(Slow, {"items": list(range(12))})
        inline.work(1)  # the block is open
        durable.start(Other, {})
        with mock.patch.object(batch.time, "monotonic", side_effect=lambda: now[0]):
            drain()
        self.assertLess(order.index("other"), 7, order)
        self.assertEqual(sorted(order), sorted([*(f"item {n}" for n in range(12)), "other"]))
        self.assertEqual(set(Execution.objects.values_list("status", flat=True)), {"completed"})


def checkpoint_without_extras(claim: Any) -> Any:
    full = checkpoint(claim)
    return full.__class__(**{**full.__dict__, "extras": ()})
