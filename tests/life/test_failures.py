"""Whatever a body raises is written down; nothing of it gets past the step."""

from __future__ import annotations

import asyncio
from typing import Any

import durable
from durable import Fail, Retry, Workflow, branch, chain, step
from durable.authoring.self.context import current
from durable.models import Execution
from durable.testing import assert_completed, assert_step, drain, run
from tests.cases import WorkflowTestCase


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


class Odd(Exception):
    pass


def recurse() -> None:
    recurse()


class RaisedTests(WorkflowTestCase):
    def failing_with(self, error: BaseException, **options: Any) -> Execution:
        class P(Workflow):
            @step(**options)
            def one(self, data):
                raise error

        return run(P)

    def test_signals_to_the_process_fail_the_step_only(self) -> None:
        for error in (SystemExit(3), GeneratorExit(), asyncio.CancelledError(), BaseException("b")):
            with self.subTest(error=repr(error)):
                execution = self.failing_with(error)
                self.assertFailed(execution, type(error).__name__)
                assert_step(execution, "one", status="failed", attempts=1)

    def test_an_exception_that_cant_be_shown_is_described_all_the_same(self) -> None:
        error = self.assertFailed(self.failing_with(Unprintable()), "Unprintable")
        self.assertIn("not printable", error["message"])

    def test_texts_that_no_database_takes_are_escaped(self) -> None:
        error = self.assertFailed(self.failing_with(Odd("a\0b \ud800")), "Odd", "\\x00")
        self.assertIn("\\ud800", error["message"])

    def test_a_long_message_is_cut(self) -> None:
        error = self.assertFailed(self.failing_with(Odd("x" * 10**6)), "Odd")
        self.assertLess(len(error["message"]), 10_000)

    def test_endless_recursion_is_an_error_like_any_other(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                recurse()

        self.assertFailed(run(P), "RecursionError")

    def test_details_that_cant_be_stored_dont_hide_the_failure(self) -> None:
        for details in ({"a": object()}, {"a": "\0"}, {"a": "x" * 2**20}):
            execution = self.failing_with(Fail("no", type="declined", details=details))
            error = self.assertFailed(execution, "declined", "no")
            self.assertEqual(set(error["details"]["a"]), {"not_storable"})

    def test_details_just_under_the_limit_dont_hide_the_failure(self) -> None:
        for size in (2**20 - 20, 2**20 - 100, 2**20 - 2000):
            execution = self.failing_with(Fail("no", type="declined", details={"a": "x" * size}))
            self.assertFailed(execution, "declined", "no")

    def test_an_odd_type_doesnt_hide_the_failure(self) -> None:
        for kind in ("a\0b", "\ud800", object(), 5, None, "x" * 10**6, "", ["a"]):
            with self.subTest(kind=repr(kind)[:10]):
                execution = self.failing_with(Fail("no", type=kind))  # type: ignore[arg-type]
                execution.refresh_from_db()
                self.assertEqual(execution.status, "failed")
                self.assertIsInstance(execution.error["type"], str)

    def test_a_failure_of_one_execution_leaves_the_others_alone(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                if data["n"] == 1:
                    raise SystemExit
                return data

        rows = durable.start_many(P, [{"n": n} for n in range(3)])
        drain()
        found = [Execution.objects.get(pk=row.pk).status for row in rows]
        self.assertEqual(found, ["completed", "failed", "completed"])

    def test_nothing_of_the_step_is_current_after_it(self) -> None:
        self.failing_with(ValueError())
        self.assertIsNone(current())


class CallableTests(WorkflowTestCase):
    """A callable of the flow fails the execution like a step, whatever it raises."""

    def test_an_exception_in_on_fails_the_execution_like_a_failed_step(self) -> None:
        broken = [True]

        class P(Workflow):
            @step
            def one(self, data):
                return {"one": 1}

            @step
            def two(self, data):
                return {**data, "two": 2}

            def choose(self, data):
                if broken[0]:
                    raise KeyError("amount")
                return "a"

            flow = chain(one, branch(on=choose, cases={"a": two}))

        execution = run(P)
        error = self.assertFailed(execution, "KeyError", "amount")
        self.assertIn("choose", error["traceback"])
        self.assertEqual(error["step"], "choose")
        assert_step(execution, "one")
        broken[0] = False
        durable.retry(execution.id)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"one": 1, "two": 2})
        assert_step(execution, "one", attempts=1)

    def test_a_choice_is_not_retried_by_the_steps_retry(self) -> None:
        calls = []

        class P(Workflow):
            @step(retry=Retry(5))
            def one(self, data):
                calls.append("one")

            def choose(self, data):
                raise ValueError

            flow = chain(one, branch(on=choose, cases={"a": one.named("again")}))

        self.assertFailed(run(P), "ValueError")
        self.assertEqual(calls, ["one"])

    def test_at_the_start_of_the_flow_too(self) -> None:
        for error in (ValueError("bad"), SystemExit("bad")):
            with self.subTest(error=repr(error)):

                class P(Workflow):
                    @step
                    def one(self, data):
                        pass

                    def choose(self, data, error=error):
                        raise error

                    flow = branch(on=choose, cases={"a": one})

                self.assertFailed(run(P), type(error).__name__, "bad")

    def test_after_a_step_a_signal_to_the_process_fails_the_choice_only(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {"one": 1}

            def choose(self, data):
                raise SystemExit("bad")

            flow = chain(one, branch(on=choose, cases={"a": one.named("again")}))

        self.assertFailed(run(P), "SystemExit", "bad")

    def test_in_a_branch_directly_in_a_branch_too(self) -> None:
        broken = [True]

        class P(Workflow):
            @step
            def one(self, data):
                return {"done": True}

            def choose(self, data):
                if broken[0]:
                    raise ValueError("inner")
                return "b"

            flow = branch(on="kind", cases={"a": branch(on=choose, cases={"b": one})}, name="outer")

        execution = run(P, {"kind": "a"})
        self.assertFailed(execution, "ValueError", "inner")
        broken[0] = False
        durable.retry(execution.id)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"done": True})

    def test_an_exception_in_a_predicate_fails_the_execution(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                pass

            flow = branch(on="n", cases=[(durable.when(lambda n: n > 5), one)])

        self.assertFailed(run(P, {"n": "text"}), "TypeError")

    def test_a_callable_that_waits_is_told_to_do_so_in_a_step(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                pass

            def choose(self, data):
                return self.wait_for_event("go")

            flow = chain(one, branch(on=choose, cases={"a": one.named("again")}))

        self.assertFailed(run(P), "NotAllowedHere", "wait in a step")
