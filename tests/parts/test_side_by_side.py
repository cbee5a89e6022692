"""Branches and items at the same time, on several workers."""

from __future__ import annotations

import threading
from typing import Any

from django.test import override_settings

import durable
from durable import Workflow, chain, foreach, increment, parallel, step
from durable.models import Execution
from durable.testing import worker
from tests.cases import until
from tests.parts.leftovers import CommittingTreeTestCase

FAST = override_settings(DURABLE={"LEASE": 10, "POLL_INTERVAL": 0.1})


@FAST
class SideBySideTests(CommittingTreeTestCase):
    """What runs at once, and what never does."""

    def finished(self, execution: Execution) -> None:
        rows = Execution.objects.filter(pk=execution.pk)
        until(lambda: rows.get().is_finished)
        until(lambda: not Execution.objects.unreported().exists())
        self.assertEnded(execution, "completed")

    def test_branches_run_at_once_on_as_many_workers_as_are_free(self) -> None:
        meeting = threading.Barrier(2)

        class Both(Workflow):
            @step(atomic=False)
            def left(self, data: Any) -> Any:
                meeting.wait(20)
                return {**data, "left": True}

            @step(atomic=False)
            def right(self, data: Any) -> Any:
                meeting.wait(20)
                return {**data, "right": True}

            flow = chain(parallel(left, right))

        with worker(concurrency=1), worker(concurrency=1):
            execution = durable.start(Both)
            self.finished(execution)
        self.assertEqual(execution.data, {"left": True, "right": True})
        workers = execution.children.values_list("steps_and_compensations__worker", flat=True)
        self.assertEqual(len(set(workers)), 2)

    def test_items_in_flight_are_never_more_than_the_concurrency_across_all_workers(self) -> None:
        lock, began, running, most = threading.Lock(), list[int](), set[int](), set[int]()

        class Campaign(Workflow):
            @step(atomic=False)
            def send(self, data: Any, item: int, index: int) -> Any:
                with lock:
                    began.append(item)
                    running.add(item)
                    most.add(len(running))
                threading.Event().wait(0.05)
                with lock:
                    running.discard(item)
                return increment(data, "sent")

            flow = chain(foreach(lambda data: range(15), send, concurrency=3))

        with worker(concurrency=4), worker(concurrency=4):
            execution = durable.start(Campaign)
            self.finished(execution)
        self.assertEqual(execution.data["sent"], 15)
        self.assertEqual(max(most), 3)
        # in order: nobody begins while more than two before it have not
        for place, item in enumerate(began):
            self.assertLessEqual(len(set(range(item)) - set(began[:place])), 2, began)
