"""Claiming: every row once, in order, without waiting for anybody, by its index."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction

import durable
from durable import Data, Workflow, hours, minutes, step
from durable.engine.ends.release import give_back
from durable.engine.row.held import Claim
from durable.engine.run.claim import claim_due, promote
from durable.models import Execution, Queue
from durable.models.fields import uuid7
from durable.testing import advance, time_travel
from tests.cases import ThreadedTestCase, elsewhere, impatient, open_transaction, together

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
KIND = "quick@1"


def define() -> type[Workflow]:
    class Quick(Workflow):
        @step
        def only(self, data: Data) -> None: ...

    return Quick


def claim(limit: int = 1, queue: str = "default", worker: UUID | None = None) -> list[Claim]:
    return claim_due(worker or uuid7(), queue, [KIND], limit)


class ClaimTests(ThreadedTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.workflow = define()

    def test_two_claimers_never_get_the_same_row(self) -> None:
        for _ in range(10):
            started = {one.pk for one in durable.start_many(self.workflow, [{}] * 12)}
            first, second = uuid7(), uuid7()
            got = together(
                lambda me=first: claim(8, worker=me), lambda me=second: claim(8, worker=me)
            )
            rest = claim(12)
            taken = [one.execution_id for part in (*got, rest) for one in part]
            self.assertEqual(len(taken), len(set(taken)))
            self.assertEqual(set(taken), started)
            for me, part in ((first, got[0]), (second, got[1])):
                held = Execution.objects.filter(worker=me).values_list("pk", "fence")
                self.assertEqual(dict(held), {one.execution_id: one.fence for one in part})
            Execution.objects.all().delete()

    @pytest.mark.only_on("postgresql")
    def test_a_locked_row_is_skipped_and_nobody_waits_for_it(self) -> None:
        durable.start_many(self.workflow, [{}] * 3)
        with elsewhere() as other, open_transaction(other):
            (over_there,) = other(claim)
            with impatient():
                here = claim(5)
            self.assertEqual(len(here), 2)
            self.assertNotIn(over_there.execution_id, [one.execution_id for one in here])

    @pytest.mark.only_on("postgresql")
    def test_sleepers_are_woken_around_a_locked_one(self) -> None:
        with time_travel(NOON):
            started = [durable.start(self.workflow, delay=hours(1)) for _ in range(3)]
            advance(hours=1, work=False)
            with elsewhere() as other, open_transaction(other):
                other(lambda: durable.pause(started[0].id))
                with impatient():
                    self.assertEqual(promote(), 2)

    def test_a_rolled_back_claim_is_none(self) -> None:
        execution = durable.start(self.workflow)
        with transaction.atomic():
            claim()
            transaction.set_rollback(True)
        execution.refresh_from_db()
        self.assertEqual((execution.status, execution.fence), ("pending", 0))
        self.assertEqual(len(claim()), 1)

    def test_priority_first_then_due_time(self) -> None:
        with time_travel(NOON):
            names = {}
            for name, priority, delay in (
                ("low", -5, 0), ("late", 0, 3), ("early", 0, 1), ("high", 9, 4), ("middle", 0, 2),
            ):  # fmt: skip
                execution = durable.start(self.workflow, priority=priority, delay=minutes(delay))
                names[execution.pk] = name
            advance(minutes=10, work=False)
            promote()
            order = [names[claim()[0].execution_id] for _ in range(5)]
        self.assertEqual(order, ["high", "early", "middle", "late", "low"])

    def test_only_of_its_queue_and_its_kinds(self) -> None:
        durable.start(self.workflow, queue="other")
        self.assertEqual(claim(), [])
        self.assertEqual(claim_due(uuid7(), "other", ["else@1"], 5), [])
        self.assertEqual(len(claim(queue="other")), 1)

    def test_a_paused_queue_gives_nothing_until_it_goes_on(self) -> None:
        durable.start(self.workflow)
        Queue.objects.create(name="default", paused=True)
        self.assertEqual(claim(), [])
        Queue.objects.filter(name="default").update(paused=False)
        self.assertEqual(len(claim()), 1)

    def test_each_claim_raises_the_fence(self) -> None:
        durable.start(self.workflow)
        fences = []
        for _ in range(3):
            (one,) = claim()
            fences.append(one.fence)
            give_back(one)
        self.assertEqual(fences, [1, 2, 3])


@pytest.mark.only_on("postgresql")
class PlanTests(ThreadedTestCase):
    """The claim reads its partial index, whatever else is in the table."""

    def setUp(self) -> None:
        super().setUp()
        workflow = define()
        durable.start_many(workflow, [{}] * 50)
        durable.start_many(workflow, [{}] * 3000, delay=hours(9), priority=5)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE durable_execution SET status = 'cancelled', finished_at = now(), "
                "wake_at = NULL WHERE id IN (SELECT id FROM durable_execution "
                "WHERE wake_at IS NOT NULL LIMIT 1500)"
            )
            cursor.execute("VACUUM ANALYZE durable_execution")

    def plan(self, statement: Any, params: Any = ()) -> str:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", params)
            (found,) = cursor.fetchone()
        return json.dumps(found)

    def test_of_the_claim(self) -> None:
        ready = Execution.objects.ready("default", [KIND])[:10]
        sql, params = ready.query.sql_with_params()
        with transaction.atomic():
            plan = self.plan(f"{sql} FOR NO KEY UPDATE SKIP LOCKED", params)
        self.assertIn("durable_exec_claim", plan)
        self.assertNotIn("Seq Scan", plan)
        read = json.loads(plan)[0]["Plan"]
        self.assertLess(read["Shared Hit Blocks"] + read["Shared Read Blocks"], 40)

    def test_of_the_sleepers(self) -> None:
        sql, params = Execution.objects.sleepers_due()[:10].query.sql_with_params()
        plan = self.plan(sql, params)
        self.assertIn("durable_exec_wake", plan)
        self.assertNotIn("Seq Scan", plan)

    def test_of_what_a_worker_holds(self) -> None:
        sql, params = Execution.objects.filter(worker=uuid7()).query.sql_with_params()
        self.assertIn("durable_exec_held", self.plan(sql, params))
