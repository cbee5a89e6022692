"""A branch takes the first case that fits, by value and JSON type, and never changes its mind."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import durable
from durable import Workflow, branch, chain, days, sleep, step
from durable.testing import advance, assert_completed, assert_step, drain, run, time_travel
from tests.cases import WorkflowTestCase
from tests.life.cases import die_at, die_in_the_next_step
from tests.stage import tick


class Taking(Workflow):
    class Meta:
        abstract = True

    @step
    def a(self, data):
        return {**data, "took": "a"}

    @step
    def b(self, data):
        return {**data, "took": "b"}

    @step
    def other(self, data):
        return {**data, "took": "other"}


class MatchTests(WorkflowTestCase):
    def took(self, block: Any, data: dict[str, Any]) -> Any:
        class P(Taking):
            flow = chain(block)

        execution = run(P, data)
        assert_completed(execution)
        return execution.result.get("took")

    def test_a_case_matches_by_value_and_json_type(self) -> None:
        cases = [(True, Taking.a), (1, Taking.b)]
        block = branch(on="v", cases=cases, default=Taking.other)
        for value, wanted in [
            (True, "a"),
            (Decimal(1), "b"),
            (None, "other"),
            ([1], "other"),
        ]:
            with self.subTest(value=value):
                self.assertEqual(self.took(block, {"v": value}), wanted)

    def test_on_may_be_a_callable_or_a_method(self) -> None:
        block = branch(on=lambda data: data["n"] % 2, cases={0: Taking.a, 1: Taking.b})
        self.assertEqual([self.took(block, {"n": n}) for n in (1, 2)], ["b", "a"])

        class Q(Taking):
            def parity(self, data):
                assert self.input == data
                return data["n"] % 2

            flow = branch(on=parity, cases={0: Taking.a, 1: Taking.b})

        self.assertEqual(run(Q, {"n": 3}).result["took"], "b")

    def test_what_on_does_to_the_data_has_no_effect(self) -> None:
        def on(data: Any) -> str:
            data["changed"] = True
            return "x"

        class P(Taking):
            @step
            def first(self, data):
                return data

            flow = chain(first, branch(on=on, cases={"x": Taking.a}))

        self.assertEqual(run(P, {}).result, {"took": "a"})


class SkipTests(WorkflowTestCase):
    def test_no_match_and_no_default_skips_the_block(self) -> None:
        class P(Taking):
            @step
            def last(self, data):
                return {**data, "last": True}

            flow = chain(branch(on="v", cases={1: Taking.a}), last)

        execution = run(P, {"v": 2})
        assert_completed(execution)
        self.assertEqual(execution.result, {"v": 2, "last": True})
        self.assertEqual([row.path for row in execution.steps], ["last"])

    def test_a_flow_in_which_everything_is_skipped_completes_with_its_input(self) -> None:
        class P(Taking):
            flow = chain(
                branch(on="v", cases={1: Taking.a}, name="x"),
                branch(on="v", cases={1: Taking.b}, name="y"),
            )

        execution = run(P, {"v": 2})
        assert_completed(execution)
        self.assertEqual(execution.result, {"v": 2})
        self.assertFalse(execution.steps.exists())

    def test_a_skipped_inner_block_goes_on_after_the_outer_one(self) -> None:
        class P(Taking):
            flow = chain(
                branch(on="v", cases={1: branch(on="w", cases={1: Taking.a})}, name="outer"),
                Taking.b,
            )

        for data, paths in [
            ({"v": 1, "w": 2}, ["b"]),
            ({"v": 1, "w": 1}, ["outer/1/w/1/a", "b"]),
            ({"v": 2}, ["b"]),
        ]:
            execution = run(P, data)
            assert_completed(execution)
            self.assertEqual([row.path for row in execution.steps], paths)

    def test_a_branch_looks_at_the_data_as_it_is_when_its_turn_comes(self) -> None:
        class P(Taking):
            flow = chain(
                Taking.a,
                branch(
                    on="took",
                    cases={"a": chain(Taking.b, branch(on="took", cases={"b": Taking.other}))},
                ),
            )

        self.assertEqual(run(P, {}).result, {"took": "other"})


class RecordedChoiceTests(WorkflowTestCase):
    def deploy(self, on: Any = "v") -> type[Workflow]:
        """The same workflow, whose case ``1`` or ``2`` leads to the waiting step."""

        class P(Taking):
            @step
            def wait(self, data):
                return {**data, "v": self.wait_for_event("go")}

            flow = chain(branch(on=on, cases={1: wait, 2: Taking.b}, name="choice"), Taking.a)

        return P

    def test_a_resumed_execution_keeps_its_choice_whatever_the_code_says_now(self) -> None:
        execution = run(self.deploy(), {"v": 1})
        self.assertEqual(execution.path, "choice/1/wait")
        self.deploy(on=lambda data: 2)
        durable.send_event(execution.id, "go", 2)  # nor what the choice was made by
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"v": 2, "took": "a"})
        self.assertEqual([row.path for row in execution.steps], ["choice/1/wait", "a"])

    def test_on_is_asked_once_and_its_choice_is_on_record_before_anything_runs(self) -> None:
        asked: list[int] = []

        def on(data: Any) -> int:
            asked.append(1)
            return 1 if len(asked) == 1 else 2

        execution = durable.start(self.deploy(on=on), {})
        die_at("checkpoint.after_commit")
        execution.refresh_from_db()
        self.assertEqual(execution.path, "choice/1/wait")
        self.assertFalse(execution.waits.exists())
        drain()
        durable.send_event(execution.id, "go")
        tick()
        die_in_the_next_step()
        drain()
        assert_completed(execution)
        self.assertEqual(len(asked), 1)
        self.assertEqual([row.path for row in execution.steps], ["choice/1/wait", "a"])
        assert_step(execution, "wait", attempts=1)

    def test_the_choice_after_a_step_is_part_of_its_checkpoint(self) -> None:
        asked: list[int] = []

        class P(Taking):
            @step
            def first(self, data):
                return data

            flow = chain(first, branch(on=lambda data: asked.append(1) or 1, cases={1: Taking.a}))

        execution = durable.start(P, {})
        die_at("checkpoint.after_commit")
        execution.refresh_from_db()
        self.assertIn("/1/a", execution.path)
        drain()
        assert_completed(execution)
        self.assertEqual(len(asked), 1)

    def test_a_choice_that_fails_inside_a_choice_fails_the_execution(self) -> None:
        def broken(data: Any) -> Any:
            raise ValueError("no idea")

        class P(Taking):
            inner = branch(on=broken, cases={1: Taking.a})
            flow = chain(branch(on="v", cases={1: chain(inner)}), Taking.b)

        self.assertFailed(run(P, {"v": 1}), "ValueError", "no idea")


class NestingTests(WorkflowTestCase):
    def test_branches_nest_and_join_where_they_began(self) -> None:
        class P(Taking):
            @step
            def end(self, data):
                return {**data, "end": True}

            flow = chain(
                branch(
                    on="x",
                    cases={
                        1: chain(
                            Taking.a,
                            branch(on="y", cases={1: Taking.b}, default=Taking.other),
                            Taking.a.named("a2"),
                        )
                    },
                    default=Taking.other,
                ),
                end,
            )

        for data, paths in [
            ({"x": 1, "y": 1}, ["x/1/a", "x/1/y/1/b", "x/1/a2", "end"]),
            ({"x": 1, "y": 2}, ["x/1/a", "x/1/y/default/other", "x/1/a2", "end"]),
            ({"x": 2}, ["x/default/other", "end"]),
        ]:
            execution = run(P, data)
            assert_completed(execution)
            self.assertEqual([row.path for row in execution.steps], paths)
            self.assertTrue(execution.result["end"])

    def test_standing_nodes_stand_in_cases(self) -> None:
        class P(Taking):
            flow = chain(
                branch(on="x", cases={1: sleep(days(1)), 2: chain(sleep(days(2)))}), Taking.a
            )

        with time_travel():
            one, two, none = (run(P, {"x": n}) for n in (1, 2, 3))
            assert_completed(none)
            advance(days=1)
            assert_completed(one)
            advance(days=1)
            assert_completed(two)

    def test_a_string_names_a_step(self) -> None:
        class P(Taking):
            flow = chain(branch(on="x", cases={1: "a", 2: chain("b", "other")}), "b")

        self.assertEqual([row.path for row in run(P, {"x": 2}).steps], ["x/2/b", "x/2/other", "b"])
