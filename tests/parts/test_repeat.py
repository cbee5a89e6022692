"""A loop: it runs, then looks; bounded; its rounds are visits."""

from __future__ import annotations

from typing import Any

import durable
from durable import Workflow, chain, increment, minutes, parallel, repeat, step
from durable.testing import advance, assert_completed, drain, isolate_workflows, run, time_travel
from tests.cases import WorkflowTestCase


class RepeatTests(WorkflowTestCase):
    def test_until_may_be_a_key_a_callable_or_a_method(self) -> None:
        for kind in ("key", "callable", "method"):
            with self.subTest(kind), isolate_workflows():

                class W(Workflow):
                    def is_done(self, data: Any) -> bool:
                        return bool(data["n"] >= 3)

                    @step
                    def up(self, data: Any) -> Any:
                        return {"n": data["n"] + 1, "done": data["n"] + 1 >= 3}

                    flow = chain(
                        repeat(
                            up,
                            until={
                                "key": "done",
                                "callable": lambda data: data["n"] >= 3,
                                "method": is_done,
                            }[kind],
                        )
                    )

                self.assertEqual(run(W, {"n": 0}).data["n"], 3)

    def test_it_runs_before_it_looks(self) -> None:
        class W(Workflow):
            @step
            def up(self, data: Any) -> Any:
                return {"n": data["n"] + 1}

            flow = chain(repeat(up, until=lambda data: True))

        self.assertEqual(run(W, {"n": 5}).data, {"n": 6})

    def test_past_the_limit_it_fails(self) -> None:
        class W(Workflow):
            @step
            def up(self, data: Any) -> Any:
                return {"n": data["n"] + 1}

            flow = chain(repeat(up, until="never", max_iterations=4))

        execution = run(W, {"n": 0})
        self.assertFailed(execution, "TooManyIterations", "max_iterations=4")
        self.assertEqual(execution.data, {"n": 4})

    def test_the_default_limit_is_100_and_none_is_no_limit(self) -> None:
        for limit, rounds in (({}, 100), ({"max_iterations": None}, 130)):
            with self.subTest(limit), isolate_workflows():

                class W(Workflow):
                    @step
                    def up(self, data: Any) -> Any:
                        return {"n": data["n"] + 1}

                    flow = chain(repeat(up, until=lambda data: data["n"] >= 130, **limit))

                self.assertEqual(run(W, {"n": 0}).data["n"], rounds)

    def test_nested_loops_begin_anew_and_every_visit_differs(self) -> None:
        keys: list[str] = []

        class W(Workflow):
            @step
            def inner(self, data: Any) -> Any:
                keys.append(self.idempotency_key)
                return {**data, "i": data["i"] + 1}

            @step
            def outer(self, data: Any) -> Any:
                return {"o": data["o"] + 1, "i": 0}

            flow = chain(
                repeat(
                    chain(repeat(inner, until=lambda d: d["i"] >= 3, max_iterations=3), outer),
                    until=lambda d: d["o"] >= 2,
                )
            )

        execution = run(W, {"i": 0, "o": 0})
        assert_completed(execution)
        self.assertEqual((len(keys), len(set(keys))), (6, 6))
        visits = list(execution.steps.values_list("path", "visit"))
        self.assertEqual(len(visits), len(set(visits)))

    def test_each_round_has_waits_of_its_own(self) -> None:
        class W(Workflow):
            @step
            def ask(self, data: Any) -> Any:
                self.sleep(minutes(1))
                return {**data, "got": [*data["got"], self.wait_for_event("e")]}

            flow = chain(repeat(ask, until=lambda d: len(d["got"]) == 3))

        with time_travel():
            execution = run(W, {"got": []})
            for number in range(3):
                advance(minutes=1)
                durable.send_event(execution.id, "e", number)
                drain()
        assert_completed(execution)
        self.assertEqual(execution.data["got"], [0, 1, 2])

    def test_a_block_inside_a_loop_opens_anew_each_round(self) -> None:
        class W(Workflow):
            @step
            def a(self, data: Any) -> Any:
                return increment(data, "n")

            @step
            def b(self, data: Any) -> Any:
                return increment(data, "n")

            flow = chain(repeat(parallel(a, b), until=lambda d: d["n"] >= 6))

        execution = run(W, {"n": 0})
        assert_completed(execution)
        self.assertEqual((execution.data["n"], execution.children.count()), (6, 6))

    def test_an_error_in_until_fails_the_execution_and_retry_asks_again(self) -> None:
        fixed: list[int] = []

        class W(Workflow):
            @step
            def up(self, data: Any) -> Any:
                return {"n": data["n"] + 1}

            flow = chain(repeat(up, until=lambda d: True if fixed else 1 / 0))

        execution = run(W, {"n": 0})
        self.assertFailed(execution, "ZeroDivisionError")
        fixed.append(1)
        durable.retry(execution.id)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.data, {"n": 1})
