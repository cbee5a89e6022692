"""A row that can't be claimed keeps no other from being claimed, and is blocked in the end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest import mock

from django.db import OperationalError

import durable
from durable import Data, WaitTimeout, Workflow, WorkflowMeta, clock, hours, step
from durable.authoring.parse import registry
from durable.engine.run import claim as claims
from durable.models import Execution, Worker
from durable.models.fields import Stored, uuid7
from durable.testing import advance, assert_completed, drain, run, time_travel
from tests.cases import ThreadedTestCase, WorkflowTestCase

BROKEN = Stored("{")  # as a disk, or somebody with psql, may leave it


class ClaimCase:
    """Runs whose claims trip, the same in one transaction and where transactions commit."""

    def workflow(self, bound: int = 2) -> type[Workflow]:
        class P(Workflow):
            class Meta(WorkflowMeta):
                max_recoveries = bound

            @step
            def one(self, data: Data) -> Data:
                if data.get("wait"):
                    try:
                        return {"got": self.wait_for_text("q", timeout=hours(1))}
                    except WaitTimeout:
                        return {"got": "late"}
                return {"done": True}

        return P

    def stand(self, execution: Execution) -> tuple[str, int, timedelta | None]:
        """Its status, its recoveries, and how long until it is due."""
        status, recoveries, at = Execution.objects.values_list(
            "status", "recoveries", "wake_at"
        ).get(pk=execution.pk)
        return status, recoveries, None if at is None else at - clock.frozen_at()

    def test_a_row_that_cant_be_read_counts_and_is_blocked_in_the_end(self: Any) -> None:
        bad, *good = [durable.start(self.workflow()) for _ in range(3)]
        Execution.objects.filter(pk=bad.pk).update(frames=BROKEN)
        with time_travel(), self.assertLogs("durable.engine", "WARNING") as logs:
            drain()
            for execution in good:
                assert_completed(execution)
            self.assertEqual(self.stand(bad), ("pending", 1, timedelta(seconds=1)))
            advance(seconds=1)
            self.assertEqual(self.stand(bad), ("pending", 2, timedelta(seconds=2)))
            advance(hours=1)
            self.assertEqual(self.stand(bad), ("blocked", 0, None))
            advance(days=1)
        levels = [record.levelname for record in logs.records]
        self.assertEqual(levels, ["WARNING", "WARNING", "ERROR"])
        row = Execution.objects.values("blocked_by", "error").get(pk=bad.pk)
        self.assertEqual((row["blocked_by"], row["error"]["type"]), ("code", "JSONDecodeError"))
        Execution.objects.filter(pk=bad.pk).update(frames=None)
        durable.retry(bad.pk)
        drain()
        assert_completed(Execution.objects.get(pk=bad.pk))

    def test_a_wait_that_cant_have_its_outcome_counts_too(self: Any) -> None:
        with time_travel():
            bad = run(self.workflow(1), {"wait": True})
            Execution.objects.filter(pk=bad.pk).update(frames=BROKEN)
            with self.assertLogs("durable.engine", "WARNING"):
                advance(hours=1)
                self.assertEqual(self.stand(bad), ("waiting", 1, timedelta(seconds=1)))
                good = run(self.workflow(1), {})
                assert_completed(good)
                advance(seconds=1)
            self.assertEqual(self.stand(bad), ("blocked", 0, None))
            Execution.objects.filter(pk=bad.pk).update(frames=None)
            durable.retry(bad.pk)
            advance(hours=2)
        bad.refresh_from_db()
        self.assertEqual((bad.status, bad.result), ("completed", {"got": "late"}))

    def test_one_claim_takes_all_but_the_row_that_trips(self: Any) -> None:
        rows = [durable.start(self.workflow(0)) for _ in range(5)]
        Execution.objects.filter(pk=rows[2].pk).update(frames=BROKEN)
        with self.assertLogs("durable.engine", "ERROR"):
            taken = claims.claim_due(uuid7(), "default", registry.kinds(), 4)
        ids = [one.pk for one in rows]
        self.assertEqual([one.execution_id for one in taken], [ids[0], ids[1], ids[3]])
        self.assertEqual(
            Execution.objects.values_list("status", flat=True).get(pk=ids[2]), "blocked"
        )


class ClaimTripTests(ClaimCase, WorkflowTestCase):
    """In one transaction, as in a ``TestCase`` of the kit."""


class CommittingClaimTripTests(ClaimCase, ThreadedTestCase):
    """Where transactions commit."""

    def test_an_outage_counts_against_nobody(self) -> None:
        execution = durable.start(self.workflow(0))

        def away(*args: Any, **kwargs: Any) -> None:
            raise OperationalError("server closed the connection")

        with mock.patch.object(claims, "_claim", away), self.assertRaises(OperationalError):
            claims.claim_due(uuid7(), "default", registry.kinds(), 1)
        execution.refresh_from_db()
        self.assertEqual((execution.status, execution.recoveries), ("pending", 0))
        self.assertFalse(Worker.objects.exists())
