"""What a rollback promises, also when workers die in it.

Defect 16 of the original.
"""

from __future__ import annotations

from typing import Any

from django.test import TransactionTestCase

import durable
from durable import (
    Data,
    Fail,
    Retry,
    Workflow,
    WorkflowMeta,
    call_workflow,
    chain,
    clock,
    foreach,
    minutes,
    parallel,
    step,
)
from durable.models import Execution, Worker
from tests.stage import (
    Hand,
    at_noon,
    bury_the_dead,
    drain,
    fresh,
    pass_time,
    run_until,
)


class Undoing(Workflow):
    """Steps that are undone; what is undone, and with which data, is noted in ``did``."""

    class Meta(WorkflowMeta):
        abstract = True

    did: list[Any] = []

    @step
    def a(self, data: Data) -> Data:
        return {**data, "a": True}

    @a.compensate
    def un_a(self, data: Data) -> None:
        self.did.append("a")

    @step
    def b(self, data: Data) -> Data:
        return {**data, "b": True}

    @b.compensate
    def un_b(self, data: Data) -> None:
        self.did.append("b")

    @step
    def c(self, data: Data) -> Data:
        return {**data, "c": True}

    @c.compensate(retry=Retry(max_attempts=2, base=minutes(1), jitter=0))
    def un_c(self, data: Data) -> None:
        self.did.append(("c", self.attempt))
        if self.attempt == 1 or data.get("stuck"):
            raise ValueError("not yet")

    @step
    def item(self, data: Data, item: str, index: int) -> Data:
        return {**data, item: index}

    @item.compensate
    def un_item(self, data: Data, item: str, index: int) -> None:
        self.did.append((item, index, data))

    @step
    def fail(self, data: Data) -> Data:
        raise Fail("no", type="declined")


U = Undoing


class RollbackTests(TransactionTestCase):
    """16: a rollback is made of recorded steps with retries, resumable, over the whole tree."""

    def setUp(self) -> None:
        super().setUp()
        self.did: list[Any] = []

    def of(self, *nodes: Any, name: str = "trip") -> type[Workflow]:
        meta = type("Meta", (WorkflowMeta,), {"name": name})
        return type("Trip", (Undoing,), {"flow": chain(*nodes), "Meta": meta, "did": self.did})

    def undone(self, execution: Execution) -> list[tuple[str, str]]:
        records = execution.compensations.order_by("ended_at", "id")
        return list(records.values_list("path", "status"))

    def test_a_worker_that_dies_in_a_rollback_leaves_the_rest_to_another(self) -> None:
        for point in ("body.before", "checkpoint.before_commit", "checkpoint.after_commit"):
            self.did.clear()
            execution = durable.start(self.of(U.a, U.b, U.fail, name=point.replace(".", "_")))
            hand = Hand()
            hand.run(hand.must_claim())
            doomed = Hand("doomed")
            run_until(doomed, doomed.must_claim(), point)
            Worker.objects.filter(pk=doomed.worker).update(expires_at=clock.now())
            self.assertEqual(bury_the_dead(), 1)
            drain()
            self.assertEqual(fresh(execution).status, "compensated")
            self.assertEqual(self.undone(execution), [("b", "completed"), ("a", "completed")])
            self.assertEqual(self.did.count("a"), 1)

    def test_a_compensation_that_raises_is_tried_again_and_then_counts_as_failed(self) -> None:
        for stuck, status in ((False, "compensated"), (True, "compensation_failed")):
            with self.subTest(stuck=stuck), at_noon():
                self.did.clear()
                trip = self.of(U.a, U.c, U.fail, name=f"trip_{stuck}")
                execution = durable.start(trip, {"stuck": stuck})
                drain()
                self.assertEqual(self.did, [("c", 1)])
                pass_time(minutes=1)
                self.assertEqual(self.did, [("c", 1), ("c", 2), "a"])
                row = fresh(execution)
                self.assertEqual((row.status, row.error["type"]), (status, "declined"))
                last = "failed" if stuck else "completed"
                self.assertEqual(
                    self.undone(execution), [("c", "failed"), ("c", last), ("a", "completed")]
                )

    def test_what_branches_items_and_children_have_done_is_undone_newest_first(self) -> None:
        child = self.of(parallel(deep=U.b), name="child")
        execution = durable.start(
            self.of(
                U.a,
                parallel(left=U.b, right=chain(U.b.named("x"), U.b.named("y"))),
                foreach("items", U.item),
                call_workflow(child),
                U.fail,
            ),
            {"items": ["i", "j"]},
        )
        drain()
        self.assertEqual(fresh(execution).status, "compensated")
        names = [one[0] if isinstance(one, tuple) else one for one in self.did]
        self.assertEqual(names, ["b", "j", "i", "b", "b", "b", "a"])

    def test_each_gets_the_data_as_it_was_when_its_step_completed(self) -> None:
        execution = durable.start(
            self.of(foreach("items", U.item), U.b, U.fail), {"items": ["i", "j"]}
        )
        drain()
        self.assertEqual(fresh(execution).status, "compensated")
        items = {"items": ["i", "j"]}
        self.assertEqual(
            self.did, ["b", ("j", 1, {**items, "i": 0, "j": 1}), ("i", 0, {**items, "i": 0})]
        )
