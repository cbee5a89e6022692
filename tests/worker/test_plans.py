"""What the engine asks all the time is found by index, whatever the statistics say.

PostgreSQL plans with statistics that are minutes old, or none at all. After a burst they tell that
nearly all rows are unfinished, ready or unreported, and then the first of them seems cheapest to
find by reading the table: which takes long once there are none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

import durable
from durable import Workflow, chain, foreach, increment, step
from durable.authoring.parse import registry
from durable.engine.duties import inline
from durable.engine.duties.duty import duties_of
from durable.engine.duties.pulse import pulse
from durable.engine.ends import checkpoint as checkpoints
from durable.engine.run import runner
from durable.engine.run.claim import claim_due
from durable.models import Execution
from tests.cases import WorkflowTestCase
from tests.costs.plans import explained, give_back_pages
from tests.life.cases import a_worker


class Opened(WorkflowTestCase):
    """A test of a block that has just been opened, none of its items begun."""

    batch_size = 1
    items = 4000

    @classmethod
    def setUpClass(cls) -> None:
        give_back_pages()
        super().setUpClass()

    def setUp(self) -> None:
        super().setUp()

        class Campaign(Workflow):
            @step
            def send(self, data: Any, item: int, index: int) -> Any:
                return increment(data, "sent")

            flow = chain(
                foreach(
                    lambda data: range(data["items"]),
                    send,
                    concurrency=4,
                    batch_size=self.batch_size,
                )
            )

        durable.start(Campaign, {"items": self.items})
        inline.work(1)
        self.worker = a_worker()
        self.assertEqual(Execution.objects.unfinished().count(), self.items + 1)

    def assert_by_index(self, act: Callable[[], object]) -> None:
        """No statement of ``act`` reads the table of executions from one end to the other."""
        with explained("durable_execution") as plans:
            act()
        self.assertTrue(plans)
        for sql, plan in plans.items():
            with self.subTest(sql=sql):
                self.assertNotIn("Seq Scan on durable_execution", plan.text)
                # not by a hair: old pages and old statistics may make it twice as dear
                self.assertLess(2 * plan.cost, plan.by_scan, plan.text)

    def work(self) -> None:
        """All that a worker may do at a look, and two claims from one end to the other."""
        for duty in duties_of():
            duty.do(duty.at_once)
        for claim in claim_due(self.worker, "default", registry.kinds(), 2):
            runner.run(claim, inline.InlineSession())

    def analyze(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE durable_execution")


@pytest.mark.only_on("postgresql")
class PlanTests(Opened):
    def look(self) -> None:
        pulse(["default", "other"], registry.kinds())

    def test_a_look_for_work_needs_no_statistics(self) -> None:
        self.assert_by_index(self.look)

    def test_a_look_for_work_believes_no_statistics_of_a_burst(self) -> None:
        Execution.objects.filter(role="item").update(unreported=True, ready_at="2026-01-01T00:00Z")
        self.analyze()
        self.assert_by_index(self.look)

    def test_the_items_of_a_block_are_worked_on_without_statistics(self) -> None:
        self.assert_by_index(self.work)

    def test_the_items_of_a_block_are_worked_on_whatever_the_statistics_say(self) -> None:
        self.analyze()
        self.assert_by_index(self.work)

    def test_so_are_the_checkpoints_that_share_a_commit(self) -> None:
        """The worker's committer leaves out rows that are locked."""
        self.analyze()
        write = checkpoints.write
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(checkpoints, "write", lambda batch: write(batch, skip_locked=True))
            self.assert_by_index(self.work)


@pytest.mark.only_on("postgresql")
class BatchPlanTests(Opened):
    batch_size = 20
    items = 8000  # so that twenty look-ups by index cost less than half of a scan

    def test_batches_are_worked_on_without_statistics(self) -> None:
        self.assert_by_index(self.work)

    def test_batches_are_worked_on_whatever_the_statistics_say(self) -> None:
        self.analyze()
        self.assert_by_index(self.work)
