"""Cancelling, pausing and retrying what has branches, items and children."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

import durable
from durable import Workflow, WorkflowMeta, call_workflow, chain, days, foreach, parallel, step
from durable.errors import InvalidTransition
from durable.models import Execution
from durable.testing import advance, drain, run, time_travel
from tests.life.cases import a_worker, bury, claim_as
from tests.parts.leftovers import CommittingTreeTestCase, TreeTestCase


class Tree(Workflow):
    """Something of everything."""

    class Meta(WorkflowMeta):
        abstract = True

    did: list[Any] = []

    @step
    def first(self, data: Any) -> Any:
        return {**data, "first": 1}

    @first.compensate
    def un_first(self, data: Any) -> Any:
        self.did.append("first")

    @step
    def waits(self, data: Any) -> Any:
        return {**data, "got": self.wait_for_event("go")}

    @waits.compensate
    def un_waits(self, data: Any) -> Any:
        self.did.append("waits")

    @step
    def each(self, data: Any, item: Any, index: Any) -> Any:
        if item == "wait":
            self.wait_for_event("item")
        return {**data, f"i{index}": item}

    @each.compensate
    def un_each(self, data: Any, item: Any, index: Any) -> Any:
        self.did.append(index)

    @step
    def last(self, data: Any) -> Any:
        return {**data, "last": 1}


T = Tree


class CancelTreeTests(TreeTestCase):
    def flow(self, *nodes: Any, name: str = "w", **meta: Any) -> Any:
        options = type("Meta", (WorkflowMeta,), {"name": name, **meta})
        return type("W", (Tree,), {"flow": chain(*nodes), "Meta": options, "did": self.did})

    def deep(self) -> Any:
        """A child in an item in a branch, and others that wait."""
        child = self.flow(T.waits, name="child")
        return self.flow(
            T.first,
            parallel(
                T.waits,
                items=foreach("items", T.each, concurrency=2),
                child=foreach("items", call_workflow(child), name="calls"),
            ),
            T.last,
            timeout=days(3),
        )

    def test_everything_ends_with_it(self) -> None:
        for compensate, status in ((False, "cancelled"), (True, "compensated")):
            with self.subTest(status):
                self.did.clear()
                execution = run(self.deep(), {"items": ["x", "wait", "wait", "y"]})
                self.assertStands(execution, "waiting")
                durable.cancel(execution.id, "stop", compensate=compensate)
                drain()
                self.assertEnded(execution, status)
                self.assertEqual(self.did, [0, "first"] if compensate else [])
                self.assertEqual(execution.cancel_reason, "stop")
                with self.assertRaises(InvalidTransition):
                    durable.cancel(execution.id)

    def test_parts_are_addressed_by_their_root(self) -> None:
        execution = run(self.deep(), {"items": ["wait"]})
        part = Execution.objects.filter(parent=execution, role="branch").first()
        assert part is not None
        for verb in (durable.cancel, durable.pause, durable.resume, durable.retry):
            with self.assertRaisesRegex(InvalidTransition, str(execution.id)):
                verb(part.id)
        durable.cancel(execution.id)
        drain()
        self.assertEnded(execution, "cancelled")

    def test_paused_in_a_block_it_goes_on_after_resume(self) -> None:
        execution = run(self.flow(parallel(T.waits, T.first), T.last, timeout=days(3)))
        durable.pause(execution.id)
        drain()
        self.assertStands(execution, "paused")
        durable.resume(execution.id)
        drain()
        self.assertStands(execution, "waiting")
        durable.send_event(execution.id, "go")
        drain()
        self.assertEnded(execution, "completed")
        self.assertEqual(execution.data["last"], 1)

    def test_paused_in_a_block_while_it_ends(self) -> None:
        execution = run(self.flow(parallel(T.waits, T.first), T.last, timeout=days(3)))
        durable.pause(execution.id)
        durable.send_event(execution.id, "go")
        drain()
        self.assertStands(execution, "paused")
        durable.resume(execution.id)
        drain()
        self.assertEnded(execution, "completed")

    def test_paused_and_then_cancelled(self) -> None:
        for compensate, status in ((False, "cancelled"), (True, "compensated")):
            execution = run(self.deep(), {"items": ["x", "wait"]})
            durable.pause(execution.id)
            drain()
            durable.cancel(execution.id, compensate=compensate)
            drain()
            self.assertEnded(execution, status)

    def test_a_paused_child_is_cancelled_with_its_parent(self) -> None:
        child = self.flow(T.waits, name="child")
        execution = run(self.flow(call_workflow(child), T.last))
        durable.pause(execution.children.get().id)
        durable.cancel(execution.id)
        drain()
        self.assertEnded(execution, "cancelled")

    def test_a_child_that_rolls_back_ends_that_first(self) -> None:
        class Child(Tree):
            @step
            def book(self, data: Any) -> Any: ...

            @book.compensate
            def unbook(self, data: Any) -> Any:
                self.wait_for_event("undo")
                self.did.append("unbook")

            @step
            def fails(self, data: Any) -> Any:
                raise ValueError("no")

            flow = chain(book, fails)

        Child.did = self.did
        for compensate, status in ((False, "cancelled"), (True, "compensated")):
            self.did.clear()
            execution = run(self.flow(T.first, call_workflow(Child), T.last))
            child = execution.children.get()
            self.assertStands(child, "compensating")
            durable.cancel(execution.id, compensate=compensate)
            drain()
            execution.refresh_from_db()
            self.assertFalse(execution.is_finished)
            durable.send_event(child.id, "undo")
            drain()
            self.assertEnded(execution, status)
            self.assertEqual(self.did, ["unbook", "first"] if compensate else ["unbook"])

    def test_a_parent_that_fails_cancels_the_child_it_waits_for(self) -> None:
        child = self.flow(T.waits, name="child")
        with time_travel():
            execution = run(self.flow(T.first, call_workflow(child), timeout=days(1)))
            advance(days=2)
            self.assertEnded(execution, "compensated", "WorkflowTimeout")
        self.assertEqual(execution.children.get().status, "cancelled")
        self.assertEqual(self.did, ["first"])

    def test_a_failing_branch_with_a_block_of_its_own_in_time(self) -> None:
        inner = parallel(T.waits, deeper=chain(T.first, T.waits.named("w2")), name="inner")
        with time_travel():
            execution = run(self.flow(parallel(x=inner, y=T.waits), timeout=days(1)))
            advance(days=2)
            self.assertEnded(execution, "compensated", "WorkflowTimeout")
        self.assertEqual(self.did, ["first"])

    def test_a_blocked_child_that_is_cancelled_keeps_nothing_of_its_block(self) -> None:
        """At any depth below the execution that an operator cancels."""
        child = self.flow(T.waits, name="child")
        middle = self.flow(call_workflow(child), name="middle")
        root = run(self.flow(T.first, call_workflow(middle), T.last), {"items": []})
        leaf = Execution.objects.get(workflow="child")
        self.assertEqual(Execution.objects.filter(pk=leaf.pk).blocked("code", {"type": "Lost"}), 1)
        durable.cancel(root.id)
        drain()
        for execution in Execution.objects.all():
            with self.subTest(workflow=execution.workflow):
                self.assertEqual(execution.status, "cancelled")
                self.assertEqual((execution.blocked_by, execution.error), ("", None))


class RunningTests(CommittingTreeTestCase):
    """Somebody is in a step of the tree while it is cancelled."""

    def test_the_parent_ends_only_after_a_running_part_of_it(self) -> None:
        child = type("C", (Tree,), {"flow": chain(T.first), "did": self.did})
        for node in (
            call_workflow(child),
            parallel(T.first, T.last),
            foreach("items", T.each),
            foreach("items", T.each, concurrency=2),
            parallel(x=foreach("items", call_workflow(child))),
        ):
            for compensate, status in ((False, "cancelled"), (True, "compensated")):
                with self.subTest(node=node, compensate=compensate):
                    self.did.clear()
                    options = {"flow": chain(node), "did": self.did}
                    w: Any = type("W", (Tree,), options)
                    execution = durable.start(w, {"items": ["a", "b"]})
                    worker = a_worker()
                    self._until_a_leaf(worker, execution)
                    durable.cancel(execution.id, compensate=compensate)
                    drain()
                    execution.refresh_from_db()
                    self.assertFalse(execution.is_finished)
                    bury(worker)
                    drain()
                    self.assertEnded(execution, status)

    def _until_a_leaf(self, worker: Any, execution: Execution) -> None:
        from durable.engine.duties.inline import InlineSession
        from durable.engine.run import runner

        for _ in range(9):
            claim = claim_as(worker)
            leaf = claim.at.path.rpartition("/")[2]
            if leaf in ("first", "each", "last"):
                return
            runner.run(claim, InlineSession())
        raise AssertionError("no step was reached")


class UnstartedItemTests(TreeTestCase):
    """Items that have not had their turn end together, however many there are."""

    def statements(self, count: int, end: Callable[[Execution], object]) -> int:
        class Many(Workflow):
            class Meta(WorkflowMeta):
                name = f"many{count}{end.__name__}"
                timeout = days(1)

            @step
            def each(self, data: Any, item: Any, index: Any) -> Any:
                self.wait_for_event("go")

            flow = chain(foreach("items", each, concurrency=2))

        execution = run(Many, {"items": list(range(count))})
        vars(connections["default"]).pop("_durable_unheard", None)  # each asks who listens
        with CaptureQueriesContext(connection) as seen:
            end(execution)
        drain()
        ended = set(execution.children.values_list("status", flat=True))
        self.assertEqual(ended, {"cancelled"})
        return len(seen)

    def test_cancelling_takes_no_statement_for_each(self) -> None:
        def cancel(execution: Execution) -> None:
            durable.cancel(execution.id)

        self.assertEqual(self.statements(5, cancel), self.statements(40, cancel))

    def test_nor_does_running_out_of_time(self) -> None:
        def time_out(execution: Execution) -> None:
            advance(days=1)

        with time_travel():
            self.assertEqual(self.statements(5, time_out), self.statements(40, time_out))
