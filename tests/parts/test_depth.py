"""Trees as deep as they may get: what ends, stops or undoes them is linear in their executions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

import durable
from durable import Fail, Workflow, WorkflowMeta, call_workflow, chain, foreach, parallel, step
from durable.models import Execution, Role, StepRun, Wait
from durable.models.fields import uuid7
from durable.testing import drain, run
from tests.parts.leftovers import TreeTestCase

#: statements for twice as many levels, at most so many times those for the half
TWICE = 2.2

#: the table of step runs
RUNS = '"durable_steprun"'


class Steps(Workflow):
    """Steps with and without a compensation."""

    class Meta(WorkflowMeta):
        abstract = True

    did: list[Any] = []

    @step
    def acts(self, data: Any, *item: Any) -> Any: ...

    @acts.compensate
    def un_acts(self, data: Any, *item: Any) -> Any:
        self.did.append(self.branch_id)

    @step
    def plain(self, data: Any, *item: Any) -> Any: ...

    @step
    def waits(self, data: Any, *item: Any) -> Any:
        self.wait_for_event("go")

    @step
    def fails(self, data: Any, *item: Any) -> Any:
        raise Fail("no", type="declined")


S = Steps


@contextmanager
def statements() -> Iterator[list[str]]:
    """The statements that are sent inside, however many: Django's own log has a limit."""
    sent: list[str] = []

    def note(execute: Any, sql: str, *rest: Any) -> Any:
        if "durable_worker" not in sql:  # who listens is asked every few seconds
            sent.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        yield sent


class Deep(TreeTestCase):
    def flow(self, *nodes: Any, name: str, **meta: Any) -> Any:
        options = type("Meta", (WorkflowMeta,), {"name": name, **meta})
        return type("W", (Steps,), {"flow": chain(*nodes), "Meta": options, "did": self.did})

    def levels(self, depth: int, *first: Any, last: Any) -> Any:
        """A workflow with ``depth`` levels of children, each of which begins with ``first``."""
        child = self.flow(*first, last, name=f"d{depth}.{depth}")
        for level in range(depth - 1, -1, -1):
            child = self.flow(*first, call_workflow(child), name=f"d{depth}.{level}")
        return child

    def planted(self, depth: int, *, leaf: str = "waiting") -> Execution:
        """As many levels of children, each waiting for the next, without having run them."""
        flow = self.flow(S.waits, name=f"planted{depth}")
        root = durable.start(flow)
        kind = {name: getattr(root, name) for name in ("workflow", "version", "kind")}
        ids = [root.pk, *(uuid7() for _ in range(depth))]
        Execution.objects.filter(pk=root.pk).delete()
        Execution.objects.bulk_create(
            Execution(
                **kind,
                id=pk,
                root_id=pk,
                parent_id=ids[level - 1] if level else None,
                parent_path="waits" if level else "",
                parent_visit=1 if level else 0,
                role=Role.CHILD if level else Role.ROOT,
                awaited=bool(level),
                path="waits",
                status="waiting" if level < depth else leaf,
                journaled=True,
                data={},
                input={},
                created_at=root.created_at,
            )
            for level, pk in enumerate(ids)
        )
        Wait.objects.bulk_create(
            Wait(
                execution_id=pk,
                root_id=pk,
                path="waits",
                kind="child" if child else "event",
                name="go",
                names=[] if child else ["go"],
                child_id=child,
                opened_at=root.created_at,
            )
            for pk, child in zip(ids, [*ids[1:], None], strict=True)
        )
        return Execution.objects.get(pk=root.pk)

    def nested(self, leaf: Any, *first: Any) -> Any:
        """Three times a parallel of a foreach of a child, one in the other."""
        child = self.flow(*first, leaf, name="nested3")
        for level in (2, 1, 0):
            each = foreach("items", call_workflow(child), name="calls", concurrency=2)
            child = self.flow(*first, parallel(S.plain, calls=each), name=f"nested{level}")
        return child


class CancelTests(Deep):
    """One call of ``cancel`` reaches everything below that is alive."""

    def cancelled(self, depth: int, **options: Any) -> int:
        execution = self.planted(depth)
        with statements() as sent:
            durable.cancel(execution.id, "enough", **options)
        drain()
        self.assertEnded(execution, "compensated" if options else "cancelled")
        below = Execution.objects.exclude(pk=execution.pk).filter(status="cancelled")
        reason = f"execution {execution.pk} was cancelled: enough"
        self.assertEqual(below.filter(cancel_reason=reason).count(), depth)
        Execution.objects.all().delete()
        return len(sent)

    def test_however_deep_it_reaches_the_last_level(self) -> None:
        for depth in (8, 150):
            with self.subTest(depth=depth):
                self.cancelled(depth)

    def test_also_where_what_was_done_is_undone(self) -> None:
        for depth in (8, 60):
            with self.subTest(depth=depth):
                self.cancelled(depth, compensate=True)

    def test_it_takes_two_statements_for_a_level(self) -> None:
        self.assertEqual(self.cancelled(40) - self.cancelled(20), 2 * 20)

    def test_and_none_for_each_execution_of_a_level(self) -> None:
        def cancelled(width: int) -> int:
            flow = self.flow(foreach("items", S.waits, concurrency=99), name=f"wide{width}")
            execution = run(flow, {"items": list(range(width))})
            with statements() as sent:
                durable.cancel(execution.id)
            drain()
            self.assertEnded(execution, "cancelled")
            return len(sent)

        self.assertEqual(cancelled(2), cancelled(12))

    def test_children_side_by_side_with_all_that_is_reported_are_linear_too(self) -> None:
        def cancelled(width: int) -> int:
            child = self.flow(S.waits, name=f"of_crowd{width}")
            each = foreach("items", call_workflow(child), concurrency=99)
            execution = run(self.flow(each, name=f"crowd{width}"), {"items": list(range(width))})
            with statements() as sent:
                durable.cancel(execution.id)
                drain()
            self.assertEnded(execution, "cancelled")
            return len(sent)

        few, many = cancelled(10), cancelled(20)
        self.assertLessEqual(many, TWICE * few)

    def test_those_above_a_step_that_runs_wait_for_its_end(self) -> None:
        execution = self.planted(60)
        leaf = Execution.objects.get(children=None)
        Execution.objects.filter(pk=leaf.pk).held(uuid7())
        durable.cancel(execution.id)
        self.assertEqual(Execution.objects.exclude(status="waiting").get().pk, leaf.pk)
        asked = Execution.objects.filter(cancel_requested_at__isnull=False)
        self.assertEqual(asked.count(), 61)

    def test_what_stands_in_the_middle_is_set_going_to_reach_its_end(self) -> None:
        execution = self.planted(8)
        middle = Execution.objects.order_by("id")[4]
        Execution.objects.filter(pk=middle.pk).paused(None)
        leaf = Execution.objects.filter(children=None)
        leaf.held(uuid7())
        durable.cancel(execution.id)
        middle.refresh_from_db()
        self.assertEqual(middle.status, "pending")


class FailureTests(Deep):
    """A failure climbs through all levels, and what each has done is undone."""

    def failed(self, depth: int, first: Any, status: str) -> int:
        """The statements of a failure below so many levels."""
        self.did.clear()
        execution = durable.start(self.levels(depth, first, last=S.fails))
        with statements() as sent:
            drain()
        self.assertEnded(execution, status, "ChildFailed")
        self.assertEqual(set(Execution.objects.values_list("status", flat=True)), {status})
        self.assertEqual(len(self.did), depth + 1 if first is S.acts else 0)
        Execution.objects.all().delete()
        return len(sent)

    def test_what_many_levels_have_done_is_undone_in_linearly_many_statements(
        self,
    ) -> None:
        few, many = (self.failed(depth, S.acts, "compensated") for depth in (4, 12))
        self.assertLessEqual(many, 12 / 4 * 1.1 * few)

    def test_many_levels_with_nothing_to_undo_fail_in_linearly_many_statements(self) -> None:
        few, many = (self.failed(depth, S.plain, "failed") for depth in (4, 12))
        self.assertLessEqual(many, 12 / 4 * 1.1 * few)

    def test_undoing_a_deep_tree_at_once_is_linear_too(self) -> None:
        def undone(depth: int) -> int:
            self.did.clear()
            execution = run(self.levels(depth, S.acts, last=S.waits))
            with statements() as sent:
                durable.cancel(execution.id, compensate=True)
                drain()
            self.assertEnded(execution, "compensated")
            self.assertEqual(len(self.did), depth + 1)
            return len(sent)

        few, many = undone(6), undone(12)
        self.assertLessEqual(many, TWICE * few)

    def test_the_root_of_a_hundred_levels_fails(self) -> None:
        execution = self.planted(100)
        Execution.objects.filter(pk=execution.pk).update(deadline_at=execution.created_at)
        Execution.objects.filter(pk=execution.pk).due()
        drain()
        self.assertEnded(execution, "failed", "WorkflowTimeout")
        below = Execution.objects.filter(parent__isnull=False)
        reason = f"execution {execution.pk} failed: WorkflowTimeout"
        self.assertEqual(set(below.values_list("cancel_reason", flat=True)), {reason})

    def test_without_any_compensation_no_step_run_is_looked_at(self) -> None:
        execution = durable.start(self.levels(8, S.plain, last=S.fails))
        with statements() as sent:
            drain()
        self.assertEnded(execution, "failed", "ChildFailed")
        walks = [sql for sql in sent if "RECURSIVE below" in sql]
        self.assertEqual(len(walks), 9)  # one for each failure
        self.assertEqual([sql for sql in walks if RUNS in sql], [])
        execution = run(self.flow(S.waits, name="alone"))
        with statements() as sent:
            durable.cancel(execution.id)
        self.assertEqual([sql for sql in sent if "RECURSIVE" in sql], [])

    def test_what_many_items_have_done_is_looked_for_a_page_at_once(self) -> None:
        each = foreach("items", S.acts, concurrency=99, name="each")
        execution = durable.start(self.flow(each, S.fails, name="many"), {"items": [*range(120)]})
        with statements() as sent:
            drain()
        self.assertEnded(execution, "compensated")
        self.assertEqual(len(self.did), 120)
        looks = [sql for sql in sent if "RECURSIVE" in sql and RUNS in sql]
        self.assertLessEqual(len(looks), 5)  # three pages, and whether there is anything

    def ends_nested(self, first: Any, status: str, *, compensate: bool | None = None) -> None:
        """Three nested blocks of blocks of children fail (or are cancelled, as said)."""
        fails = compensate is None
        execution = run(self.nested(S.fails if fails else S.waits, first), {"items": [1, 2]})
        if compensate is not None:
            durable.cancel(execution.id, compensate=compensate)
            drain()
        self.assertEnded(execution, status)
        done = StepRun.objects.filter(path="acts", compensation=False, status="completed")
        undone = done.count() if fails or compensate else 0
        self.assertEqual(bool(undone), first is S.acts and status == "compensated")
        self.assertEqual(len(self.did), undone)

    def test_blocks_of_blocks_of_children_fail_and_are_undone(self) -> None:
        self.ends_nested(S.acts, "compensated")

    def test_blocks_of_blocks_of_children_fail_with_nothing_to_undo(self) -> None:
        self.ends_nested(S.plain, "failed")

    def test_blocks_of_blocks_of_children_are_cancelled_and_undone(self) -> None:
        self.ends_nested(S.acts, "compensated", compensate=True)

    def test_blocks_of_blocks_of_children_are_cancelled(self) -> None:
        self.ends_nested(S.acts, "cancelled", compensate=False)
