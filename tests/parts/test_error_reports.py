"""A report of errors does not fail what it reports, however long its errors are."""

from __future__ import annotations

from typing import Any

from durable import Fail, Workflow, call_workflow, catch, chain, foreach, parallel, step
from durable.models import Wait
from durable.testing import assert_completed, run
from tests.cases import WorkflowTestCase

WORDY = "x" * 4000
SOME = 20  # failures, more than a report without room lists
LARGE = 2**20 - 200  # within what details may have, alone


def fall(depth: int) -> None:
    """Fail with a long message and a traceback of many frames."""
    if depth:
        fall(depth - 1)
    raise ValueError(WORDY)


def deep(levels: int) -> Any:
    """Lists within lists."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


class Wordy(Workflow):
    """Fails in the way that its data says."""

    class Meta:
        abstract = True

    @step
    def fail(self, data: Any, *element: Any) -> Any:
        if data.get("details") is not None:
            raise Fail("no", type="declined", details=data["details"])
        fall(60)


class ListTests(WorkflowTestCase):
    """Lists of errors are short: type, message, step."""

    def assertBrief(self, error: Any, step: str) -> None:
        self.assertEqual(set(error), {"type", "message", "step"})
        self.assertEqual((error["type"], error["step"]), ("ValueError", step))
        self.assertLessEqual(len(error["message"]), 500)
        self.assertTrue(error["message"].startswith("xxx"))

    def test_a_hundred_long_failures_of_a_foreach_leave_the_data_within_its_limit(self) -> None:
        class W(Wordy):
            flow = chain(
                foreach("items", Wordy.fail, on_error="continue", concurrency=20, batch_size=20)
            )

        execution = run(W, {"items": list(range(101))})
        assert_completed(execution)
        report = execution.data["fail"]
        self.assertEqual((report["failed"], len(report["errors"])), (101, 100))
        self.assertEqual(set(report["errors"][0]), {"index", "error"})
        self.assertBrief(report["errors"][0]["error"], "fail/do/fail")
        (child,) = execution.children.filter(index=0)
        self.assertGreater(len(child.error["traceback"]), 5000)  # all of it is there

    def test_where_the_data_has_no_room_the_report_counts_what_it_does_not_list(self) -> None:
        class W(Wordy):
            flow = chain(
                foreach("items", Wordy.fail, on_error="continue", concurrency=20, batch_size=20)
            )

        for room, listed in ((9_000, 10), (2_000, 0)):
            execution = run(W, {"items": list(range(SOME)), "much": "x" * (2**20 - room)})
            assert_completed(execution)
            report = execution.data["fail"]
            self.assertEqual((report["failed"], len(report["errors"])), (SOME, listed))

    def test_a_failed_foreach_lists_long_failures_in_short(self) -> None:
        class W(Wordy):
            flow = chain(foreach("items", Wordy.fail, concurrency=SOME))

        execution = run(W, {"items": list(range(SOME))})
        errors = self.assertFailed(execution, "ForeachFailed", "20 of 20")["details"]["errors"]
        self.assertEqual(len(errors), SOME)
        self.assertBrief(errors[0][1], "fail/do/fail")

    def test_a_failed_parallel_lists_its_failures_in_short(self) -> None:
        class W(Wordy):
            flow = chain(
                parallel(**{f"b{n}": chain(Wordy.fail) for n in range(5)}, on_error="complete_all")
            )

        errors = self.assertFailed(run(W), "ParallelFailed")["details"]["errors"]
        self.assertEqual(list(errors), [f"b{n}" for n in range(5)])
        self.assertBrief(errors["b0"], "parallel/b0/fail")

    def test_collected_failures_of_branches_are_short(self) -> None:
        class W(Wordy):
            flow = chain(
                parallel(
                    **{f"b{n}": chain(Wordy.fail) for n in range(5)},
                    on_error="complete_all",
                    merge="collect",
                    name="all",
                )
            )

        execution = run(W)
        assert_completed(execution)
        self.assertBrief(execution.data["all"]["b0"]["error"], "all/b0/fail")
        execution = run(W, {"details": {"a": "x" * (2**19)}})  # five of these are too much
        assert_completed(execution)


class CarriedTests(WorkflowTestCase):
    """The error of a child or of a caught node gets through, whatever its details are."""

    def parent(self) -> type[Workflow]:
        class Child(Wordy):
            flow = chain(Wordy.fail)

        class Parent(Workflow):
            @step
            def see(self, data: Any) -> Any:
                return {"seen": data["error"]["details"].get("error")}

            flow = chain(catch(call_workflow(Child), {"ChildFailed": see}))

        return Parent

    def test_a_childs_error_reaches_its_parent_without_the_traceback(self) -> None:
        execution = run(self.parent(), {})
        assert_completed(execution)
        seen = execution.data["seen"]
        self.assertEqual(
            (seen["type"], seen["message"], seen["traceback"]), ("ValueError", WORDY, "")
        )
        self.assertEqual(set(seen), {"type", "message", "step", "attempt", "traceback", "details"})
        self.assertEqual(Wait.objects.get(kind="child").received["error"], seen)

    def test_a_childs_large_or_deep_details_do_not_keep_the_parent_waiting(self) -> None:
        parent = self.parent()
        for details in ({"a": "x" * (LARGE - 200)}, {"a": deep(98)}):
            with self.subTest(size=len(str(details))):
                execution = run(parent, {"details": details})
                assert_completed(execution)
                wait = Wait.objects.get(kind="child", execution=execution)
                self.assertEqual(wait.received["error"]["type"], "declined")

    def test_errors_of_children_of_children_get_to_the_top(self) -> None:
        class Nested(Workflow):
            @step
            def go(self, data: Any) -> Any:
                if data["n"] == 0:
                    raise Fail("deep down", type="declined", details={"a": 5})
                return self.call_workflow("nested", {"n": data["n"] - 1})

        execution = run(Nested, {"n": 12})
        error = self.assertFailed(execution, "ChildFailed")
        for _ in range(12):
            error = error["details"]["error"]
        self.assertEqual((error["type"], error["details"]), ("declined", {"a": 5}))

    def test_the_way_into_a_handler_sheds_what_does_not_fit_into_the_data(self) -> None:
        class W(Wordy):
            @step
            def after(self, data: Any) -> Any:
                return {"error": data["error"]}

            flow = chain(catch(Wordy.fail, {"declined": after, "ValueError": after}))

        execution = run(W, {})
        assert_completed(execution)
        self.assertIn("raise ValueError", execution.data["error"]["traceback"])
        for given in ({"details": {"a": "x" * (2**19)}}, {"much": "x" * (2**20 - 1500)}):
            execution = run(W, given)
            assert_completed(execution)
            error = execution.data["error"]
            self.assertEqual(
                set(error), {"type", "message", "step", "attempt", "traceback", "details"}
            )
            self.assertEqual(error["traceback"], "")


class DetailsTests(WorkflowTestCase):
    """One bad value does not take the others with it."""

    def details(self, details: Any) -> Any:
        class W(Workflow):
            @step
            def go(self, data: Any) -> Any:
                raise Fail("no", type="declined", details=details)

            @step
            def before(self, data: Any) -> Any: ...

            @before.compensate
            def undo(self, data: Any) -> Any: ...

            flow = chain(before, go)

        execution = run(W)
        self.assertEqual(execution.status, "compensated")
        self.assertEqual(execution.error["type"], "declined")
        return execution.error["details"]

    def test_a_bad_value_alone_is_described(self) -> None:
        found = self.details({"code": 51, "order": {"id": 7, "owner": object(), "to": ["a", 1j]}})
        self.assertEqual((found["code"], found["order"]["id"]), (51, 7))
        self.assertIn("object", found["order"]["owner"]["not_storable"])
        self.assertIn('details["order"]["owner"]', found["order"]["owner"]["not_storable"])
        self.assertEqual(found["order"]["to"][0], "a")
        self.assertIn("complex", found["order"]["to"][1]["not_storable"])

    def test_a_bad_key_is_written_as_text(self) -> None:
        self.assertEqual(self.details({"a": {1: 2, "b": 3}}), {"a": {"1": 2, "b": 3}})

    def test_too_large_a_value_does_not_take_the_small_ones_with_it(self) -> None:
        for large in ({"a": "x" * 2**20}, {"a": "x" * 600_000, "b": "y" * 600_000}):
            found = self.details({"code": 51, **large})
            self.assertEqual(found["code"], 51)
            self.assertIn("not_storable", found[[*large][-1]])

    def test_details_just_under_the_limit_do_not_stop_the_rollback(self) -> None:
        self.assertEqual(self.details({"a": "x" * LARGE}), {"a": "x" * LARGE})

    def test_details_without_an_end_or_too_deep_are_described(self) -> None:
        endless: dict[str, Any] = {"code": 51}
        endless.update({f"self{n}": endless for n in range(20)})
        for details in (endless, {"code": 51, "deep": deep(98)}, {"code": 51, "deep": deep(500)}):
            self.assertEqual(self.details(details)["code"], 51)
