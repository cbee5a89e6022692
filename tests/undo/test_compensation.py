"""The saga: what is done is undone, newest first, over the whole tree, each once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import durable
from durable import (
    Fail,
    Retry,
    StepTimeout,
    Workflow,
    WorkflowMeta,
    call_workflow,
    chain,
    clock,
    foreach,
    hours,
    minutes,
    parallel,
    repeat,
    seconds,
    step,
    wait_for_event,
)
from durable.engine.duties import workers
from durable.engine.duties.inline import InlineSession
from durable.engine.parts.report import report_due
from durable.engine.run import runner
from durable.errors import InvalidTransition
from durable.models import AuditEntry, Execution, StepRun
from durable.testing import advance, drain, isolate_workflows, run, time_travel
from tests.life.cases import a_worker, bury, claim_as, die_at
from tests.parts.leftovers import CommittingTreeTestCase, Trees, TreeTestCase

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


class Booking(Workflow):
    """Three steps to undo and one that fails."""

    class Meta(WorkflowMeta):
        abstract = True

    did: list[Any] = []

    @step
    def a(self, data: Any) -> Any:
        return {**data, "a": 1}

    @a.compensate
    def un_a(self, data: Any) -> Any:
        self.did.append(("a", data))

    @step
    def b(self, data: Any) -> Any:
        return {**data, "b": 1}

    @b.compensate
    def un_b(self, data: Any) -> Any:
        self.did.append(("b", data))

    @step
    def c(self, data: Any) -> Any:
        return {**data, "c": 1}

    @c.compensate
    def un_c(self, data: Any) -> Any:
        self.did.append(("c", data))

    @step
    def plain(self, data: Any) -> Any: ...

    @step
    def fails(self, data: Any) -> Any:
        raise Fail("no", type="declined")

    @step
    def waits(self, data: Any) -> Any:
        self.wait_for_event("never")

    @step
    def item(self, data: Any, item: Any, index: Any) -> Any:
        if item == "bad":
            raise Fail("bad", type="bad")
        return {**data, "item": item}

    @item.compensate
    def un_item(self, data: Any, item: Any, index: Any) -> Any:
        self.did.append((item, index))


B = Booking


class Sagas(Trees):
    """Sagas made of bookings."""

    def flow(self, *nodes: Any, name: str = "w", base: Any = Booking, **meta: Any) -> Any:
        """A booking with this flow."""
        options = type("Meta", (WorkflowMeta,), {"name": name, **meta})
        return type("W", (base,), {"flow": chain(*nodes), "Meta": options, "did": self.did})

    def undone(self) -> list[Any]:
        return [name for name, _ in self.did]


class SagaTestCase(Sagas, TreeTestCase):
    """Sagas in one test transaction."""


class OrderTests(SagaTestCase):
    def test_newest_first_with_the_data_as_each_step_left_it(self) -> None:
        execution = run(self.flow(B.a, B.plain, B.b, B.c, B.fails))
        self.assertEnded(execution, "compensated", "declined")
        self.assertEqual(
            self.did,
            [
                ("c", {"a": 1, "b": 1, "c": 1}),
                ("b", {"a": 1, "b": 1}),
                ("a", {"a": 1}),
            ],
        )
        self.assertUndone(execution, "c", "b", "a")

    def test_without_anything_to_undo_it_has_failed(self) -> None:
        self.assertEnded(run(self.flow(B.plain, B.fails)), "failed", "declined")

    def test_branches_items_rounds_and_children_in_one_order(self) -> None:
        grand = self.flow(B.c, name="grand")
        child = self.flow(B.b, call_workflow(grand), name="child")
        for frozen in (False, True):
            with self.subTest(frozen=frozen):
                self.did.clear()
                w = self.flow(
                    B.a,
                    parallel(x=chain(B.a.named("x1"), B.a.named("x2"))),
                    foreach("items", B.item),
                    repeat(B.b, until=lambda data: len(data) > 0),
                    call_workflow(child),
                    B.c.named("last"),
                    B.fails,
                    name=f"w{frozen}",
                )
                if frozen:
                    with time_travel(NOON):
                        execution = run(w, {"items": ["i", "j"]})
                else:
                    execution = run(w, {"items": ["i", "j"]})
                self.assertEnded(execution, "compensated", "declined")
                self.assertEqual(self.undone(), ["c", "c", "b", "b", "j", "i", "a", "a", "a"])
                self.assertEqual(execution.compensations.count(), 9)
                self.assertEqual(execution.compensations.exclude(status="completed").count(), 0)

    def test_every_round_of_a_loop_is_undone_with_its_own_data(self) -> None:
        did = self.did

        class W(Workflow):
            @step
            def up(self, data: Any) -> Any:
                return {"n": data["n"] + 1}

            @up.compensate
            def down(self, data: Any) -> Any:
                did.append(data["n"])

            @step
            def fails(self, data: Any) -> Any:
                raise ValueError("no")

            flow = chain(repeat(up, until=lambda data: data["n"] == 3), fails)

        self.assertEnded(run(W, {"n": 0}), "compensated")
        self.assertEqual(did, [3, 2, 1])

    def test_a_failed_branch_item_or_child_undoes_what_its_siblings_and_it_have_done(self) -> None:
        child = self.flow(B.b, B.fails, name="child")
        for name, node, error, undone in (
            (
                "branch",
                parallel(y=B.c, x=chain(B.b, B.fails), on_error="complete_all"),
                "ParallelFailed",
                {"b", "c", "a"},
            ),
            ("items", foreach("items", B.item, concurrency=3), "ForeachFailed", {"i", "j", "a"}),
            ("caller", call_workflow(child), "ChildFailed", {"b", "a"}),
        ):
            with self.subTest(name):
                self.did.clear()
                execution = run(self.flow(B.a, node, name=name), {"items": ["i", "bad", "j"]})
                self.assertEnded(execution, "compensated", error)
                self.assertEqual(set(self.undone()), undone)
                self.assertEqual(len(self.did), len(undone))
                self.assertEqual(self.undone()[-1], "a")

    def test_the_child_undoes_itself_and_the_parent_does_not_do_it_again(self) -> None:
        child = self.flow(B.b, B.fails, name="child")
        execution = run(self.flow(B.a, call_workflow(child)))
        self.assertEnded(execution, "compensated", "ChildFailed")
        self.assertEqual(self.undone(), ["b", "a"])
        self.assertEqual(Execution.objects.get(workflow="child").status, "compensated")

    def test_started_workflows_are_left_alone(self) -> None:
        other = self.flow(B.b, name="other")

        class W(Booking):
            @step
            def begin(self, data: Any) -> Any:
                return {**data, "id": self.start_workflow(other)}

            flow = chain(begin, B.fails)

        self.assertEnded(run(W), "failed")
        self.assertEqual(self.did, [])

    def test_self_is_that_of_the_step_also_in_a_child(self) -> None:
        seen: list[Any] = []

        class Child(Workflow):
            @step(atomic=False)
            def book(self, data: Any) -> Any:
                seen.append((self.id, self.input))

            @book.compensate
            def unbook(self, data: Any) -> Any:
                seen.append((self.id, self.input))
                seen.append(self.error["type"])

        execution = run(
            self.flow(call_workflow(Child, input="child"), B.fails), {"child": {"n": 1}}
        )
        self.assertEnded(execution, "compensated")
        self.assertEqual(seen[0], seen[1])
        self.assertEqual((seen[0][1], seen[2]), ({"n": 1}, "declined"))


class OwnOptionsTests(SagaTestCase):
    def one(self, body: Any, *, compensate: Any = None, is_async: bool = False, **meta: Any) -> Any:
        """A workflow whose one step has this compensation, and fails after it."""
        options = compensate or {}

        class W(Workflow):
            class Meta(WorkflowMeta):
                name = "one"

            @step
            def first(self, data: Any) -> Any: ...

            @first.compensate
            def un_first(self, data: Any) -> Any:
                meta_did.append("first")

            @step
            def book(self, data: Any) -> Any:
                return {**data, "booked": 1}

            unbook = book.compensate(**options)(body)

            @step
            def fails(self, data: Any) -> Any:
                raise Fail("no", type="declined")

        meta_did = self.did
        return W

    def test_retries_of_its_own(self) -> None:
        did = self.did

        def body(self: Any, data: Any) -> Any:
            did.append(self.attempt)
            if self.attempt < 3:
                raise ValueError("again")

        w = self.one(body, compensate={"retry": Retry(max_attempts=3, base=minutes(5), jitter=0)})
        with time_travel():
            execution = run(w)
            self.assertEqual((execution.status, did), ("compensating", [1]))
            advance(hours=1)
            self.assertEnded(execution, "compensated", "declined")
        self.assertEqual(did, [1, 2, 3, "first"])
        self.assertEqual(
            [run.status for run in execution.compensations.order_by("started_at", "id")],
            ["failed", "failed", "completed", "completed"],
        )

    def test_a_timeout_of_its_own(self) -> None:
        def body(self: Any, data: Any) -> Any:
            clock.set_frozen(self.now() + seconds(10))

        with time_travel():
            execution = run(self.one(body, compensate={"timeout": seconds(5)}))
            self.assertEnded(execution, "compensation_failed", "declined")
        failed = execution.compensations.get(status="failed")
        self.assertEqual(failed.error["type"], "StepTimeout")
        self.assertEqual(self.did, ["first"])

    def test_waits_approvals_and_async(self) -> None:
        did = self.did

        def asks(self: Any, data: Any) -> Any:
            decision = self.wait_for_approval("undo")
            did.append((str(decision), self.wait_for_event("go")))

        execution = run(self.one(asks))
        self.assertStands(execution, "compensating")
        durable.provide_input(execution.id, "undo", "approved")
        drain()
        self.assertStands(execution, "compensating")
        durable.send_event(execution.id, "go", 7)
        drain()
        self.assertEnded(execution, "compensated")
        self.assertEqual(did, [("approved", 7), "first"])

    def test_async_bodies(self) -> None:
        did = self.did

        async def nap(self: Any, data: Any) -> Any:
            await asyncio.sleep(0)
            await self.asleep(hours(1))
            did.append("nap")

        with time_travel():
            execution = run(self.one(nap))
            advance(hours=2)
            self.assertEnded(execution, "compensated")
        self.assertEqual(did, ["nap", "first"])

    def test_an_atomic_one_that_fails_leaves_nothing_and_one_that_runs_commits_once(self) -> None:
        from tests.shop.models import Effect

        def writes(self: Any, data: Any) -> Any:
            Effect.objects.create(key=f"undo{self.attempt}")
            if self.attempt == 1:
                raise ValueError("x")

        w = self.one(writes, compensate={"retry": Retry(max_attempts=2, base=seconds(1))})
        with time_travel():
            execution = run(w)
            advance(minutes=1)
        self.assertEnded(execution, "compensated")
        self.assertEqual(list(Effect.objects.values_list("key", flat=True)), ["undo2"])

    def test_a_child_called_by_a_compensation_is_not_undone(self) -> None:
        did = self.did

        class Refund(Workflow):
            @step
            def refund(self, data: Any) -> Any:
                did.append("refund")
                return {"n": 1}

            @refund.compensate
            def unrefund(self, data: Any) -> Any:
                did.append("unrefund")

        def body(self: Any, data: Any) -> Any:
            did.append(self.call_workflow(Refund, {}))

        execution = run(self.one(body))
        self.assertEnded(execution, "compensated")
        self.assertEqual(did, ["refund", {"n": 1}, "first"])

    def test_the_timeout_of_the_workflow_does_not_bound_them(self) -> None:
        did = self.did

        class W(Booking):
            class Meta(WorkflowMeta):
                timeout = hours(1)

            @step
            def book(self, data: Any) -> Any: ...

            @book.compensate(retry=Retry(max_attempts=2, base=hours(3), jitter=0))
            def unbook(self, data: Any) -> Any:
                self.sleep(hours(5))
                if self.attempt == 1:
                    raise ValueError("once")
                did.append("unbook")

            flow = chain(book, B.waits)

        with time_travel():
            execution = run(W)
            advance(hours=20)
            self.assertEnded(execution, "compensated", "WorkflowTimeout")
        self.assertEqual(did, ["unbook"])


class FailedTests(SagaTestCase):
    def flaky(self, broken: list[int]) -> Any:
        did = self.did

        class W(Booking):
            @step
            def flaky(self, data: Any) -> Any: ...

            @flaky.compensate
            def unflaky(self, data: Any) -> Any:
                if broken:
                    raise ValueError("stuck")
                did.append(("flaky", self.error["type"]))

            flow = chain(B.a, flaky, B.b, B.fails)

        W.did = self.did
        return W

    def test_the_rest_still_runs_and_retry_runs_the_failed_one_again(self) -> None:
        broken = [1]
        execution = run(self.flaky(broken))
        self.assertEnded(execution, "compensation_failed", "declined")
        self.assertEqual(self.undone(), ["b", "a"])
        durable.retry(execution.id)
        drain()
        self.assertEnded(execution, "compensation_failed", "declined")
        broken.clear()
        durable.retry(execution.id)
        drain()
        self.assertEnded(execution, "compensated", "declined")
        self.assertEqual(self.undone(), ["b", "a", "flaky"])
        self.assertEqual(self.did[-1][1], "declined")
        self.assertUndone(execution, "b", "a", "flaky")
        self.assertEqual(AuditEntry.objects.filter(action="retry").count(), 2)

    def test_one_that_waited_and_failed_waits_again_after_a_retry(self) -> None:
        did = self.did

        class W(Booking):
            @step
            def book(self, data: Any) -> Any: ...

            @book.compensate
            def unbook(self, data: Any) -> Any:
                self.wait_for_event("first")
                self.wait_for_event("second", timeout=hours(1))
                did.append("unbook")

            flow = chain(book, B.fails)

        with time_travel():
            execution = run(W)
            durable.send_event(execution.id, "first")
            advance(hours=2)
            self.assertEnded(execution, "compensation_failed")
            durable.retry(execution.id)
            drain()
            self.assertStands(execution, "compensating")
            durable.send_event(execution.id, "second")
            drain()
        self.assertEnded(execution, "compensated")
        self.assertEqual(did, ["unbook"])

    def test_a_child_that_could_not_undo_itself_is_undone_by_its_parent(self) -> None:
        broken = [1]
        child = self.flaky(broken)
        execution = run(self.flow(B.c, call_workflow(child), name="parent"))
        self.assertEnded(execution, "compensation_failed", "ChildFailed")
        broken.clear()
        durable.retry(execution.id)
        drain()
        self.assertEnded(execution, "compensated", "ChildFailed")
        self.assertEqual(self.undone(), ["b", "a", "c", "flaky"])


class AlwaysTests(SagaTestCase):
    def always(self, charge: Any, **options: Any) -> Any:
        did = self.did

        class W(Booking):
            class Meta(WorkflowMeta):
                max_recoveries = 1

            body = step(atomic=False, name="charge", **options)(charge)

            @body.compensate(always=True)
            def refund(self, data: Any) -> Any:
                did.append(("refund", data))

            flow = chain(B.a, body)

        W.did = self.did
        return W

    def test_after_a_timeout_it_runs_with_the_data_that_the_step_got(self) -> None:
        def charge(self: Any, data: Any) -> Any:
            raise StepTimeout("took too long")

        execution = run(self.always(charge))
        self.assertEnded(execution, "compensated", "StepTimeout")
        self.assertEqual(self.did, [("refund", {"a": 1}), ("a", {"a": 1})])

    def test_after_a_failure_it_does_not_run(self) -> None:
        def charge(self: Any, data: Any) -> Any:
            raise ValueError("nothing was charged")

        self.assertEnded(run(self.always(charge)), "compensated", "ValueError")
        self.assertEqual(self.undone(), ["a"])

    def test_an_unknown_attempt_stays_unknown_when_a_later_one_fails(self) -> None:
        def charge(self: Any, data: Any) -> Any:
            if self.attempt == 1:
                raise StepTimeout("took too long")
            raise ValueError("no")

        w = self.always(charge, retry=Retry(max_attempts=2, base=seconds(1)))
        with time_travel():
            execution = run(w)
            advance(minutes=1)
        self.assertEnded(execution, "compensated", "ValueError")
        self.assertEqual(self.undone(), ["refund", "a"])

    def test_when_it_has_completed_after_all_it_runs_once(self) -> None:
        def charge(self: Any, data: Any) -> Any:
            if self.attempt < 3:
                raise StepTimeout("took too long")

        w = self.always(charge, retry=Retry(max_attempts=3, base=seconds(1)))
        w = type("V", (w,), {"flow": chain(w.body, B.fails), "did": self.did})
        with time_travel():
            execution = run(w)
            advance(minutes=1)
        self.assertEnded(execution, "compensated", "declined")
        self.assertEqual(self.undone(), ["refund"])

    def test_workers_that_died_in_it_and_then_a_cancellation_or_the_limit(self) -> None:
        def charge(self: Any, data: Any) -> Any:
            raise AssertionError("a worker that lives")

        w = self.always(charge)
        execution = durable.start(w)
        die_at("body.after")
        self.assertEqual(Execution.objects.get().path, "a")
        worker = a_worker()
        claim = claim_as(worker)
        Execution.objects.filter(pk=execution.pk).update(path="charge")
        claim.at = replace(claim.at, path="charge")
        bury(worker)
        durable.cancel(execution.id, compensate=True)
        drain()
        self.assertEnded(execution, "compensated")
        self.assertEqual(self.undone(), ["refund"])


class CauseTests(SagaTestCase):
    def test_the_workflows_time_is_over_in_a_wait_in_a_block_and_in_a_child(self) -> None:
        child = self.flow(B.b, B.waits, name="child")
        for name, node, undone in (
            ("wait", B.waits, ["a"]),
            ("block", parallel(x=chain(B.b, B.waits), y=B.c), None),
            ("caller", call_workflow(child), ["b", "a"]),
        ):
            with self.subTest(name), time_travel():
                self.did.clear()
                w = self.flow(B.a, node, name=name, timeout=hours(1))
                execution = run(w, {"items": ["i"]})
                self.assertStands(execution, "waiting")
                advance(hours=2)
                self.assertEnded(execution, "compensated", "WorkflowTimeout")
                if undone is None:
                    self.assertEqual(sorted(self.undone()), ["a", "b", "c"])
                else:
                    self.assertEqual(self.undone(), undone)

    def test_cancel_with_compensate_in_each_status(self) -> None:
        child = self.flow(B.b, B.waits, name="child")
        w = self.flow(B.a, B.waits)
        with self.subTest("pending"):
            execution = durable.start(w)
            durable.cancel(execution.id, compensate=True)
            drain()
            self.assertEnded(execution, "compensated")
        with self.subTest("waiting"):
            execution = run(w)
            durable.cancel(execution.id, compensate=True)
            drain()
            self.assertEnded(execution, "compensated")
            self.assertEqual(self.undone(), ["a"])
        with self.subTest("paused"):
            self.did.clear()
            execution = run(w)
            durable.pause(execution.id)
            durable.cancel(execution.id, compensate=True)
            drain()
            self.assertEnded(execution, "compensated")
            self.assertEqual(self.undone(), ["a"])
        with self.subTest("blocked"):
            self.did.clear()
            execution = run(w)
            Execution.objects.filter(pk=execution.pk).blocked("code", None)
            durable.cancel(execution.id, compensate=True)
            drain()
            self.assertEnded(execution, "compensated")
            self.assertEqual(self.undone(), ["a"])
        with self.subTest("in a block"):
            self.did.clear()
            execution = run(self.flow(B.a, parallel(x=chain(B.b, B.waits), y=B.c), name="block"))
            durable.cancel(execution.id, compensate=True)
            drain()
            self.assertEnded(execution, "compensated")
            self.assertEqual(sorted(self.undone()), ["a", "b", "c"])
        with self.subTest("in a child"):
            self.did.clear()
            execution = run(self.flow(B.a, call_workflow(child), name="caller"))
            durable.cancel(execution.id, compensate=True)
            drain()
            self.assertEnded(execution, "compensated")
            self.assertEqual(self.undone(), ["b", "a"])

    def test_cancel_while_a_step_runs_undoes_that_step_too(self) -> None:
        class W(Booking):
            @step(atomic=False)
            def running(self, data: Any) -> Any:
                durable.cancel(self.id, compensate=True)

            @running.compensate
            def unrun(self, data: Any) -> Any:
                self.did.append(("running", data))

            flow = chain(B.a, running, B.b)

        W.did = self.did
        execution = run(W)
        self.assertEnded(execution, "compensated")
        self.assertEqual(self.undone(), ["running", "a"])

    def test_a_rollback_is_not_cancelled_nor_paused(self) -> None:
        class W(Booking):
            @step
            def book(self, data: Any) -> Any: ...

            @book.compensate
            def unbook(self, data: Any) -> Any:
                self.wait_for_event("go")

            flow = chain(book, B.fails)

        execution = run(W)
        for verb in (durable.cancel, durable.pause, durable.resume, durable.retry):
            with self.assertRaises(InvalidTransition):
                verb(execution.id)
        durable.send_event(execution.id, "go")
        drain()
        self.assertEnded(execution, "compensated")


class HoldTests(SagaTestCase):
    def test_it_stays_failed_until_compensate(self) -> None:
        execution = run(self.flow(B.a, parallel(B.b, B.c), B.fails, on_failure="hold"))
        self.assertEnded(execution, "failed", "declined")
        self.assertEqual(self.did, [])
        durable.compensate(execution.id)
        drain()
        self.assertEnded(execution, "compensated", "declined")
        self.assertEqual(self.undone()[-1], "a")
        self.assertEqual(len(self.did), 3)
        self.assertEqual(AuditEntry.objects.get(action="compensate").before, "failed")
        with self.assertRaises(InvalidTransition):
            durable.compensate(execution.id)

    def test_it_stays_failed_until_retry(self) -> None:
        w = self.flow(B.a, B.fails, on_failure="hold")
        execution = run(w)
        self.assertEnded(execution, "failed")
        durable.retry(execution.id)
        drain()
        self.assertEnded(execution, "failed")
        self.assertEqual(self.did, [])

    def test_without_anything_to_undo_compensate_is_refused(self) -> None:
        execution = run(self.flow(B.plain, B.fails, on_failure="hold"))
        with self.assertRaisesRegex(InvalidTransition, "no completed step"):
            durable.compensate(execution.id)
        self.assertEnded(execution, "failed")

    def test_a_held_child_is_undone_by_its_parent_or_by_hand(self) -> None:
        child = self.flow(B.b, B.fails, name="child", on_failure="hold")
        execution = run(self.flow(B.a, call_workflow(child), name="strict"))
        self.assertEnded(execution, "compensated", "ChildFailed")
        self.assertEqual(self.undone(), ["b", "a"])
        self.did.clear()

        class Lenient(Booking):
            @step
            def call(self, data: Any) -> Any:
                try:
                    self.call_workflow(child)
                except durable.ChildFailed:
                    return {**data, "failed": True}

            flow = chain(B.a, call)

        Lenient.did = self.did
        execution = run(Lenient)
        self.assertEnded(execution, "completed")
        held = Execution.objects.get(parent=execution)
        with self.assertRaises(InvalidTransition):
            durable.retry(held.id)
        durable.compensate(held.id)
        drain()
        self.assertEnded(held, "compensated")
        self.assertEqual(self.undone(), ["b"])


class LackingTests(SagaTestCase):
    """A worker that has the parent and lacks the class of a child never passes it over."""

    def grown(self, *after: Any) -> Execution:
        """A parent that waits after its child has completed; the child's class is gone again."""
        parent = self.flow(B.a, call_workflow("child"), wait_for_event("go"), *after, name="parent")
        with isolate_workflows():
            self.flow(B.b, name="child")
            execution = run(parent)
        self.assertStands(execution, "waiting")
        durable.send_event(execution.id, "go")
        return execution

    def assertLacks(self, execution: Execution) -> None:
        self.assertStands(execution, "blocked")
        self.assertEqual(execution.error["type"], "NoWorker")
        self.assertIn("child@1", execution.error["message"])

    def test_it_is_blocked_until_a_worker_has_it_and_then_undone_in_order(self) -> None:
        execution = self.grown(B.c, B.fails)
        drain()
        self.assertLacks(execution)
        self.assertEqual(self.undone(), ["c"])
        drain()
        self.assertLacks(execution)
        self.flow(B.b, name="child")
        drain()
        self.assertEnded(execution, "compensated", "declined")
        self.assertEqual(self.undone(), ["c", "b", "a"])

    def test_another_worker_that_has_it_gets_it_to_do(self) -> None:
        execution = self.grown(B.fails)
        drain()
        self.assertLacks(execution)
        workers.register("other", ["default"], ["child@1"], minutes(1), listening=False)
        workers.block_orphans(["parent@1"])
        self.assertLacks(execution)
        workers.block_orphans(["parent@1", "child@1"])  # what it does every few seconds
        execution.refresh_from_db()
        self.assertEqual((execution.status, execution.blocked_by), ("pending", ""))

    def test_it_may_be_gone_while_the_compensation_is_under_way(self) -> None:
        parent = self.flow(call_workflow("child"), B.fails, name="parent")
        with isolate_workflows():
            self.flow(B.b, name="child")
            execution = durable.start(parent)
            for _ in range(3):
                runner.run(claim_as(a_worker()), InlineSession())
                report_due()
            die_at("body.before")
        drain()
        self.assertLacks(execution)
        self.flow(B.b, name="child")
        drain()
        self.assertEnded(execution, "compensated", "declined")
        self.assertEqual(self.undone(), ["b"])

    def test_without_a_failure_nobody_asks_for_it(self) -> None:
        execution = self.grown(B.c)
        drain()
        self.assertEnded(execution, "completed")


class CrashTests(Sagas, CommittingTreeTestCase):
    """A worker dies in a rollback: another goes on where it was."""

    def test_at_each_point_of_the_rollback(self) -> None:
        for point in (
            "body.before",
            "body.after",
            "checkpoint.before_commit",
            "checkpoint.after_commit",
        ):
            with self.subTest(point=point):
                self.did.clear()
                w = self.flow(B.a, B.b, B.fails, name=f"w_{point.replace('.', '_')}")
                execution = durable.start(w)
                with mock.patch.object(Booking, "did", self.did):
                    die_at("failure.after_commit")
                    execution.refresh_from_db()
                    self.assertTrue(execution.path.startswith("~"), execution.path)
                    die_at(point)
                    drain()
                self.assertEnded(execution, "compensated", "declined")
                self.assertUndone(execution, "b", "a")
                self.assertLessEqual(len(self.did), 3)

    def test_a_compensation_that_kills_workers_fails_and_the_rest_runs(self) -> None:
        w = self.flow(B.a, B.b, B.fails, max_recoveries=1)
        execution = durable.start(w)
        die_at("failure.after_commit")
        for _ in range(2):
            die_at("body.before")
        drain()
        self.assertEnded(execution, "compensation_failed", "declined")
        self.assertEqual(self.undone(), ["a"])
        failed = StepRun.objects.get(compensation=True, status="failed")
        self.assertEqual((failed.path, failed.error["type"]), ("b", "StepCrashed"))

    def test_code_that_lacks_the_compensation_blocks_it_until_it_is_there(self) -> None:
        execution = durable.start(self.flow(B.a, B.fails))
        die_at("failure.after_commit")
        die_at("body.before")
        gone = mock.patch("durable.engine.run.runner.rollback.undo_at", return_value=None)
        with gone:
            drain()
        execution.refresh_from_db()
        self.assertEqual(execution.status, "blocked")
        with self.assertRaises(InvalidTransition):
            durable.cancel(execution.id)
        durable.retry(execution.id)
        drain()
        self.assertEnded(execution, "compensated", "declined")
