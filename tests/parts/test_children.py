"""Child workflows: called and awaited, or started and left."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import durable
from durable import (
    ChildFailed,
    Fail,
    Retry,
    WaitTimeout,
    Workflow,
    WorkflowMeta,
    call_workflow,
    chain,
    days,
    foreach,
    hours,
    minutes,
    parallel,
    seconds,
    step,
)
from durable.errors import InvalidTransition
from durable.models import Execution, Wait
from durable.states import Status, WaitStatus
from durable.testing import advance, drain, run, time_travel
from tests.life.cases import a_worker, bury, claim_as, die_at
from tests.parts.leftovers import CommittingTreeTestCase, TreeTestCase


class Child(Workflow):
    """Does what its input says."""

    class Meta(WorkflowMeta):
        abstract = True

    @step
    def work(self, data: Any) -> Any:
        match data.get("do"):
            case "fail":
                raise Fail("child says no", type="declined", details={"n": 1})
            case "wait":
                return {"got": self.wait_for_event("go")}
            case "nap":
                self.sleep(hours(1))
        return {"n": data.get("n", 0) * 2}


class ChildCase(TreeTestCase):
    def setUp(self) -> None:
        super().setUp()

        class C(Child):
            class Meta(WorkflowMeta):
                name = "c"

        self.child: Any = C

    def parent(self, call: Any, **meta: Any) -> Any:
        """A parent whose one step does ``call(self, data)``."""
        options = type("Meta", (WorkflowMeta,), {"name": "parent", **meta})
        return type("P", (Workflow,), {"Meta": options, "go": step(name="go")(call)})


class CallTests(ChildCase):
    def test_it_returns_the_childs_final_data_and_runs_it_once(self) -> None:
        child = self.child

        def call(self: Any, data: Any) -> Any:
            first = self.call_workflow(child, {"n": 1})
            second = self.call_workflow(child, {"n": first["n"]})
            third = self.call_workflow("c", {"n": second["n"]}, ref="third")
            return {"n": third["n"]}

        execution = run(self.parent(call))
        self.assertEnded(execution, "completed")
        self.assertEqual(execution.data, {"n": 8})
        self.assertEqual(execution.children.count(), 3)
        self.assertEqual(Wait.objects.filter(name="third").count(), 1)
        self.assertEqual({c.parent_id for c in execution.children.all()}, {execution.id})

    def test_a_failed_child_raises_with_its_error(self) -> None:
        child = self.child

        def call(self: Any, data: Any) -> Any:
            self.call_workflow(child, {"do": "fail"})

        execution = run(self.parent(call))
        self.assertEnded(execution, "failed", "ChildFailed")
        error = execution.error["details"]["error"]
        self.assertEqual((error["type"], error["details"]), ("declined", {"n": 1}))
        self.assertIn("child says no", execution.error["message"])

    def test_a_cancelled_and_a_compensated_child_raise_too(self) -> None:
        child = self.child

        def call(self: Any, data: Any) -> Any:
            try:
                self.call_workflow(child, {"do": "wait"})
            except ChildFailed as failed:
                return {"message": str(failed), "error": failed.error}

        for compensate, word in ((False, "cancelled"), (True, "compensated")):
            execution = run(self.parent(call))
            self.assertStands(execution, "waiting")
            durable.cancel(execution.children.get().id, "enough", compensate=compensate)
            drain()
            self.assertEnded(execution, "completed")
            self.assertIn(word, execution.data["message"])
            self.assertEqual(execution.data["error"]["message"], "enough")

    def test_retries_of_the_step_get_the_recorded_answer(self) -> None:
        child = self.child

        class P(Workflow):
            @step(retry=Retry(max_attempts=2, base=seconds(1)))
            def go(self, data: Any) -> Any:
                got = self.call_workflow(child, {"n": 1})
                if self.attempt == 1:
                    raise ValueError("once")
                return got

        with time_travel():
            execution = run(P)
            advance(minutes=1)
        self.assertEnded(execution, "completed")
        self.assertEqual(execution.children.count(), 1)

    def test_the_timeout_cancels_the_child_and_gives_the_value_or_raises(self) -> None:
        child = self.child

        def value(self: Any, data: Any) -> Any:
            got = self.call_workflow(child, {"do": "wait"}, timeout=hours(1), timeout_value=None)
            return {"got": got}

        def raises(self: Any, data: Any) -> Any:
            try:
                self.call_workflow(child, {"do": "wait"}, timeout=hours(1))
            except WaitTimeout:
                return {"got": "timeout"}

        for call, got in ((value, None), (raises, "timeout")):
            with time_travel():
                execution = run(self.parent(call))
                self.assertStands(execution, "waiting")
                advance(hours=2)
                self.assertEnded(execution, "completed")
            self.assertEqual(execution.data, {"got": got})
            self.assertEqual(execution.children.get().status, "cancelled")

    def test_a_child_of_an_unknown_workflow_fails_the_step(self) -> None:
        def call(self: Any, data: Any) -> Any:
            self.call_workflow("no_such", {})

        def start(self: Any, data: Any) -> Any:
            self.start_workflow("no_such", {})

        for body in (call, start):
            execution = run(self.parent(body))
            self.assertEnded(execution, "failed", "WorkflowNotFound")
            self.assertIn("no_such", execution.error["message"])

    def test_input_that_is_not_storable_fails_the_step(self) -> None:
        child = self.child

        def call(self: Any, data: Any) -> Any:
            self.call_workflow(child, {"x": object()})

        self.assertEnded(run(self.parent(call)), "failed", "NotSerializable")

    def test_events_to_the_parent_do_not_reach_the_child(self) -> None:
        child = self.child

        def call(self: Any, data: Any) -> Any:
            return self.call_workflow(child, {"do": "wait"})

        execution = run(self.parent(call))
        durable.send_event(execution.id, "go", "wrong")
        drain()
        self.assertStands(execution, "waiting")
        durable.send_event(execution.children.get().id, "go", "right")
        drain()
        self.assertEnded(execution, "completed")
        self.assertEqual(execution.data, {"got": "right"})

    def test_nested_in_branches_items_and_children(self) -> None:
        child = self.child

        class Middle(Workflow):
            flow = chain(
                foreach(
                    "items",
                    call_workflow(child, input=lambda data, item, index: {"n": item}, into="got"),
                    collect_as="all",
                    concurrency=2,
                )
            )

        class P(Workflow):
            flow = chain(
                parallel(
                    a=call_workflow(child, input="order", into="a"),
                    b=call_workflow(Middle, into="b"),
                )
            )

        execution = run(P, {"order": {"n": 4}, "items": [1, 2, 3]})
        self.assertEnded(execution, "completed")
        self.assertEqual(execution.data["a"], {"n": 8})
        self.assertEqual([one["got"]["n"] for one in execution.data["b"]["all"]], [2, 4, 6])

    def test_standing_without_into_passes_the_data_on(self) -> None:
        class P(Workflow):
            flow = chain(call_workflow(self.child))

        execution = run(P, {"n": 2})
        self.assertEnded(execution, "completed")
        self.assertEqual(execution.data, {"n": 2})

    def test_paused_while_the_child_ends(self) -> None:
        child = self.child

        def call(self: Any, data: Any) -> Any:
            return self.call_workflow(child, {"do": "wait"})

        execution = run(self.parent(call, timeout=days(1)))
        durable.pause(execution.id)
        durable.send_event(execution.children.get().id, "go", 1)
        drain()
        self.assertStands(execution, "paused")
        durable.resume(execution.id)
        drain()
        self.assertEnded(execution, "completed")

    def test_paused_and_resumed_before_the_child_ends(self) -> None:
        child = self.child

        def call(self: Any, data: Any) -> Any:
            return self.call_workflow(child, {"do": "wait"})

        execution = run(self.parent(call, timeout=days(1)))
        durable.pause(execution.id)
        drain()
        durable.resume(execution.id)
        drain()
        self.assertStands(execution, "waiting")
        durable.send_event(execution.children.get().id, "go", 1)
        drain()
        self.assertEnded(execution, "completed")

    def test_retry_continues_a_failed_child_in_place(self) -> None:
        broken, charged = [1], []

        class Flaky(Workflow):
            @step
            def charge(self, data: Any) -> Any:
                charged.append(self.idempotency_key)

            @step
            def work(self, data: Any) -> Any:
                if broken:
                    raise ValueError("broken")
                return {"ok": 1}

        def call(self: Any, data: Any) -> Any:
            first = self.call_workflow(fine, {"n": 1})
            return {"first": first, "got": self.call_workflow(Flaky)}

        fine = self.child
        execution = run(self.parent(call))
        self.assertEnded(execution, "failed", "ChildFailed")
        failed = Execution.objects.get(workflow="flaky")
        with self.assertRaisesRegex(InvalidTransition, str(execution.id)):
            durable.retry(failed.id)
        durable.retry(execution.id)
        drain()
        self.assertEnded(execution, "failed", "ChildFailed")
        broken.clear()
        durable.retry(execution.id)
        drain()
        self.assertEnded(execution, "completed")
        self.assertEqual(execution.data["got"], {"ok": 1})
        self.assertEqual(Execution.objects.get(workflow="flaky").pk, failed.pk)
        self.assertEqual(len(charged), 1)
        self.assertEqual(failed.steps.filter(path="work").count(), 3)
        self.assertEqual(Execution.objects.filter(workflow="c").count(), 1)

    def test_however_deep_it_lies_in_children_branches_and_items(self) -> None:
        broken, acted = [1], []

        class Leaf(Workflow):
            @step
            def act(self, data: Any) -> Any:
                acted.append(data["n"])

            @step
            def work(self, data: Any) -> Any:
                if broken and data["n"] == 2:
                    raise ValueError("broken")
                if data["n"] == 3:
                    self.wait_for_event("go")

        class Middle(Workflow):
            @step
            def call(self, data: Any, item: Any, index: int) -> Any:
                self.call_workflow(Leaf, {"n": item})

            flow = chain(
                parallel(
                    a=foreach("items", call, name="a", concurrency=2),
                    b=call_workflow(Leaf, input=lambda data: {"n": 3}),
                )
            )

        def call(self: Any, data: Any) -> Any:
            self.call_workflow(Middle, {"items": [1, 2]})

        execution = run(self.parent(call))
        self.assertEnded(execution, "failed", "ChildFailed")
        stopped = Execution.objects.get(workflow="leaf", status="cancelled")
        self.assertEqual((stopped.input, len(acted)), ({"n": 3}, 3))
        before = set(Execution.objects.values_list("pk", flat=True))
        broken.clear()
        durable.retry(execution.id)
        drain()
        durable.send_event(stopped.id, "go")
        drain()
        self.assertEnded(execution, "completed")
        self.assertEqual(set(Execution.objects.values_list("pk", flat=True)), before)
        self.assertEqual(sorted(acted), [1, 2, 3])
        stopped.refresh_from_db()
        self.assertEqual((stopped.cancel_reason, stopped.error), ("", None))

    def test_the_timeout_of_the_call_begins_anew_and_the_child_may_fail_again(self) -> None:
        broken = [1]

        class Flaky(Workflow):
            @step
            def work(self, data: Any) -> Any:
                if broken:
                    raise Fail("broken")
                self.wait_for_event("go")

        def call(self: Any, data: Any) -> Any:
            self.call_workflow(Flaky, timeout=hours(1))

        with time_travel():
            execution = run(self.parent(call))
            self.assertEnded(execution, "failed", "ChildFailed")
            advance(hours=2)
            durable.retry(execution.id)
            drain()
            self.assertEnded(execution, "failed", "ChildFailed")
            broken.clear()
            durable.retry(execution.id)
            drain()
            advance(minutes=59)
            self.assertStands(execution, "waiting")
            advance(minutes=2)
            self.assertEnded(execution, "failed", "WaitTimeout")

    def test_a_child_that_was_undone_cancelled_or_timed_out_is_called_anew(self) -> None:
        fixed: list[int] = []

        class Plain(Workflow):
            @step
            def act(self, data: Any) -> Any: ...

            @step
            def work(self, data: Any) -> Any:
                if fixed:
                    return
                if data["do"] == "fail":
                    raise Fail("no")
                self.wait_for_event("go")

        class Undone(Plain):
            act = Plain.act

            @act.compensate
            def undo(self, data: Any) -> Any: ...

        def call(self: Any, data: Any) -> Any:
            called = Undone if data["do"] == "fail" else Plain
            self.call_workflow(called, data, timeout=hours(1))

        for do in ("fail", "cancel", "time out"):
            fixed.clear()
            with time_travel(), self.subTest(do):
                execution = run(self.parent(call), {"do": do})
                if do == "cancel":
                    durable.cancel(execution.children.get().pk)
                    drain()
                advance(hours=2)
                execution.refresh_from_db()
                self.assertEqual(execution.status, "failed")
                fixed.append(1)
                durable.retry(execution.id)
                drain()
                self.assertEnded(execution, "completed")
                self.assertEqual(execution.children.count(), 2)

    def test_a_child_that_ended_unheard_is_heard_by_the_retry(self) -> None:
        def call(self: Any, data: Any) -> Any:
            return {"got": self.call_workflow(child, {"do": "wait"})}

        child = self.child
        execution = run(self.parent(call, timeout=hours(1)))
        below = execution.children.get()
        row = Execution.objects.filter(pk=below.pk)
        row.held(below.pk)
        row.ended(Status.COMPLETED, None, report=False)
        Wait.objects.filter(execution=below).resolve(WaitStatus.CANCELLED)
        Execution.objects.filter(pk=execution.pk).update(deadline_at=execution.created_at)
        Execution.objects.filter(pk=execution.pk).due()
        drain()
        execution.refresh_from_db()
        self.assertEqual((execution.status, execution.error["type"]), ("failed", "WorkflowTimeout"))
        durable.retry(execution.id)
        drain()
        execution.refresh_from_db()
        self.assertEqual((execution.status, execution.children.count()), ("completed", 1))

    def test_what_a_child_or_a_wait_came_to_is_not_retried(self) -> None:
        child = self.child
        tries: list[str] = []

        def fails(self: Any, data: Any) -> Any:
            tries.append("child")
            self.call_workflow(child, {"do": "fail"})

        def waits(self: Any, data: Any) -> Any:
            tries.append("wait")
            self.wait_for_event("never", timeout=hours(1))

        for call, error in ((fails, "ChildFailed"), (waits, "WaitTimeout")):
            tries.clear()
            with time_travel():
                execution = run(self.parent(call, retry=Retry(max_attempts=5)))
                advance(days=1)
                self.assertEnded(execution, "failed", error)
            self.assertEqual(len(tries), 2)  # asked, told
            self.assertEqual(execution.steps.count(), 1)

    def test_retry_with_restart_step_asks_all_anew(self) -> None:
        child = self.child

        def call(self: Any, data: Any) -> Any:
            self.start_workflow(child, {"n": 5})
            self.call_workflow(child, {"n": 1})
            if not fixed:
                raise ValueError("no")

        fixed: list[int] = []
        execution = run(self.parent(call))
        self.assertEnded(execution, "failed")
        fixed.append(1)
        durable.retry(execution.id, restart_step=True)
        drain()
        self.assertEnded(execution, "completed")
        self.assertEqual(execution.children.count(), 4)

    def test_blocked_and_restarted(self) -> None:
        child = self.child

        def call(self: Any, data: Any) -> Any:
            self.start_workflow(child, {"n": 5})
            self.wait_for_event("renamed" if changed else "go")

        changed: list[int] = []
        execution = run(self.parent(call))
        changed.append(1)
        durable.send_event(execution.id, "go")
        drain()
        self.assertEqual(durable.get_execution(execution.id).status, "blocked")
        durable.retry(execution.id, restart_step=True)
        drain()
        self.assertStands(execution, "waiting")
        durable.send_event(execution.id, "renamed")
        drain()
        self.assertEnded(execution, "completed")
        self.assertEqual(execution.children.count(), 2)

    def test_rerun_calls_its_own_child(self) -> None:
        child = self.child

        def call(self: Any, data: Any) -> Any:
            return self.call_workflow(child, {"n": 1})

        execution = run(self.parent(call))
        again = durable.rerun(execution.id)
        drain()
        self.assertEnded(again, "completed")
        self.assertNotEqual(again.children.get().id, execution.children.get().id)


class RefTests(ChildCase):
    def test_ref_tells_children_apart_whatever_the_order_of_the_calls(self) -> None:
        order = ["a", "b"]

        def go(self: Any, data: Any) -> Any:
            found = {}
            for number, ref in enumerate(list(order)):
                found[ref] = self.call_workflow("c", {"n": number + 1}, ref=ref)["n"]
            started = {ref: str(self.start_workflow("c", {"n": 5}, ref=ref)) for ref in order}
            self.wait_for_event("go")
            return {"found": found, "started": started}

        execution = run(self.parent(go))
        order.reverse()
        durable.send_event(execution.id, "go")
        drain()
        self.assertEnded(execution, "completed")
        self.assertEqual(execution.data["found"], {"a": 2, "b": 4})
        self.assertEqual(len(set(execution.data["started"].values())), 2)
        self.assertEqual(execution.children.count(), 4)

    def test_a_child_carries_the_key_that_its_meta_names(self) -> None:
        class Paid(Workflow):
            class Meta(WorkflowMeta):
                key = "order"

            @step
            def wait(self, data: Any) -> Any:
                return {**data, "paid": self.wait_for_event("paid")}

        execution = run(self.parent(lambda self, data: self.call_workflow("paid", {"order": "7"})))
        durable.publish_event("paid", 5, key="7")
        drain()
        self.assertEnded(execution, "completed")
        self.assertEqual(execution.data, {"order": "7", "paid": 5})

    def test_a_child_is_of_the_highest_version_when_it_is_called(self) -> None:
        class Newer(Child):
            class Meta(WorkflowMeta):
                name = "c"
                version = 2

            @step
            def work(self, data: Any) -> Any:
                return {"version": 2}

        execution = run(self.parent(lambda self, data: self.call_workflow("c", {})))
        self.assertEnded(execution, "completed")
        self.assertEqual(execution.data, {"version": 2})


class StartTests(ChildCase):
    def test_the_id_comes_at_once_and_the_child_outlives_its_parent(self) -> None:
        child = self.child

        def call(self: Any, data: Any) -> Any:
            return {"id": self.start_workflow(child, {"do": "wait"}, ref="x")}

        execution = run(self.parent(call))
        execution.refresh_from_db()
        self.assertEqual(execution.status, "completed")
        self.assertIsInstance(execution.data["id"], UUID)
        started = durable.get_execution(execution.data["id"])
        self.assertStands(started, "waiting")
        self.assertEqual(started.parent, execution)
        durable.send_event(started.id, "go", 1)
        drain()
        self.assertEnded(started, "completed")

    def test_a_cancelled_parent_leaves_it_alone(self) -> None:
        child = self.child

        def call(self: Any, data: Any) -> Any:
            self.start_workflow(child, {"do": "wait"})
            self.wait_for_event("never")

        execution = run(self.parent(call))
        durable.cancel(execution.id)
        drain()
        self.assertStands(execution.children.get(), "waiting")

    def test_unless_it_was_started_to_be_cancelled_with_it(self) -> None:
        child = self.child

        class Middle(Workflow):
            @step
            def go(self, data: Any) -> Any:
                self.start_workflow(child, {"do": "wait"}, on_cancel="cancel", ref="ends")
                self.start_workflow(child, {"do": "wait"}, ref="stays")
                self.wait_for_event("never")

        def call(self: Any, data: Any) -> Any:
            self.start_workflow(Middle, on_cancel="cancel")
            self.call_workflow(Middle)

        execution = run(self.parent(call))
        durable.cancel(execution.id, "enough")
        drain()
        self.assertEqual(durable.get_execution(execution.id).status, "cancelled")
        middles = Execution.objects.filter(workflow="middle")
        self.assertEqual([one.status for one in middles], ["cancelled"] * 2)
        reason = f"execution {execution.pk} was cancelled: enough"
        for middle in middles:
            ends, stays = middle.children.order_by("status")
            self.assertEqual((ends.status, ends.cancel_reason), ("cancelled", reason))
            self.assertEqual(stays.status, "waiting")

    def test_its_parent_does_not_wait_for_its_end_and_a_failure_leaves_it_alone(self) -> None:
        child = self.child

        def call(self: Any, data: Any) -> Any:
            self.start_workflow(child, {"do": "wait"}, on_cancel="cancel")
            if data.get("fail"):
                self.sleep(hours(1))
                raise Fail("no")
            self.wait_for_event("never")

        with time_travel():
            failed = run(self.parent(call), {"fail": True})
            advance(hours=1)
            self.assertStands(failed, "failed")
            self.assertEqual(failed.children.get().status, "waiting")
        execution = run(self.parent(call))
        below = execution.children.get()
        Execution.objects.filter(pk=below.pk).held(below.pk)
        durable.cancel(execution.id)
        execution.refresh_from_db()
        below.refresh_from_db()
        self.assertEqual((execution.status, below.status), ("cancelled", "running"))
        self.assertIsNotNone(below.cancel_requested_at)

    def test_on_cancel_is_one_of_two_words(self) -> None:
        child = self.child

        def call(self: Any, data: Any) -> Any:
            self.start_workflow(child, on_cancel="maybe")

        self.assertEnded(run(self.parent(call)), "failed", "ValueError")

    def test_it_is_not_made_by_a_step_that_fails(self) -> None:
        child = self.child

        def call(self: Any, data: Any) -> Any:
            self.start_workflow(child, {})
            raise ValueError("no")

        execution = run(self.parent(call))
        self.assertEnded(execution, "failed")
        self.assertEqual(execution.children.count(), 0)

    def test_once_with_the_same_id_however_often_the_body_runs(self) -> None:
        child = self.child
        ids: list[UUID] = []

        def call(self: Any, data: Any) -> Any:
            ids.append(self.start_workflow(child, {"n": 1}))
            self.wait_for_event("a")
            ids.append(self.start_workflow(child, {"n": 2}))
            self.wait_for_event("b")

        execution = run(self.parent(call))
        self.assertEqual(execution.children.count(), 1)
        for name in "ab":
            durable.send_event(execution.id, name)
            drain()
        self.assertEnded(execution, "completed")
        self.assertEqual(execution.children.count(), 2)
        self.assertEqual(set(ids), {child.id for child in execution.children.all()})

    def test_in_a_branch_and_in_an_item(self) -> None:
        child = self.child

        class P(Workflow):
            @step
            def each(self, data: Any, item: Any, index: Any) -> Any:
                return str(self.start_workflow(child, {"n": item}))

            @step
            def one(self, data: Any) -> Any:
                return {**data, "id": self.start_workflow(child, {"n": 9})}

            flow = chain(parallel(one, all=foreach("items", each, collect_as="ids")))

        execution = run(P, {"items": [1, 2]})
        self.assertEnded(execution, "completed")
        ids = [*execution.data["ids"], str(execution.data["id"])]
        started = Execution.objects.filter(pk__in=ids)
        self.assertEqual(sorted(one.data["n"] for one in started), [2, 4, 18])


class RaceTests(CommittingTreeTestCase):
    """What a child's end may meet."""

    def setUp(self) -> None:
        super().setUp()

        class C(Child):
            class Meta(WorkflowMeta):
                name = "c"

        class P(Workflow):
            class Meta(WorkflowMeta):
                name = "p"

            @step
            def go(self, data: Any) -> Any:
                return self.call_workflow(C, data)

        self.parent = P

    def test_a_parent_that_dies_before_or_after_it_parks(self) -> None:
        for point in ("wait.before_commit", "wait.after_commit", "body.before"):
            with self.subTest(point=point):
                execution = durable.start(self.parent, {"n": 3})
                die_at(point)
                drain()
                self.assertEnded(execution, "completed")
                self.assertEqual(execution.data, {"n": 6})
                self.assertEqual(execution.children.count(), 1)

    def test_a_child_that_dies_at_its_end(self) -> None:
        for point in ("finish.before_commit", "finish.after_commit"):
            with self.subTest(point=point):
                execution = durable.start(self.parent, {"n": 3})
                parent = a_worker()
                from durable.engine.duties.inline import InlineSession
                from durable.engine.run import runner

                runner.run(claim_as(parent), InlineSession())
                die_at(point)
                drain()
                self.assertEnded(execution, "completed")
                self.assertEqual(execution.data, {"n": 6})

    def test_a_running_child_whose_time_is_over_ends_before_its_parent(self) -> None:
        class Q(Workflow):
            class Meta(WorkflowMeta):
                name = "q"

            @step
            def go(self, data: Any) -> Any:
                return {
                    "got": self.call_workflow(
                        "c", {"n": 1}, timeout=minutes(1), timeout_value="late"
                    )
                }

        with time_travel():
            execution = durable.start(Q)
            from durable.engine.duties.inline import InlineSession
            from durable.engine.run import runner

            runner.run(claim_as(a_worker()), InlineSession())
            slow = a_worker("slow")
            claim_as(slow)  # the child is in its step
            advance(seconds=50, work=False)
            durable.models.Worker.objects.filter(pk=slow).update(
                expires_at=durable.clock.now() + days(1)
            )
            advance(minutes=2)
            execution.refresh_from_db()
            self.assertEqual(execution.status, "waiting")
            self.assertEqual(execution.children.get().status, "running")
            bury(slow)
            drain()
            self.assertEnded(execution, "completed")
        self.assertEqual(execution.data, {"got": "late"})
        self.assertEqual(execution.children.get().status, "cancelled")
