"""A foreach: items are read once and stored, run in turns, and each is checkpointed by itself."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

from django.contrib.auth.models import Group

import durable
from durable import (
    Fail,
    Retry,
    Workflow,
    append,
    branch,
    call_workflow,
    catch,
    chain,
    foreach,
    increment,
    minutes,
    parallel,
    repeat,
    step,
    wait_for_event,
)
from durable.engine.duties import workers
from durable.engine.duties.inline import InlineSession
from durable.engine.run import runner
from durable.models import Execution
from durable.testing import advance, assert_completed, drain, isolate_workflows, run, time_travel
from tests.cases import WorkflowTestCase
from tests.life.cases import a_worker, bury, claim_as, die_at


def items(execution: Execution) -> list[str]:
    """The status of each item, in order."""
    return list(execution.children.order_by("index").values_list("status", flat=True))


def few_listed() -> AbstractContextManager[Any]:
    """Within, a report lists ten failures instead of a hundred."""
    return mock.patch("durable.engine.parts.join.LISTED_ERRORS", 10)


class ItemTests(WorkflowTestCase):
    def test_items_come_from_a_key_a_dotted_key_a_method_or_a_callable(self) -> None:
        def numbers(data: Any) -> Any:
            yield from data["order"]["items"]

        for source in ("order.items", numbers, lambda d: tuple(d["order"]["items"])):
            with self.subTest(source=source), isolate_workflows():

                class W(Workflow):
                    @step
                    def one(self, data: Any, item: Any, index: int) -> Any:
                        return [item, index]

                    flow = chain(foreach(source, one, collect_as="r"))

                execution = run(W, {"order": {"items": ["a", "b"]}})
                self.assertEqual(execution.data["r"], [["a", 0], ["b", 1]])

    def test_a_queryset_is_read_in_portions_once(self) -> None:
        for number in range(5):
            Group.objects.create(name=f"g{number}")
        asked: list[int] = []

        class W(Workflow):
            def names(self, data: Any) -> Any:
                asked.append(1)
                return Group.objects.order_by("name").values_list("name", flat=True).iterator()

            @step
            def one(self, data: Any, item: Any, index: int) -> Any:
                Group.objects.filter(name="g4").delete()
                return item

            flow = chain(foreach(names, one, collect_as="r"))

        execution = run(W)
        self.assertEqual(execution.data["r"], ["g0", "g1", "g2", "g3", "g4"])
        self.assertEqual(asked, [1])

    def test_a_generator_is_read_in_portions_and_once_whatever_dies_afterwards(self) -> None:
        portions: list[int] = []

        class W(Workflow):
            def numbers(self, data: Any) -> Any:
                for number in range(7):
                    if number % 3 == 0:
                        portions.append(Execution.objects.filter(role="item").count())
                    yield number

            @step
            def one(self, data: Any, item: Any, index: int) -> Any:
                return increment(data, "n")

            flow = chain(foreach(numbers, one))

        execution = durable.start(W)
        with mock.patch("durable.engine.parts.fan_out.PORTION", 3):
            die_at("fan_out.after_commit")
        self.assertEqual(portions, [0, 3, 6])  # each portion is stored before the next is read
        drain()
        assert_completed(execution)
        self.assertEqual((execution.data["n"], len(portions)), (7, 3))

    def test_items_that_raise_fail_the_block_and_leave_nothing(self) -> None:
        class W(Workflow):
            def numbers(self, data: Any) -> Any:
                yield from range(3)
                raise KeyError("no more")

            @step
            def one(self, data: Any, item: Any, index: int) -> Any: ...

            @step
            def handle(self, data: Any) -> Any: ...

            flow = chain(catch(foreach(numbers, one), {KeyError: handle}))

        execution = run(W)
        assert_completed(execution)
        self.assertEqual(execution.data["error"]["type"], "KeyError")
        self.assertFalse(execution.children.exists())

    def test_items_of_a_running_execution_stay_on_its_version(self) -> None:
        def define(number: int) -> type[Workflow]:
            class W(Workflow):
                class Meta:
                    version = number

                @step
                def one(self, data: Any, item: Any, index: int) -> Any:
                    self.wait_for_event("go")
                    return append(data, "by", number)

                flow = chain(foreach("items", one))

            return W

        execution = run(define(1), {"items": [1, 2, 3]})
        define(2)
        for _ in range(3):
            durable.send_event(execution.id, "go")
            drain()
        assert_completed(execution)
        self.assertEqual(execution.data["by"], [1, 1, 1])

    def test_no_items_pass_on(self) -> None:
        class W(Workflow):
            @step
            def one(self, data: Any, item: Any, index: int) -> Any:
                raise AssertionError

            @step
            def after(self, data: Any) -> Any:
                return {**data, "after": 1}

            flow = chain(foreach("items", one, collect_as="r", on_error="continue"), after)

        execution = run(W, {"items": []})
        assert_completed(execution)
        self.assertEqual(execution.data["r"], [])
        self.assertEqual(execution.data["one"]["total"], 0)
        self.assertEqual(execution.data["after"], 1)

    def test_what_is_no_iterable_or_a_string_fails(self) -> None:
        class W(Workflow):
            @step
            def one(self, data: Any, item: Any, index: int) -> Any: ...

            flow = chain(foreach("items", one))

        for wrong in ("text", 5, None):
            with self.subTest(wrong=wrong):
                self.assertFailed(run(W, {"items": wrong}), "DurableError", "iterable")

    def test_an_item_that_cannot_be_stored_fails_and_leaves_no_items(self) -> None:
        class W(Workflow):
            @step
            def one(self, data: Any, item: Any, index: int) -> Any: ...

            flow = chain(foreach(lambda d: [1, object()], one))

        execution = run(W)
        self.assertFailed(execution, "NotSerializable", "items[1]")
        self.assertEqual(execution.children.count(), 0)

    def test_name_is_that_of_the_first_step_or_the_given_one(self) -> None:
        class W(Workflow):
            @step
            def one(self, data: Any, item: Any, index: int) -> Any: ...

            @step
            def two(self, data: Any, item: Any, index: int) -> Any: ...

            flow = chain(
                foreach("items", chain(one, two), on_error="continue"),
                foreach("items", two, on_error="continue", name="again"),
            )

        execution = run(W, {"items": [1]})
        self.assertEqual(execution.data["one"]["succeeded"], 1)
        self.assertEqual(execution.data["again"]["succeeded"], 1)

    def test_keys_differ_per_item_and_are_the_same_for_each_attempt(self) -> None:
        keys: list[tuple[int, str]] = []

        class W(Workflow):
            @step(retry=Retry(max_attempts=2, base=minutes(1)), atomic=False)
            def one(self, data: Any, item: Any, index: int) -> Any:
                keys.append((item, self.idempotency_key))
                if self.attempt == 1:
                    raise ValueError

            flow = chain(foreach("items", one, concurrency=2))

        with time_travel():
            execution = run(W, {"items": [1, 2]})
            advance(minutes=5)
        assert_completed(execution)
        self.assertEqual((len(keys), len(set(keys))), (4, 2))


class TurnTests(WorkflowTestCase):
    def test_at_most_concurrency_are_in_flight_sliding_and_in_order(self) -> None:
        class W(Workflow):
            @step
            def one(self, data: Any, item: Any, index: int) -> Any:
                self.wait_for_event(f"go{item}")

            flow = chain(foreach("items", one, concurrency=2))

        execution = run(W, {"items": [0, 1, 2, 3]})
        self.assertEqual(items(execution), ["waiting", "waiting", "pending", "pending"])
        durable.send_event(execution.id, "go1", {})
        drain()
        self.assertEqual(items(execution), ["waiting", "completed", "waiting", "pending"])
        for number in (0, 2, 3):
            durable.send_event(execution.id, f"go{number}", {})
            drain()
        assert_completed(execution)

    def test_with_concurrency_one_each_item_gets_the_data_of_the_one_before(self) -> None:
        class W(Workflow):
            @step
            def one(self, data: Any, item: Any, index: int) -> Any:
                if item == "bad":
                    data["never"] = 1
                    raise Fail("bad")
                return append({**data, "last": item, "seen": data.get("last")}, "log", item)

            flow = chain(foreach("items", one, on_error="continue"))

        execution = run(W, {"items": ["a", "bad", "b", "c"]})
        assert_completed(execution)
        self.assertEqual((execution.data["log"], execution.data["seen"]), (["a", "b", "c"], "b"))
        self.assertNotIn("never", execution.data)

    def test_the_last_item_in_sequence_may_fail(self) -> None:
        class W(Workflow):
            @step
            def one(self, data: Any, item: Any, index: int) -> Any:
                if item == 2:
                    raise Fail("bad")
                return increment(data, "n")

            flow = chain(foreach("items", one, on_error="continue"))

        self.assertEqual(run(W, {"items": [0, 1, 2]}).data["n"], 2)

    def test_with_more_each_gets_the_data_before_the_block(self) -> None:
        seen: list[Any] = []

        class W(Workflow):
            @step
            def one(self, data: Any, item: Any, index: int) -> Any:
                seen.append(data.get("x"))
                return {**data, "x": item, "m": {**data.get("m", {}), str(item): item}}

            flow = chain(foreach("items", one, concurrency=2))

        execution = run(W, {"items": [1, 2, 3]})
        self.assertEqual(seen, [None] * 3)
        self.assertEqual((execution.data["x"], execution.data["m"]), (3, {"1": 1, "2": 2, "3": 3}))

    def test_retries_and_waits_hold_up_only_their_item(self) -> None:
        ran: list[Any] = []

        class W(Workflow):
            @step
            def first(self, data: Any, item: Any, index: int) -> Any:
                ran.append(("first", item))

            @step(retry=Retry(max_attempts=2, base=minutes(1)))
            def second(self, data: Any, item: Any, index: int) -> Any:
                ran.append(("second", item))
                if item == 1 and self.attempt == 1:
                    raise ValueError
                if item == 2:
                    self.sleep(minutes(3))
                return increment(data, "n")

            flow = chain(foreach("items", chain(first, second), concurrency=3))

        with time_travel():
            execution = run(W, {"items": [0, 1, 2]})
            advance(minutes=10)
        assert_completed(execution)
        self.assertEqual(execution.data["n"], 3)
        self.assertEqual([ran.count(("first", n)) for n in range(3)], [1, 1, 1])


class CollectTests(WorkflowTestCase):
    def test_any_value_in_item_order(self) -> None:
        class W(Workflow):
            @step
            def one(self, data: Any, item: Any, index: int) -> Any:
                if item == 0:
                    self.sleep(minutes(1))
                return [None, "text", {"n": item}, (1, 2)][item]

            @step
            def after(self, data: Any) -> Any:
                return {**data, "types": [type(v).__name__ for v in data["r"]]}

            flow = chain(foreach("items", one, concurrency=4, collect_as="r"), after)

        with time_travel():
            execution = run(W, {"items": [0, 1, 2, 3]})
            advance(minutes=2)
        assert_completed(execution)
        self.assertEqual(execution.data["r"][1:], ["text", {"n": 2}, (1, 2)])

    def test_what_collected_items_change_in_the_data_is_not_merged(self) -> None:
        class W(Workflow):
            @step
            def one(self, data: Any, item: Any, index: int) -> Any:
                data["changed"] = item
                return increment(data, "n")

            flow = chain(foreach("items", one, collect_as="r"))

        execution = run(W, {"items": [1, 2], "n": 0})
        self.assertEqual((execution.data["n"], "changed" in execution.data), (0, False))
        self.assertEqual([one["n"] for one in execution.data["r"]], [1, 1])

    def test_results_do_not_count_against_the_limit_of_data_but_have_their_own(self) -> None:
        class W(Workflow):
            @step
            def one(self, data: Any, item: Any, index: int) -> Any:
                return "x" * 500

            @step
            def after(self, data: Any) -> Any:
                return {**data, "n": len(data["r"])}

            flow = chain(foreach(lambda d: range(10), one, collect_as="r"), after)

        with self.settings(DURABLE={"MAX_DATA_BYTES": 2000}):
            self.assertEqual(run(W).data["n"], 10)
        with self.settings(DURABLE={"MAX_DATA_BYTES": 2000, "MAX_COLLECTED_BYTES": 3000}):
            self.assertFailed(run(W), "ResultsTooLarge", "MAX_COLLECTED_BYTES")

    def test_a_block_whose_results_grow_too_large_stops_and_fails(self) -> None:
        for options in ({}, {"concurrency": 2, "batch_size": 4}):
            with self.subTest(options), isolate_workflows():
                ran: list[int] = []

                class W(Workflow):
                    @step
                    def one(self, data: Any, item: int, index: int, ran: Any = ran) -> Any:
                        ran.append(item)
                        return "x" * 500

                    given: Any = {"collect_as": "r", "on_error": "continue", **options}
                    flow = chain(foreach(lambda data: range(25), one, **given))

                with self.settings(DURABLE={"MAX_COLLECTED_BYTES": 3000}):
                    execution = run(W)
                self.assertFailed(execution, "ResultsTooLarge", "MAX_COLLECTED_BYTES")
                self.assertLess(len(ran), 20)
                ended = items(execution)
                self.assertEqual(
                    (ended.count("completed"), ended.count("cancelled")), (len(ran), 25 - len(ran))
                )
                durable.retry(execution.id)  # it may grow larger now
                drain()
                assert_completed(execution)
                self.assertEqual(len(execution.data["r"]), 25)


class ErrorTests(WorkflowTestCase):
    def flaky(self, **options: Any) -> tuple[type[Workflow], list[Any], set[Any]]:
        ran: list[Any] = []
        bad: set[Any] = set()

        class W(Workflow):
            @step
            def prepare(self, data: Any, item: Any, index: int) -> Any:
                ran.append(("prepare", item))

            @step
            def one(self, data: Any, item: Any, index: int) -> Any:
                ran.append(item)
                if item in bad:
                    raise Fail(f"bad {item}")
                return increment({**data, "last": item}, "n")

            flow = chain(foreach("items", chain(prepare, one), **options))

        return W, ran, bad

    def test_fail_fast_starts_no_new_item_and_lists_the_failures(self) -> None:
        for batch_size in (1, 3):
            with self.subTest(batch_size=batch_size), isolate_workflows():
                W, ran, bad = self.flaky(concurrency=2, batch_size=batch_size)
                bad.add(1)
                execution = run(W, {"items": [0, 1, 2, 3, 4, 5, 6, 7, 8]})
                error = self.assertFailed(execution, "ForeachFailed", "item 1")
                ((index, first),) = error["details"]["errors"]
                self.assertEqual((index, first["message"]), (1, "bad 1"))
                self.assertIn("cancelled", items(execution))
                self.assertNotIn(8, ran)

    def test_a_failed_block_lists_the_first_failures_only(self) -> None:
        W, _, bad = self.flaky(concurrency=15)
        bad.update(range(2, 15))
        with few_listed():
            execution = run(W, {"items": list(range(15))})
        error = self.assertFailed(execution, "ForeachFailed", "13 of 15 items")
        errors = error["details"]["errors"]
        self.assertEqual([index for index, _ in errors], list(range(2, 12)))
        self.assertEqual({one["message"] for _, one in errors[:1]}, {"bad 2"})

    def test_continue_tries_every_item_and_says_what_became_of_them(self) -> None:
        W, _, bad = self.flaky(concurrency=3, on_error="continue")
        bad.update(range(12))
        with few_listed():
            execution = run(W, {"items": list(range(15))})
        assert_completed(execution)
        summary = execution.data["prepare"]
        self.assertEqual((summary["total"], summary["succeeded"], summary["failed"]), (15, 3, 12))
        self.assertEqual([e["index"] for e in summary["errors"]], list(range(10)))
        self.assertEqual(summary["errors"][0]["error"]["message"], "bad 0")
        self.assertEqual(execution.children.filter(status="failed").count(), 12)
        self.assertEqual(execution.data["n"], 3)

    def test_max_failures_as_a_count_or_a_share(self) -> None:
        for limit, allowed in ((1, 1), ("40%", 2), (0, 0)):
            with self.subTest(limit=limit):
                with isolate_workflows():
                    W, ran, bad = self.flaky(on_error="continue", max_failures=limit)
                    bad.update(range(allowed))
                    assert_completed(run(W, {"items": list(range(5))}))
                with isolate_workflows():
                    W, ran, bad = self.flaky(on_error="continue", max_failures=limit)
                    bad.update(range(allowed + 1))
                    execution = run(W, {"items": list(range(5))})
                    self.assertFailed(execution, "ForeachFailed")
                    self.assertNotIn(allowed + 1, ran)

    def test_retry_runs_only_failed_and_unstarted_items(self) -> None:
        for options in ({}, {"concurrency": 2, "batch_size": 3}):
            with self.subTest(options), isolate_workflows():
                W, ran, bad = self.flaky(**options)
                bad.add(2)
                execution = run(W, {"items": list(range(6))})
                self.assertFailed(execution, "ForeachFailed")
                done = [i for i, status in enumerate(items(execution)) if status == "completed"]
                bad.clear()
                ran.clear()
                durable.retry(execution.id)
                drain()
                assert_completed(execution)
                self.assertEqual(execution.data["n"], 6)
                self.assertEqual(execution.data["last"], 5)
                self.assertNotIn(("prepare", 2), ran)  # its first step is done
                self.assertEqual(
                    sorted(n for n in ran if isinstance(n, int)),
                    [n for n in range(6) if n not in done],
                )

    def test_retry_in_sequence_keeps_what_was_done_between_the_failures(self) -> None:
        W, _, bad = self.flaky(on_error="continue", max_failures=1)
        bad.update({1, 4})
        execution = run(W, {"items": list(range(7))})
        self.assertFailed(execution, "ForeachFailed")
        bad.clear()
        durable.retry(execution.id)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.data["n"], 7)


class NestingTests(WorkflowTestCase):
    def test_blocks_inside_items_get_item_and_index(self) -> None:
        class W(Workflow):
            @step
            def a(self, data: Any, item: Any, index: int) -> Any:
                return increment(data, "n", item)

            @step
            def b(self, data: Any, item: Any, index: int) -> Any:
                return increment(data, "n", 100 * index)

            @step
            def odd(self, data: Any, item: Any, index: int) -> Any:
                return append(data, "odd", item)

            flow = chain(
                foreach(
                    "items",
                    chain(
                        parallel(a, b),
                        branch(on=lambda d, item, index: item % 2, cases={1: odd}, default=a),
                    ),
                    concurrency=2,
                )
            )

        execution = run(W, {"items": [1, 2, 3], "n": 0})
        assert_completed(execution)
        self.assertEqual((execution.data["n"], execution.data["odd"]), (6 + 300 + 2, [1, 3]))

    def test_callables_in_items_get_the_data_and_item_and_index_if_they_take_them(self) -> None:
        class Child(Workflow):
            @step
            def double(self, data: Any) -> Any:
                return {"n": 2 * data["n"]}

        class W(Workflow):
            def ready(self, data: Any) -> Any:
                return len(data["seen"]) > 1

            def every(self, data: Any, *rest: Any) -> Any:
                return rest

            @step
            def look(self, data: Any, item: Any, index: int) -> Any:
                return append(data, "seen", item)

            @step
            def note(self, data: Any, item: Any, index: int) -> Any:
                return {**data, "note": [item, data["child"]["n"]]}

            flow = chain(
                foreach(
                    "items",
                    chain(
                        repeat(look, until=ready),
                        branch(on=lambda data: data["kind"], cases={"a": look}),
                        branch(on=lambda data, item, index: item, cases={7: look}),
                        branch(on=lambda data, item=None: item, cases={8: look}, default=look),
                        call_workflow(Child, input=lambda data: {"n": data["n"]}, into="child"),
                        wait_for_event("go", key=lambda data: f"n:{data['n']}"),
                        foreach(lambda data: data["few"], look),
                        foreach(every, look),
                        note,
                    ),
                )
            )

        data = {"items": [7], "kind": "a", "seen": [], "n": 4, "few": ["x"]}
        execution = run(W, data)
        durable.publish_event("go", {}, key="n:4")
        drain()
        assert_completed(execution)
        execution.refresh_from_db()
        self.assertEqual(execution.data["seen"], [7, 7, 7, 7, 7, "x", 7, 0])
        self.assertEqual(execution.data["note"], [7, 8])

    def test_foreach_in_foreach_and_in_parallel(self) -> None:
        for concurrency, batch_size in ((1, 1), (2, 1), (2, 2)):
            with self.subTest((concurrency, batch_size)), isolate_workflows():

                class W(Workflow):
                    @step
                    def cell(self, data: Any, item: Any, index: int) -> Any:
                        return increment(data, "n", item)

                    @step
                    def other(self, data: Any) -> Any:
                        return increment(data, "n", 1000)

                    turns: Any = {"concurrency": concurrency, "batch_size": batch_size}
                    row = foreach(lambda data, row, index: row, cell, **turns)
                    flow = chain(parallel(rows=foreach("rows", row, **turns), other=other))

                execution = run(W, {"rows": [[1, 2], [], [3, 4, 5]], "n": 0})
                assert_completed(execution)
                self.assertEqual(execution.data["n"], 1015)


class BatchTests(WorkflowTestCase):
    def batched(self, one: Any, count: int = 6, **options: Any) -> Execution:
        two_by_three: Any = {"concurrency": 2, "batch_size": 3}

        class W(Workflow):
            @step
            def work(self, data: Any, item: Any, index: int) -> Any:
                return one(self, data, item)

            flow = chain(foreach(lambda d: range(count), work, **(two_by_three | options)))

        return durable.start(W)

    def test_a_batch_counts_every_item_once(self) -> None:
        for count in (1, 5, 6, 7):
            with self.subTest(count=count), isolate_workflows():
                execution = self.batched(lambda s, d, i: increment(d, "n"), count)
                drain()
                assert_completed(execution)
                self.assertEqual(execution.data["n"], count)
                self.assertEqual(items(execution), ["completed"] * count)
                self.assertFalse(Execution.objects.filter(released=False).exists())

    def test_items_with_statements_waits_and_failures_in_one_batch(self) -> None:
        def one(self: Any, data: Any, item: int) -> Any:
            if item % 4 == 0:
                Group.objects.create(name=f"g{item}")
            if item % 4 == 1:
                self.sleep(minutes(1))
            if item % 4 == 2:
                raise Fail("no")
            return increment(data, "n")

        with time_travel():
            execution = self.batched(one, 12, batch_size=5, on_error="continue")
            drain()
            for _ in range(3):
                advance(minutes=1)
        assert_completed(execution)
        self.assertEqual(execution.data["n"], 9)
        self.assertEqual(execution.data["work"]["failed"], 3)
        self.assertEqual(Group.objects.count(), 3)

    def test_after_a_crash_only_unwritten_items_of_the_batch_run_again(self) -> None:
        ran: list[int] = []

        def one(self: Any, data: Any, item: int) -> Any:
            ran.append(item)
            if item == 2 and ran.count(2) == 1:
                raise durable.errors.ClaimLost  # the worker is gone: nothing more is written
            Group.objects.create(name=f"g{item}")
            return increment(data, "n")

        execution = self.batched(one, 6, concurrency=1 + 1, batch_size=5)
        worker = a_worker()
        runner.run(claim_as(worker), InlineSession())  # opens the block
        claim = claim_as(worker)
        self.assertEqual(len(claim.rest), 4)
        with mock.patch("durable.engine.parts.batch.Batch.end"):  # dead before it could
            runner.run(claim, InlineSession())
        bury(worker)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.data["n"], 6)
        self.assertEqual(Group.objects.count(), 6)
        self.assertEqual(ran.count(0), 1)

    def test_what_a_dead_worker_had_in_a_batch_waits_for_its_turn_again(self) -> None:
        execution = self.batched(lambda s, d, i: increment(d, "n"), 10, batch_size=4)
        worker = a_worker()
        runner.run(claim_as(worker), InlineSession())
        claim = claim_as(worker)
        self.assertEqual(len(claim.rest), 3)
        bury(worker)
        self.assertEqual(Execution.objects.filter(ready_at__isnull=False, role="item").count(), 2)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.data["n"], 10)

    def test_cancelled_items_of_a_dead_workers_batch_end_like_all_others(self) -> None:
        execution = self.batched(lambda s, d, i: increment(d, "n"), 10, batch_size=4)
        worker = a_worker()
        runner.run(claim_as(worker), InlineSession())
        self.assertEqual(len(claim_as(worker).rest), 3)
        durable.cancel(execution.id)
        bury(worker)
        drain()
        execution.refresh_from_db()
        self.assertEqual(execution.status, "cancelled")
        self.assertEqual(items(execution), ["cancelled"] * 10)
        self.assertFalse(Execution.objects.filter(released=False).exists())

    def test_a_stopped_worker_gives_the_rest_of_a_batch_back(self) -> None:
        execution = self.batched(lambda s, d, i: increment(d, "n"), 10, batch_size=4)
        worker = a_worker()
        runner.run(claim_as(worker), InlineSession())
        session = InlineSession()
        session.stopping = True
        runner.run(claim_as(worker), session)
        self.assertEqual(workers.held(worker), set())
        drain()
        assert_completed(execution)
        self.assertEqual(execution.data["n"], 10)


class ControlTests(WorkflowTestCase):
    def test_cancel_while_an_item_is_in_its_step_ends_the_tree(self) -> None:
        for batch_size in (1, 3):
            with self.subTest(batch_size=batch_size), isolate_workflows():

                class W(Workflow):
                    @step
                    def one(self, data: Any, item: Any, index: int) -> Any:
                        if item == 1:
                            durable.cancel(self.id, "stop")

                    flow = chain(foreach("items", one, concurrency=2, batch_size=batch_size))

                execution = run(W, {"items": list(range(9))})
                self.assertEqual(execution.status, "cancelled")
                self.assertFalse(Execution.objects.unfinished().exists())

    def test_pause_starts_no_new_item_and_resume_goes_on(self) -> None:
        for batch_size in (1, 3):
            with self.subTest(batch_size=batch_size), isolate_workflows():
                ran: list[Any] = []

                class W(Workflow):
                    @step
                    def one(self, data: Any, item: Any, index: int, ran: Any = ran) -> Any:
                        ran.append(item)
                        if item == 1:
                            durable.pause(self.id)
                        return increment(data, "n")

                    flow = chain(foreach("items", one, concurrency=2, batch_size=batch_size))

                execution = run(W, {"items": list(range(9))})
                self.assertEqual(execution.status, "paused")
                self.assertNotIn(8, ran)
                durable.resume(execution.id)
                drain()
                assert_completed(execution)
                self.assertEqual((execution.data["n"], sorted(ran)), (9, list(range(9))))

    def test_progress_is_counted_by_status_while_it_runs(self) -> None:
        class W(Workflow):
            @step
            def one(self, data: Any, item: Any, index: int) -> Any:
                if item == 2:
                    self.wait_for_event("go")

            flow = chain(foreach("items", one, concurrency=1))

        execution = run(W, {"items": list(range(5))})
        self.assertEqual(
            execution.block_progress, {"total": 5, "completed": 2, "waiting": 1, "pending": 2}
        )
        durable.send_event(execution.id, "go", {})
        drain()
        execution.refresh_from_db()
        self.assertIsNone(execution.block_progress)
