"""What the engine cancels says why: which execution it went with, and what had become of that."""

from __future__ import annotations

from typing import Any
from unittest import mock

import durable
from durable import Workflow, WorkflowMeta, call_workflow, chain, days, foreach, parallel, step
from durable.engine.parts import batch
from durable.models import Execution
from durable.testing import advance, drain, run, time_travel
from tests.parts.leftovers import TreeTestCase


class Parts(Workflow):
    """Steps that wait, fail, or do neither."""

    class Meta(WorkflowMeta):
        abstract = True

    @step
    def waits(self, data: Any) -> Any:
        self.wait_for_event("go")

    @step
    def sleeps(self, data: Any) -> Any:
        self.sleep(days(1))

    @step
    def fails(self, data: Any) -> Any:
        raise durable.Fail("the card 4111 was declined", type="card_declined")

    @step
    def calls(self, data: Any) -> Any:
        self.call_workflow("below", timeout=days(1))

    @step
    def each(self, data: Any, item: Any, index: Any) -> Any:
        if item == "fail":
            raise durable.Fail("no", type="declined")
        if item == "wait":
            self.wait_for_event("go")
        return {**data, "text": item} if item != "large" else {"large": "x" * 100}


P = Parts


class CancelReasonTests(TreeTestCase):
    """Each cancelled row has a reason, also those that nobody has named."""

    def flow(self, *nodes: Any, name: str = "w", **meta: Any) -> Any:
        options = type("Meta", (WorkflowMeta,), {"name": name, **meta})
        return type("W", (Parts,), {"flow": chain(*nodes), "Meta": options})

    def reasons(self, **where: Any) -> set[str]:
        """The reasons of the cancelled rows."""
        rows = Execution.objects.filter(status="cancelled", **where)
        self.assertTrue(rows.exists())
        return set(rows.values_list("cancel_reason", flat=True))

    def test_what_lies_below_a_cancelled_execution_names_it_and_its_reason_at_every_depth(
        self,
    ) -> None:
        self.flow(P.waits, name="below0")
        for depth in range(1, 8):
            self.flow(call_workflow(f"below{depth - 1}"), name=f"below{depth}")
        calls = foreach("items", call_workflow("below7"), name="calls", concurrency=2)
        execution = run(self.flow(parallel(P.waits, calls=calls)), {"items": [1, 2, 3]})
        durable.cancel(execution.id, "not wanted")
        below = Execution.objects.filter(status="cancelled").exclude(pk=execution.pk)
        self.assertEqual(below.count(), 2 + 3 + 2 * 8)
        self.assertEqual(
            self.reasons(pk__in=below.values("pk")),
            {f"execution {execution.pk} was cancelled: not wanted"},
        )
        drain()
        self.assertEnded(execution, "cancelled")
        self.assertEqual(execution.cancel_reason, "not wanted")

    def test_it_is_the_same_where_what_is_done_is_undone(self) -> None:
        self.flow(P.waits, name="below")
        execution = run(self.flow(parallel(P.waits, child=call_workflow("below"))))
        durable.cancel(execution.id, "not wanted", compensate=True)
        drain()
        self.assertEnded(execution, "compensated")
        self.assertEqual(self.reasons(), {f"execution {execution.pk} was cancelled: not wanted"})

    def test_no_reason_given_is_said_without_one(self) -> None:
        self.flow(P.waits, name="below")
        execution = run(self.flow(P.calls))
        durable.cancel(execution.id)
        drain()
        child = self.reasons(parent=execution)
        self.assertEqual(child, {f"execution {execution.pk} was cancelled"})

    def test_what_was_cancelled_by_itself_before_keeps_its_own_reason(self) -> None:
        self.flow(P.waits, name="below")
        execution = run(self.flow(parallel(a=P.calls, b=P.calls.named("other"))))
        one = Execution.objects.filter(workflow="below").first()
        assert one is not None
        durable.cancel(one.pk, "by itself")
        durable.cancel(execution.id, "all of it")
        drain()
        one.refresh_from_db()
        self.assertEqual(one.cancel_reason, "by itself")

    def test_what_is_in_a_step_when_its_parent_is_cancelled_says_so_too(self) -> None:
        seen: list[str] = []

        class Below(Parts):
            class Meta:
                name = "below"

            @step
            def acts(self, data: Any) -> Any:
                durable.cancel(execution_id[0], "meanwhile")
                seen.append("acted")

            flow = chain(acts)

        execution = durable.start(self.flow(P.calls))
        execution_id = [execution.id]
        drain()
        self.assertEqual(seen, ["acted"])
        self.assertEqual(
            self.reasons(parent=execution),
            {f"execution {execution.pk} was cancelled: meanwhile"},
        )

    def test_what_a_branch_calls_while_its_execution_is_cancelled_gets_the_same_reason(
        self,
    ) -> None:
        class Acts(Parts):
            class Meta:
                name = "acts"

            @step(atomic=False)
            def acts(self, data: Any) -> Any:
                durable.cancel(self.id, "meanwhile")
                self.call_workflow("below")

            flow = chain(parallel(acts, P.waits))

        self.flow(P.waits, name="below")
        execution = run(Acts)
        self.assertEnded(execution, "cancelled")
        self.assertEqual(
            self.reasons(workflow="below"), {f"execution {execution.pk} was cancelled: meanwhile"}
        )

    def test_siblings_of_a_failed_branch_name_it_and_its_error(self) -> None:
        self.flow(P.waits, name="below")
        execution = run(self.flow(parallel(bad=P.fails, good=P.calls, other=P.waits)))
        self.assertEnded(execution, "failed", "card_declined")
        self.assertEqual(
            self.reasons(), {f"branch 'bad' of execution {execution.pk} failed: card_declined"}
        )

    def test_what_a_failed_execution_leaves_behind_names_it_and_its_error(self) -> None:
        self.flow(P.waits, name="below")
        with time_travel():
            execution = run(self.flow(parallel(a=P.sleeps, b=P.calls), timeout=days(0.5)))
            advance(days=1)
        self.assertEnded(execution, "failed", "WorkflowTimeout")
        why = self.reasons(workflow="below")
        self.assertEqual(len(why), 1)
        self.assertRegex(
            why.pop(),
            f"of execution {execution.pk} failed: WorkflowTimeout|"
            f"execution {execution.pk} failed: WorkflowTimeout",
        )

    def test_a_child_that_nobody_waits_for_any_longer_names_who_did(self) -> None:
        self.flow(call_workflow("lower"), name="below")
        self.flow(P.waits, name="lower")
        with time_travel():
            execution = run(self.flow(P.calls))
            advance(days=1)
        self.assertEnded(execution, "failed", "WaitTimeout")
        why = f"execution {execution.pk} waited no longer: its timeout was over"
        self.assertEqual(self.reasons(workflow="below"), {why})
        self.assertEqual(self.reasons(workflow="lower"), {why})

    def test_items_without_a_turn_say_why_none_comes(self) -> None:
        failed = {"too many items of 'each' failed: no new one starts"}
        execution = run(self.flow(foreach("items", P.each)), {"items": ["fail", "a", "b"]})
        self.assertEqual(self.reasons(parent=execution), failed)
        execution = run(
            self.flow(foreach("items", P.each, on_error="continue", max_failures=0)),
            {"items": ["fail", "a", "b"]},
        )
        self.assertEqual(self.reasons(parent=execution), failed)
        with self.settings(DURABLE={"MAX_COLLECTED_BYTES": 50}):
            large = ["large", "large", "large", "a", "b", "c", "d"]
            execution = run(
                self.flow(foreach("items", P.each, collect_as="texts")), {"items": large}
            )
        self.assertEqual(
            self.reasons(parent=execution),
            {"the results of 'each' take too much room: no new item starts"},
        )

    def test_items_of_a_batch_that_another_has_stopped_say_so(self) -> None:
        with mock.patch.object(
            batch, "HELD_FOR", -1.0
        ):  # the batch gives back what it has not begun
            execution = run(
                self.flow(foreach("items", P.each, batch_size=3, concurrency=2)),
                {"items": ["fail", "a", "b", "c", "d", "e"]},
            )
        self.assertEqual(
            self.reasons(parent=execution), {"too many items of 'each' failed: no new one starts"}
        )

    def test_items_without_a_turn_of_a_cancelled_execution_name_it(self) -> None:
        execution = run(self.flow(foreach("items", P.each)), {"items": ["wait", "a", "b"]})
        durable.cancel(execution.id, "enough")
        drain()
        self.assertEqual(
            self.reasons(parent=execution), {f"execution {execution.pk} was cancelled: enough"}
        )

    def test_a_block_that_is_retried_forgets_why_it_was_stopped(self) -> None:
        execution = run(self.flow(foreach("items", P.each)), {"items": ["fail", "a", "b"]})
        durable.retry(execution.id)
        live = Execution.objects.filter(parent=execution).exclude(status="cancelled")
        self.assertEqual(set(live.values_list("cancel_reason", flat=True)), {""})
