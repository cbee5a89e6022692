"""Branches, items and children, and who ends them.

Defects 1, 3, 8 and 20 of the original.
"""

from __future__ import annotations

from typing import Any

from django.test import TestCase, TransactionTestCase

import durable
from durable import (
    ChildFailed,
    Data,
    Fail,
    Retry,
    Workflow,
    WorkflowMeta,
    chain,
    clock,
    foreach,
    increment,
    minutes,
    parallel,
    step,
)
from durable.engine.duties.pulse import pulse
from durable.engine.ends.finish import finish
from durable.engine.parts.report import report_due
from durable.models import Execution, Worker
from durable.states import Status
from tests.stage import (
    Hand,
    at_noon,
    bury_the_dead,
    drain,
    fresh,
    pass_time,
    run_until,
)


def die(hand: Hand) -> None:
    """The lease of a worker that is no more runs out, and another one notices."""
    Worker.objects.filter(pk=hand.worker).update(expires_at=clock.now())
    assert bury_the_dead() == 1


class Booked(Workflow):
    """A step that is undone in two attempts, and one that fails."""

    class Meta(WorkflowMeta):
        abstract = True

    @step
    def book(self, data: Data) -> Data:
        return {**data, "booked": True}

    @book.compensate(retry=Retry(max_attempts=2, base=minutes(1), jitter=0))
    def unbook(self, data: Data) -> None:
        if self.attempt == 1:
            raise ValueError("not yet")

    @step
    def charge(self, data: Data) -> Data:
        raise Fail("no", type="card_declined")


class FinalStatusTests(TestCase):
    """1: two places wrote the final status; it has one owner, and one guarded write."""

    def booked(self) -> Execution:
        class Trip(Booked):
            pass

        execution = durable.start(Trip)
        drain()
        return execution

    def test_a_rollback_that_goes_through_the_queue_ends_as_compensated(self) -> None:
        with at_noon():
            execution = self.booked()
            self.assertEqual(fresh(execution).status, "compensating")
            pass_time(minutes=1)
            row = fresh(execution)
        self.assertEqual((row.status, row.error["type"]), ("compensated", "card_declined"))

    def test_whoever_comes_late_with_another_end_changes_nothing(self) -> None:
        with at_noon():
            execution = self.booked()
            pass_time(minutes=1)
            for target in (Status.FAILED, Status.COMPLETED, Status.CANCELLED):
                with self.subTest(target=target):
                    self.assertFalse(finish(Execution.objects.filter(pk=execution.pk), target))
                    self.assertEqual(fresh(execution).status, "compensated")


class WaitInABranchTests(TestCase):
    """3: a wait in a branch lost its place; a branch is an execution with its own position."""

    def setUp(self) -> None:
        super().setUp()
        ran: list[str] = []

        class Both(Workflow):
            @step
            def begin(self, data: Data) -> None:
                ran.append("begin")

            @step
            def ask(self, data: Data) -> Data:
                return {**data, "answer": self.wait_for_event("go")}

            @step
            def use(self, data: Data) -> None:
                ran.append(f"use {data['answer']}")

            @step
            def other(self, data: Data) -> Data:
                ran.append("other")
                return {**data, "other": self.wait_for_event("go")}

            @step
            def end(self, data: Data) -> None:
                ran.append("end")

            flow = chain(begin, parallel(asks=chain(ask, use), other=other), end)

        self.ran, self.execution = ran, durable.start(Both, {"n": 1})
        drain()

    def test_after_a_wait_in_a_branch_the_rest_of_that_branch_runs_and_nothing_else(self) -> None:
        self.assertEqual(self.ran, ["begin", "other"])
        durable.send_event(self.execution.id, "go", 1)
        drain()
        self.assertEqual(self.ran, ["begin", "other", "use 1"])
        durable.send_event(self.execution.id, "go", 2)
        drain()
        self.assertEqual(self.ran, ["begin", "other", "use 1", "other", "end"])
        self.assertEqual(fresh(self.execution).status, "completed")

    def test_a_wait_leaves_no_mark_in_the_data(self) -> None:
        rows = Execution.objects.filter(root_id=self.execution.pk)
        self.assertEqual([row.data for row in rows], [{"n": 1}] * 3)
        durable.send_event(self.execution.id, "go", 1)
        durable.send_event(self.execution.id, "go", 2)
        drain()
        self.assertEqual(fresh(self.execution).data, {"n": 1, "answer": 1, "other": 2})


class ParentTests(TestCase):
    """8: some ends of a child never woke its parent; one function ends an execution."""

    def parent_of(self, child: type[Workflow]) -> Execution:
        """One that waits for a child, which is due."""

        class Parent(Workflow):
            @step
            def call(self, data: Data) -> Data:
                try:
                    return {"got": self.call_workflow(child, {})}
                except ChildFailed as failed:
                    return {"error": failed.error["type"]}

        execution = durable.start(Parent)
        Hand().run(Hand().must_claim())  # until it has parked
        return execution

    def child(self, body: Any, **options: Any) -> type[Workflow]:
        meta = type("Meta", (WorkflowMeta,), {"name": "child", **options})
        return type("Child", (Workflow,), {"Meta": meta, "only": step(name="only")(body)})

    def assertTold(self, parent: Execution, data: Data) -> None:
        row = fresh(parent)
        self.assertEqual((row.status, row.data), ("completed", data))
        self.assertFalse(Execution.objects.unreported().exists())

    def test_a_parent_is_woken_by_a_child_that_completes(self) -> None:
        parent = self.parent_of(self.child(lambda self, data: {"n": 1}))
        drain()
        self.assertTold(parent, {"got": {"n": 1}})

    def test_a_parent_is_woken_by_a_child_that_fails(self) -> None:
        def body(self: Any, data: Any) -> None:
            raise Fail("no", type="declined")

        parent = self.parent_of(self.child(body))
        drain()
        self.assertTold(parent, {"error": "declined"})

    def test_a_parent_is_woken_by_a_child_that_is_cancelled(self) -> None:
        parent = self.parent_of(self.child(lambda self, data: self.wait_for_event("never")))
        durable.cancel(parent.children.get().pk, "changed my mind")
        drain()
        self.assertTold(parent, {"error": "Cancelled"})

    def test_a_parent_is_woken_by_a_child_that_is_compensated(self) -> None:
        class Trip(Booked):
            pass

        with at_noon():
            parent = self.parent_of(Trip)
            drain()
            self.assertEqual(fresh(parent).status, "waiting")
            pass_time(minutes=1)
            self.assertTold(parent, {"error": "card_declined"})

    def test_a_parent_is_woken_by_a_child_whose_workers_die(self) -> None:
        parent = self.parent_of(self.child(lambda self, data: None, max_recoveries=1))
        for _ in range(2):
            doomed = Hand("doomed")
            doomed.must_claim()
            die(doomed)
        drain()
        self.assertTold(parent, {"error": "StepCrashed"})

    def test_a_worker_sees_that_a_parent_is_to_be_told(self) -> None:
        parent = self.parent_of(self.child(lambda self, data: self.wait_for_event("never")))
        self.assertFalse(pulse([], []).ends)
        durable.cancel(parent.children.get().pk)
        self.assertTrue(pulse([], []).ends)


class ItemTests(TransactionTestCase):
    """20: a foreach began again at item 0 after a crash; each item is checkpointed by itself."""

    def test_an_item_that_leaves_a_value_alone_does_not_take_back_the_change_of_another(
        self,
    ) -> None:
        class Campaign(Workflow):
            @step
            def send(self, data: Data, item: int, index: int) -> Data:
                return data if item else {**data, "state": "new"}

            flow = chain(foreach("items", send, concurrency=3))

        execution = durable.start(Campaign, {"items": [0, 1, 2], "state": "old"})
        drain()
        self.assertEqual(fresh(execution).data["state"], "new")

    def test_after_a_crash_finished_items_do_not_run_again(self) -> None:
        ran: list[int] = []

        class Campaign(Workflow):
            @step(atomic=False)
            def send(self, data: Data, item: int, index: int) -> Data:
                ran.append(item)
                return increment(data, "sent")

            flow = chain(foreach("items", send))

        execution = durable.start(Campaign, {"items": [0, 1, 2, 3]})
        opener = Hand("opener")
        opener.run(opener.must_claim())
        for _ in range(2):
            opener.run(opener.must_claim())
        doomed = Hand("doomed")
        run_until(doomed, doomed.must_claim(), "body.after")
        die(doomed)
        drain()
        self.assertEqual(ran, [0, 1, 2, 2, 3])
        self.assertEqual(fresh(execution).data["sent"], 4)

    def test_a_worker_that_dies_while_it_closes_the_block_has_no_item_run_again(self) -> None:
        ran: list[int] = []

        class Campaign(Workflow):
            @step(atomic=False)
            def send(self, data: Data, item: int, index: int) -> Data:
                ran.append(item)
                return increment(data, "sent")

            @step
            def end(self, data: Data) -> None: ...

            flow = chain(foreach("items", send, concurrency=2), end)

        execution = durable.start(Campaign, {"items": [0, 1, 2]})
        hand = Hand("opener")
        while fresh(execution).block_progress != {"total": 3, "completed": 3}:
            hand.run(hand.must_claim())
        report_due()
        doomed = Hand("doomed")
        run_until(doomed, doomed.must_claim(), "checkpoint.before_commit")
        die(doomed)
        drain()
        self.assertEqual(ran, [0, 1, 2])
        self.assertEqual(fresh(execution).status, "completed")
        self.assertEqual(fresh(execution).data["sent"], 3)
