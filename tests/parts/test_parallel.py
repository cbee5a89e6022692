"""Parallel branches: own copies of the data, every way to merge, every way to fail."""

from __future__ import annotations

from typing import Any

import durable
from durable import (
    DefinitionError,
    Fail,
    MergeConflict,
    Retry,
    Workflow,
    append,
    branch,
    chain,
    foreach,
    increment,
    minutes,
    parallel,
    seconds,
    step,
)
from durable.engine.duties.inline import InlineSession
from durable.engine.run import runner
from durable.models import Execution
from durable.testing import advance, assert_completed, assert_waiting_for, drain, run, time_travel
from tests.cases import WorkflowTestCase
from tests.life.cases import a_worker, claim_as
from tests.shop.models import Order


def branches(execution: Execution) -> dict[str, str]:
    """The status of each branch, by its name."""
    return dict(execution.children.order_by("index").values_list("branch", "status"))


class MergeStrategyTests(WorkflowTestCase):
    def test_deep_applies_what_a_branch_changed_or_added_and_keeps_the_rest(self) -> None:
        class W(Workflow):
            @step
            def a(self, data: Any) -> Any:
                return {"user": {**data["user"], "name": "kim"}, "a": 1}  # leaves keys out

            @step
            def b(self, data: Any) -> Any:
                return {**data, "user": {**data["user"], "age": 5}, "b": 2}

            flow = chain(parallel(a, b))

        execution = run(W, {"user": {"id": 1, "name": "-"}, "kept": [1]})
        assert_completed(execution)
        self.assertEqual(
            execution.data,
            {"user": {"id": 1, "name": "kim", "age": 5}, "kept": [1], "a": 1, "b": 2},
        )

    def test_an_unchanged_old_value_never_overwrites_a_change(self) -> None:
        class W(Workflow):
            @step
            def a(self, data: Any) -> Any:
                return {**data, "x": "new"}

            @step
            def b(self, data: Any) -> Any:
                return {**data, "y": "new"}

            flow = chain(parallel(a, b))

        self.assertEqual(run(W, {"x": "old", "y": "old"}).data, {"x": "new", "y": "new"})

    def test_on_a_conflict_the_later_branch_in_written_order_wins(self) -> None:
        class W(Workflow):
            @step
            def first(self, data: Any) -> Any:
                self.wait_for_event("go")  # ends last
                return {**data, "x": "first"}

            @step
            def second(self, data: Any) -> Any:
                return {**data, "x": "second"}

            flow = chain(parallel(first, second))

        execution = run(W, {"x": "old"})
        durable.send_event(execution.id, "go", {})
        drain()
        assert_completed(execution)
        self.assertEqual(execution.data, {"x": "second"})

    def test_increments_and_appends_add_up_on_existing_and_missing_keys(self) -> None:
        class W(Workflow):
            @step
            def a(self, data: Any) -> Any:
                data = increment(increment(data, "n", 2), "new", 5)
                return append(append(data, "log", "a1"), "log", "a2")

            @step
            def b(self, data: Any) -> Any:
                data = increment(increment(data, "n", 3), "new", 7)
                return append(data, "log", "b")

            flow = chain(parallel(a, b))

        self.assertEqual(
            run(W, {"n": 10, "log": ["0"]}).data,
            {"n": 15, "new": 12, "log": ["0", "a1", "a2", "b"]},
        )

    def test_increments_survive_many_steps_of_a_branch_and_a_retry(self) -> None:
        class W(Workflow):
            @step
            def one(self, data: Any) -> Any:
                return increment({**data, "k": 1}, "n")

            @step(retry=Retry(max_attempts=2, base=seconds(1)))
            def two(self, data: Any) -> Any:
                if self.attempt == 1:
                    raise ValueError("once")
                return increment({**data}, "n")

            @step
            def three(self, data: Any) -> Any:
                self.wait_for_event("go")
                return {**data}

            @step
            def other(self, data: Any) -> Any:
                return increment(data, "n", 10)

            flow = chain(parallel(x=chain(one, two, three), y=other))

        with time_travel():
            execution = run(W, {"n": 100})
            advance(minutes=1)
            durable.send_event(execution.id, "go", {})
            drain()
        assert_completed(execution)
        self.assertEqual(execution.data, {"n": 112, "k": 1})

    def test_a_plain_assignment_supersedes_increments(self) -> None:
        class W(Workflow):
            @step
            def a(self, data: Any) -> Any:
                data = increment(data, "n", 5)
                return {**data, "n": data["n"] * 2}

            @step
            def b(self, data: Any) -> Any:
                return data

            flow = chain(parallel(a, b))

        self.assertEqual(run(W, {"n": 1}).data, {"n": 12})

    def test_increments_pass_through_nested_parallels(self) -> None:
        class W(Workflow):
            @step
            def a(self, data: Any) -> Any:
                return increment(data, "n")

            @step
            def b(self, data: Any) -> Any:
                return increment(data, "n", 10)

            @step
            def c(self, data: Any) -> Any:
                return increment(data, "n", 100)

            @step
            def d(self, data: Any) -> Any:
                return increment(data, "n", 1000)

            flow = chain(parallel(inner=chain(c, parallel(a, b)), d=d))

        execution = run(W, {"n": 0})
        self.assertEqual(execution.data, {"n": 1111})
        self.assertIs(type(execution.data["n"]), int)

    def test_increments_from_before_a_nested_parallel_add_up_however_that_merges(self) -> None:
        def take(data: Any, results: Any) -> Any:
            return results["x"].value

        def spread(data: Any, results: Any) -> Any:
            return {**data, **results["x"].value}

        for merge in ("deep", "strict", "last", "collect", take, spread):
            with self.subTest(merge), durable.testing.isolate_workflows():

                class W(Workflow):
                    @step
                    def one(self, data: Any) -> Any:
                        return increment(append(data, "l", 1), "n")

                    @step
                    def five(self, data: Any) -> Any:
                        d = increment(data["d"], "n", 5)
                        return increment(append({**data, "d": d, "gone": 1}, "l", 5), "n", 5)

                    @step
                    def ten(self, data: Any) -> Any:
                        d = increment(data["d"], "n", 10)
                        return increment({**data, "d": d}, "n", 10)

                    @step
                    def leave_out(self, data: Any) -> Any:
                        del data["gone"]

                    flow = chain(
                        parallel(
                            a=chain(one),
                            b=chain(five, parallel(x=chain(ten, leave_out), merge=merge)),
                            c=chain(one),
                        )
                    )

                data = run(W, {"n": 0, "l": [], "d": {"n": 0}}).data
                inner = 0 if merge == "collect" else 10
                self.assertEqual(data["n"], 7 + inner)
                self.assertEqual((data["l"], data["d"]), ([1, 5, 1], {"n": 5 + inner}))
                self.assertEqual("gone" in data, merge not in ("last", take))

    def test_strict_merges_like_deep_without_a_conflict(self) -> None:
        class W(Workflow):
            @step
            def a(self, data: Any) -> Any:
                return increment({**data, "a": 1, "same": 1}, "n")

            @step
            def b(self, data: Any) -> Any:
                return increment({**data, "b": 1, "same": 1}, "n")

            flow = chain(parallel(a, b, merge="strict"))

        self.assertEqual(run(W, {"n": 0}).data, {"n": 2, "a": 1, "b": 1, "same": 1})

    def test_strict_fails_on_a_conflict_and_names_the_place(self) -> None:
        class W(Workflow):
            @step
            def a(self, data: Any) -> Any:
                return {**data, "d": {"x": 1}}

            @step
            def b(self, data: Any) -> Any:
                return {**data, "d": {"x": 2}}

            flow = chain(parallel(a, b, merge="strict"))

        error = self.assertFailed(run(W, {"d": {"x": 0}}), MergeConflict.__name__)
        for word in ("data['d']['x']", "'a'", "'b'"):
            self.assertIn(word, error["message"])

    def test_last_replaces_the_data_by_the_last_branch_in_written_order(self) -> None:
        class W(Workflow):
            @step
            def a(self, data: Any) -> Any:
                return {**data, "a": 1}

            @step
            def b(self, data: Any) -> Any:
                return increment({"b": 1}, "n")

            @step
            def after(self, data: Any) -> Any:
                return {**data, "type": type(data["n"]).__name__}

            flow = chain(parallel(a, b, merge="last"), after)

        self.assertEqual(run(W, {"x": 1}).data, {"b": 1, "n": 1, "type": "int"})

    def test_collect_puts_each_branchs_output_under_the_blocks_name(self) -> None:
        class W(Workflow):
            @step
            def a(self, data: Any) -> Any:
                return {"a": 1}

            @step
            def b(self, data: Any) -> Any:
                return {"b": 2}

            flow = chain(parallel(a, other=b, merge="collect", name="fetch"))

        self.assertEqual(
            run(W, {"x": 1}).data, {"x": 1, "fetch": {"a": {"a": 1}, "other": {"b": 2}}}
        )

    def test_a_callable_gets_data_and_results(self) -> None:
        seen: list[Any] = []

        def together(data: Any, results: Any) -> Any:
            seen.append((data, results))
            return {"sum": sum(result.value["v"] for result in results.values())}

        class W(Workflow):
            @step
            def a(self, data: Any) -> Any:
                return {"v": 1}

            @step
            def b(self, data: Any) -> Any:
                return {"v": 2}

            flow = chain(parallel(a, b, merge=together))

        self.assertEqual(run(W, {"x": 1}).data, {"sum": 3})
        data, results = seen[0]
        self.assertEqual((data, list(results)), ({"x": 1}, ["a", "b"]))
        self.assertTrue(results["a"].ok)
        self.assertIsNone(results["a"].error)

    def test_a_method_may_merge(self) -> None:
        class W(Workflow):
            def joined(self, data: Any, results: Any) -> Any:
                return {**data, "names": sorted(results), "id": str(self.id)}

            @step
            def a(self, data: Any) -> Any: ...

            @step
            def b(self, data: Any) -> Any: ...

            flow = chain(parallel(a, b, merge=joined))

        execution = run(W)
        self.assertEqual(execution.data, {"names": ["a", "b"], "id": str(execution.id)})

    def test_a_merge_that_raises_or_returns_no_dict_fails_the_execution(self) -> None:
        for merge, type_ in [(lambda d, r: 1 / 0, "ZeroDivisionError"), (lambda d, r: [1], None)]:
            with self.subTest(type_), durable.testing.isolate_workflows():

                class W(Workflow):
                    @step
                    def a(self, data: Any) -> Any: ...

                    flow = chain(parallel(a, merge=merge))

                self.assertFailed(run(W), type_ or "InvalidStepResult")


class NameTests(WorkflowTestCase):
    def test_a_branch_is_called_after_its_step_or_its_keyword(self) -> None:
        class W(Workflow):
            @step
            def a(self, data: Any) -> Any: ...

            @step
            def b(self, data: Any) -> Any: ...

            @step
            def c(self, data: Any) -> Any: ...

            flow = chain(parallel(a, billing=chain(b, c), name="fetch"))

        execution = run(W)
        self.assertEqual(branches(execution), {"a": "completed", "billing": "completed"})
        paths = [
            run.path for child in execution.children.order_by("index") for run in child.steps.all()
        ]
        self.assertEqual(paths, ["fetch/a/a", "fetch/billing/b", "fetch/billing/c"])
        self.assertEqual({child.parent for child in execution.children.all()}, {execution})

    def test_an_unknown_keyword_that_is_no_node_is_refused_with_a_suggestion(self) -> None:
        with self.assertRaisesMessage(DefinitionError, "on_error"):

            class W(Workflow):
                @step
                def a(self, data: Any) -> Any: ...

                flow = chain(parallel(a, on_eror="fail_fast"))

    def test_lists_show_roots_only(self) -> None:
        class W(Workflow):
            @step
            def a(self, data: Any) -> Any: ...

            @step
            def b(self, data: Any) -> Any: ...

            flow = chain(parallel(a, b))

        execution = run(W)
        self.assertEqual(Execution.objects.count(), 3)
        self.assertEqual(list(durable.list_executions(workflow=W)), [execution])

    def test_steps_know_the_addressable_id_and_their_branch(self) -> None:
        class W(Workflow):
            @step
            def a(self, data: Any) -> Any:
                return {**data, "a": [str(self.id), str(self.branch_id), self.idempotency_key]}

            @step
            def b(self, data: Any) -> Any:
                return {**data, "b": [str(self.id), str(self.branch_id), self.idempotency_key]}

            flow = chain(parallel(a, b))

        execution = run(W)
        a, b = execution.data["a"], execution.data["b"]
        ids = {c.branch: str(c.id) for c in execution.children.all()}
        self.assertEqual((a[0], b[0]), (str(execution.id),) * 2)
        self.assertEqual((a[1], b[1]), (ids["a"], ids["b"]))
        self.assertNotEqual(a[2], b[2])

    def test_in_branches_items_and_compensations_self_is_that_of_the_whole(self) -> None:
        order = Order.objects.create(reference="a")
        seen: list[Any] = []

        class W(Workflow):
            def look(self, where: str) -> None:
                seen.append((where, self.id, self.execution.pk, self.input, self.subject))

            @step
            def a(self, data: Any) -> Any:
                self.look("branch")
                self.set_tags(from_="branch")
                self.heartbeat(progress={"done": 1})

            @a.compensate
            def un_a(self, data: Any) -> Any:
                self.look("compensation")

            @step
            def one(self, data: Any, item: Any, index: int) -> Any:
                self.look("item")

            @step
            def fails(self, data: Any) -> Any:
                raise Fail("no")

            flow = chain(parallel(a=a), foreach("items", one), fails)

        execution = run(W, {"items": [1]}, subject=order)
        self.assertEqual([where for where, *_ in seen], ["branch", "item", "compensation"])
        for _, *whole in seen:
            self.assertEqual(whole, [execution.pk, execution.pk, {"items": [1]}, order])
        self.assertEqual((execution.tags, execution.progress), ({"from_": "branch"}, {"done": 1}))

    def test_a_branch_waits_in_the_queue_of_its_first_step(self) -> None:
        class W(Workflow):
            @step(queue="slow")
            def a(self, data: Any) -> Any: ...

            @step
            def b(self, data: Any) -> Any: ...

            flow = chain(parallel(a, b))

        execution = durable.start(W, queue="home")
        runner.run(claim_as(a_worker(), "home"), InlineSession())
        queues = execution.children.order_by("index").values_list("queue", flat=True)
        self.assertEqual(list(queues), ["slow", "home"])
        drain()
        assert_completed(execution)

    def test_each_branch_has_its_own_copy_of_the_data(self) -> None:
        class W(Workflow):
            @step
            def a(self, data: Any) -> Any:
                data["l"].append(1)
                data["seen"] = list(data["l"])

            @step
            def b(self, data: Any) -> Any:
                return {**data, "b_saw": list(data["l"])}

            flow = chain(parallel(a, b))

        self.assertEqual(run(W, {"l": []}).data, {"l": [1], "seen": [1], "b_saw": []})

    def test_a_parallel_in_a_case_of_a_branch_runs_only_that_case(self) -> None:
        ran: list[str] = []

        class W(Workflow):
            @step
            def a(self, data: Any) -> Any:
                self.wait_for_event("go")
                ran.append("a")

            @step
            def b(self, data: Any) -> Any:
                ran.append("b")

            @step
            def other(self, data: Any) -> Any:
                ran.append("other")

            @step
            def after(self, data: Any) -> Any:
                ran.append("after")

            flow = chain(branch(on="k", cases={"x": parallel(a, b), "y": other}), after)

        execution = run(W, {"k": "x"})
        durable.send_event(execution.id, "go", {})
        drain()
        assert_completed(execution)
        self.assertEqual(ran, ["b", "a", "after"])


class ErrorTests(WorkflowTestCase):
    def test_fail_fast_cancels_parked_and_unstarted_siblings_and_closes_their_waits(self) -> None:
        class W(Workflow):
            @step
            def parked(self, data: Any) -> Any:
                self.wait_for_event("never")

            @step
            def bad(self, data: Any) -> Any:
                raise Fail("no", type="declined", details={"code": 5})

            @step
            def after(self, data: Any) -> Any:
                raise AssertionError("must not run")

            flow = chain(parallel(parked, bad), after)

        execution = run(W)
        error = self.assertFailed(execution, "declined", "no")
        self.assertEqual((error["details"], error["step"]), ({"code": 5}, "parallel/bad/bad"))
        self.assertEqual(branches(execution), {"parked": "cancelled", "bad": "failed"})
        self.assertEqual(
            [wait.status for child in execution.children.all() for wait in child.waits.all()],
            ["cancelled"],
        )

    def test_fail_fast_lets_a_sibling_in_a_step_end_it_and_start_no_other(self) -> None:
        ran: list[str] = []
        sessions: list[Any] = []

        class W(Workflow):
            @step
            def slow(self, data: Any) -> Any:
                # meanwhile, in another worker, the sibling fails and is reported
                claim = claim_as(sessions[0])
                runner.run(claim, InlineSession())
                durable.engine.parts.report.report_due()
                ran.append("slow")
                return {**data, "slow": 1}

            @step
            def next(self, data: Any) -> Any:
                ran.append("next")

            @step
            def bad(self, data: Any) -> Any:
                raise Fail("no", type="declined")

            @slow.compensate
            def undo(self, data: Any) -> Any:
                ran.append("undone")

            flow = chain(parallel(x=chain(slow, next), bad=bad))

        import durable.engine.parts.report

        sessions.append(a_worker())
        execution = run(W)
        self.assertEqual(ran, ["slow", "undone"])
        self.assertEqual(execution.status, "compensated")
        self.assertEqual(execution.error["type"], "declined")
        self.assertEqual(branches(execution), {"x": "cancelled", "bad": "failed"})

    def test_complete_all_lets_all_finish_then_fails_with_every_error_listed(self) -> None:
        class W(Workflow):
            @step
            def bad(self, data: Any) -> Any:
                raise ValueError("one")

            @step
            def worse(self, data: Any) -> Any:
                self.wait_for_event("go")
                raise KeyError("two")

            @step
            def good(self, data: Any) -> Any: ...

            flow = chain(parallel(bad, worse, good, on_error="complete_all"))

        execution = run(W)
        self.assertEqual(execution.status, "waiting")
        durable.send_event(execution.id, "go", {})
        drain()
        error = self.assertFailed(execution, "ParallelFailed", "one")
        self.assertIn("two", error["message"])
        errors = error["details"]["errors"]
        self.assertEqual(
            {k: v["type"] for k, v in errors.items()}, {"bad": "ValueError", "worse": "KeyError"}
        )
        self.assertEqual(branches(execution)["good"], "completed")

    def test_complete_all_with_collect_or_a_callable_goes_on_with_the_failures(self) -> None:
        def judge(data: Any, results: Any) -> Any:
            return {
                name: result.value if result.ok else result.error["message"]
                for name, result in results.items()
            }

        for merge in ("collect", judge):
            with self.subTest(merge=merge), durable.testing.isolate_workflows():

                class W(Workflow):
                    @step
                    def bad(self, data: Any) -> Any:
                        raise ValueError("one")

                    @step
                    def good(self, data: Any) -> Any:
                        return {"ok": 1}

                    flow = chain(
                        parallel(bad, good, merge=merge, on_error="complete_all", name="p")
                    )

                execution = run(W)
                assert_completed(execution)
                if merge == "collect":
                    self.assertEqual(execution.data["p"]["good"], {"ok": 1})
                    self.assertEqual(execution.data["p"]["bad"]["error"]["message"], "one")
                else:
                    self.assertEqual(execution.data, {"bad": "one", "good": {"ok": 1}})

    def test_a_branch_retries_by_itself_and_siblings_do_not_run_again(self) -> None:
        ran: list[str] = []

        class W(Workflow):
            @step(retry=Retry(max_attempts=3, base=minutes(1), jitter=0))
            def flaky(self, data: Any) -> Any:
                ran.append(f"flaky{self.attempt}")
                if self.attempt < 3:
                    raise ValueError("again")
                return {**data, "flaky": self.attempt}

            @step
            def once(self, data: Any) -> Any:
                ran.append("once")

            flow = chain(parallel(flaky, once))

        with time_travel():
            execution = run(W)
            self.assertEqual(ran, ["flaky1", "once"])
            advance(hours=1)
        assert_completed(execution)
        self.assertEqual(ran, ["flaky1", "once", "flaky2", "flaky3"])

    def test_retry_runs_failed_and_cancelled_branches_again_and_no_finished_one(self) -> None:
        ran: list[str] = []
        fixed: list[int] = []

        class W(Workflow):
            @step
            def done(self, data: Any) -> Any:
                ran.append("done")
                return {**data, "done": 1}

            @step
            def first(self, data: Any) -> Any:
                ran.append("first")
                return {**data, "first": 1}

            @step
            def bad(self, data: Any) -> Any:
                ran.append("bad")
                if not fixed:
                    raise Fail("no")
                return {**data, "bad": 1}

            @step
            def parked(self, data: Any) -> Any:
                ran.append("parked")
                return {**data, "got": self.wait_for_event("go")}

            flow = chain(parallel(done, x=chain(first, bad), parked=parked))

        execution = run(W)
        # the sibling may have been stopped before or while it parked
        self.assertFailed(execution, "Fail", "no")
        ids = set(execution.children.values_list("id", flat=True))
        fixed.append(1)
        ran.clear()
        durable.retry(execution.id)
        drain()
        execution.refresh_from_db()
        self.assertEqual(execution.status, "waiting", execution.error)
        durable.send_event(execution.id, "go", 7)
        drain()
        assert_completed(execution)
        self.assertEqual(ran, ["bad", "parked", "parked"])
        self.assertEqual(execution.data, {"done": 1, "first": 1, "bad": 1, "got": 7})
        self.assertEqual(set(execution.children.values_list("id", flat=True)), ids)

    def test_retry_of_a_block_that_fails_again_fails_again(self) -> None:
        class W(Workflow):
            @step
            def bad(self, data: Any) -> Any:
                raise Fail("no")

            @step
            def good(self, data: Any) -> Any: ...

            flow = chain(parallel(bad, good))

        execution = run(W)
        for _ in range(2):
            durable.retry(execution.id)
            drain()
            self.assertFailed(execution, "Fail", "no")
        bad = execution.children.get(branch="bad")
        self.assertEqual(list(bad.steps.values_list("attempt", flat=True)), [1, 2, 3])

    def test_retry_of_a_nested_block_goes_down_to_what_failed(self) -> None:
        ran: list[str] = []
        fixed: list[int] = []

        class W(Workflow):
            @step
            def good(self, data: Any) -> Any:
                ran.append("good")

            @step
            def bad(self, data: Any) -> Any:
                ran.append("bad")
                if not fixed:
                    raise Fail("no")

            @step
            def outer(self, data: Any) -> Any:
                ran.append("outer")

            flow = chain(parallel(x=chain(outer, parallel(good, bad)), y=outer))

        execution = run(W)
        self.assertFailed(execution, "Fail")
        ran.clear()
        fixed.append(1)
        durable.retry(execution.id)
        drain()
        assert_completed(execution)
        self.assertEqual(ran, ["bad"])

    def test_retry_after_a_failed_merge_merges_again(self) -> None:
        ran: list[str] = []
        fixed: list[int] = []

        def merge(data: Any, results: Any) -> Any:
            return {"m": 1} if fixed else 1 / 0

        class W(Workflow):
            @step
            def a(self, data: Any) -> Any:
                ran.append("a")

            flow = chain(parallel(a, merge=merge))

        execution = run(W)
        self.assertFailed(execution, "ZeroDivisionError")
        fixed.append(1)
        durable.retry(execution.id)
        drain()
        assert_completed(execution)
        self.assertEqual((execution.data, ran), ({"m": 1}, ["a"]))


class ControlTests(WorkflowTestCase):
    def waiting(self) -> Execution:
        class W(Workflow):
            @step
            def a(self, data: Any) -> Any:
                return {**data, "a": self.wait_for_event("a")}

            @step
            def a2(self, data: Any) -> Any:
                return {**data, "a2": 1}

            @step
            def b(self, data: Any) -> Any:
                self.sleep(minutes(5))
                return {**data, "b": 1}

            flow = chain(parallel(x=chain(a, a2), b=b))

        return run(W)

    def test_cancel_ends_the_whole_tree(self) -> None:
        execution = self.waiting()
        durable.cancel(execution.id, "stop")
        drain()
        execution.refresh_from_db()
        self.assertEqual(execution.status, "cancelled")
        self.assertEqual(branches(execution), {"x": "cancelled", "b": "cancelled"})
        self.assertFalse(Execution.objects.filter(wake_at__isnull=False).exists())

    def test_pause_reaches_branches_and_resume_lets_them_go_on(self) -> None:
        with time_travel():
            execution = self.waiting()
            durable.pause(execution.id)
            self.assertEqual(branches(execution), {"x": "paused", "b": "paused"})
            durable.send_event(execution.id, "a", 5)
            advance(minutes=10)
            self.assertEqual(branches(execution), {"x": "paused", "b": "paused"})
            durable.resume(execution.id)
            drain()
        assert_completed(execution)
        self.assertEqual(execution.data, {"a": 5, "a2": 1, "b": 1})

    def test_resume_before_anything_happened_waits_on(self) -> None:
        with time_travel():
            execution = self.waiting()
            durable.pause(execution.id)
            durable.resume(execution.id)
            drain()
            self.assertEqual(branches(execution), {"x": "waiting", "b": "waiting"})
            durable.send_event(execution.id, "a", 5)
            advance(minutes=10)
        assert_completed(execution)

    def test_pause_while_a_branch_runs_stops_it_at_its_checkpoint(self) -> None:
        ran: list[str] = []

        class W(Workflow):
            @step
            def a(self, data: Any) -> Any:
                durable.pause(self.id)
                ran.append("a")

            @step
            def a2(self, data: Any) -> Any:
                ran.append("a2")

            @step
            def b(self, data: Any) -> Any:
                ran.append("b")

            flow = chain(parallel(x=chain(a, a2), b=b))

        execution = run(W)
        self.assertEqual((execution.status, ran), ("paused", ["a"]))
        self.assertEqual(branches(execution), {"x": "paused", "b": "paused"})
        durable.resume(execution.id)
        drain()
        assert_completed(execution)
        self.assertEqual(sorted(ran), ["a", "a2", "b"])

    def test_pause_and_resume_while_the_last_branch_runs(self) -> None:
        class W(Workflow):
            @step
            def a(self, data: Any) -> Any:
                durable.pause(self.id)
                return {**data, "a": 1}

            flow = chain(parallel(a=a))

        execution = run(W)
        self.assertEqual((execution.status, branches(execution)), ("paused", {"a": "completed"}))
        durable.resume(execution.id)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.data, {"a": 1})

    def test_the_workflows_timeout_ends_its_branches(self) -> None:
        class W(Workflow):
            class Meta:
                timeout = minutes(10)

            @step
            def a(self, data: Any) -> Any:
                self.wait_for_event("never")

            @step
            def b(self, data: Any) -> Any: ...

            flow = chain(parallel(a, b))

        with time_travel():
            execution = run(W)
            advance(minutes=9)
            assert_waiting_for(execution, event="never")
            advance(minutes=2)
        self.assertFailed(execution, "WorkflowTimeout")
        self.assertFalse(Execution.objects.unfinished().exists())
