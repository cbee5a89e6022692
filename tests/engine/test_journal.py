"""What a step asked for is on record; code that does not fit the record blocks, and loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import durable
from durable import Retry, Workflow, days, hours, seconds, step
from durable.engine import workers
from durable.models import Execution, Record, StepRun, Wait
from durable.testing import (
    advance,
    assert_completed,
    assert_step,
    assert_waiting_for,
    drain,
    run,
    time_travel,
)
from tests.engine.cases import CommittingTestCase, EngineTestCase, a_worker, die_at


def deploy(body: Callable[[Any, Any], Any], **options: Any) -> type[Workflow]:
    """The same workflow with another body of its one step."""

    class P(Workflow):
        @step(atomic=False, **options)
        def one(self, data):
            return body(self, data)

    return P


def asks(*names: str) -> Callable[[Any, Any], Any]:
    return lambda self, data: {"got": [self.wait_for_event(name) for name in names]}


class RecordTests(EngineTestCase):
    def test_each_answered_wait_returns_its_recorded_answer_when_the_step_runs_again(self) -> None:
        bodies: list[Any] = []

        def body(self: Any, data: Any) -> Any:
            got = [self.wait_for_event("e") for _ in range(3)]
            got += [self.wait_for_text("t"), self.wait_for_any(["e", "f"])]
            self.sleep(hours(1))
            bodies.append(got)
            return {"got": got}

        with time_travel():
            execution = run(deploy(body))
            for n in range(3):
                durable.send_event(execution.id, "e", n)
                drain()
            durable.provide_input(execution.id, "t", "text")
            drain()
            durable.send_event(execution.id, "f", 9)
            advance(hours=1)
            assert_completed(execution)
        self.assertEqual(execution.result, {"got": [0, 1, 2, "text", ("f", 9)]})
        self.assertEqual(len(bodies), 1)
        assert_step(execution, "one", attempts=1)

    def test_a_failed_attempt_keeps_the_answers_for_the_next(self) -> None:
        def body(self: Any, data: Any) -> Any:
            got = self.wait_for_event("e")
            if self.attempt == 1:
                raise ValueError
            return {"got": got}

        execution = run(deploy(body, retry=Retry(2, base=seconds(0))))
        durable.send_event(execution.id, "e", 1)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": 1})
        self.assertEqual(Wait.objects.count(), 1)

    def test_records_of_one_step_are_not_those_of_another(self) -> None:
        calls: list[str] = []

        def fetch() -> str:
            calls.append("fetch")
            return f"fetched {len(calls)}"

        class P(Workflow):
            @step(atomic=False)
            def one(self, data):
                data["one"] = self.run(fetch), self.wait_for_event("e")

            @step(atomic=False)
            def two(self, data):
                data["two"] = self.run(fetch), self.wait_for_event("e")

        execution = run(P)
        for n in (1, 2):
            durable.send_event(execution.id, "e", n)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"one": ("fetched 1", 1), "two": ("fetched 2", 2)})


class RunTests(EngineTestCase):
    def test_run_calls_once_and_remembers_what_storage_gives_back(self) -> None:
        calls: list[Any] = []
        seen: list[Any] = []

        class Text(str):
            pass

        def fetch(a: int, b: int) -> Any:
            calls.append((a, b))
            return {"sum": (a + b,), "text": Text("t")}

        def body(self: Any, data: Any) -> Any:
            got = self.run(fetch, 1, 2)
            seen.append((got, type(got["text"])))
            self.wait_for_event("go")
            return got

        execution = run(deploy(body))
        durable.send_event(execution.id, "go")
        drain()
        assert_completed(execution)
        self.assertEqual(calls, [(1, 2)])
        self.assertEqual(seen, [({"sum": (3,), "text": "t"}, str)] * 2)
        self.assertEqual(execution.result, {"sum": (3,), "text": "t"})

    def test_calls_are_found_by_name_and_how_many_came_before(self) -> None:
        calls: list[int] = []

        def fetch(n: int) -> int:
            calls.append(n)
            return n

        def body(self: Any, data: Any) -> Any:
            got = [self.run(fetch, n) for n in range(3)]
            got += [self.run(fetch, 7, name="seven"), self.run(lambda: None, name="none")]
            self.wait_for_event("go")
            return {"got": [*got, self.run(fetch, 9)]}

        execution = run(deploy(body))
        durable.send_event(execution.id, "go")
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": [0, 1, 2, 7, None, 9]})
        self.assertEqual(calls, [0, 1, 2, 7, 9])

    def test_if_the_function_raises_nothing_is_remembered(self) -> None:
        calls: list[int] = []

        def fetch() -> str:
            calls.append(1)
            if len(calls) == 1:
                raise ConnectionError
            return "there"

        execution = run(
            deploy(lambda self, data: {"got": self.run(fetch)}, retry=Retry(2, base=seconds(0)))
        )
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": "there"})
        self.assertEqual(len(calls), 2)
        self.assertEqual(Record.objects.count(), 1)

    def test_results_are_remembered_across_attempts(self) -> None:
        calls: list[int] = []

        def body(self: Any, data: Any) -> Any:
            self.run(calls.append, 1, name="charge")
            if self.attempt < 3:
                raise ValueError

        assert_completed(run(deploy(body, retry=Retry(3, base=seconds(0)))))
        self.assertEqual(calls, [1])

    def test_in_an_atomic_step_run_is_refused_with_the_advice(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.run(int)

        self.assertFailed(run(P), "NotAllowedHere", "atomic=False")


class CrashTests(CommittingTestCase):
    def test_what_run_remembered_survives_the_worker(self) -> None:
        calls: list[str] = []

        def body(self: Any, data: Any) -> Any:
            calls.append("body")
            return {"got": self.run(lambda: calls.append("charge") or "charged", name="charge")}

        execution = durable.start(deploy(body))
        die_at("body.after")
        drain()
        assert_completed(execution)
        self.assertEqual(calls, ["body", "charge", "body"])
        self.assertEqual(execution.result, {"got": "charged"})


class MismatchTests(EngineTestCase):
    def blocked(self, before: Any, after: Any, answer: str = "a") -> Execution:
        execution = run(deploy(before))
        deploy(after)
        durable.send_event(execution.id, answer, f"{answer} payload")
        drain()
        return execution

    def test_code_that_asks_for_something_else_blocks_and_the_message_says_both(self) -> None:
        execution = self.blocked(asks("a"), asks("b"))
        self.assertBlocked(execution, "JournalMismatch", "event 'a'", "event 'b'", "restart_step")
        self.assertIsNone(execution.finished_at)
        self.assertEqual((execution.attempt, execution.recoveries), (1, 0))
        self.assertEqual(list(StepRun.objects.values_list("status", flat=True)), ["waiting"])
        self.assertEqual(Wait.objects.get().status, "answered")

    def test_another_kind_or_number_of_calls_blocks_too(self) -> None:
        for after in (
            lambda self, data: self.wait_for_text("a"),
            lambda self, data: self.sleep(days(1)),
            lambda self, data: self.wait_for_any(["a", "b"]),
            lambda self, data: self.run(int, name="a"),
            asks("b", "a"),
        ):
            with self.subTest():
                self.assertBlocked(self.blocked(asks("a"), after), "JournalMismatch")

    def test_a_run_that_is_new_before_a_recorded_one_blocks(self) -> None:
        def before(self: Any, data: Any) -> Any:
            self.run(int, name="first")
            self.wait_for_event("a")

        def after(self: Any, data: Any) -> Any:
            self.run(int, name="new")
            self.run(int, name="first")
            self.wait_for_event("a")

        self.assertBlocked(
            self.blocked(before, after), "JournalMismatch", "run 'new'", "run 'first'"
        )
        self.assertFalse(Record.objects.filter(name="new").exists())

    def test_new_calls_after_the_recorded_ones_fit(self) -> None:
        execution = self.blocked(asks("a"), asks("a", "b"))
        assert_waiting_for(execution, event="b")
        durable.send_event(execution.id, "b", "b payload")
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": ["a payload", "b payload"]})

    def test_code_that_asks_for_less_fits(self) -> None:
        execution = self.blocked(asks("a"), lambda self, data: {"done": True})
        assert_completed(execution)

    def test_retry_tries_again_and_with_code_that_fits_it_goes_on(self) -> None:
        execution = self.blocked(asks("a"), asks("b"))
        durable.retry(execution.id)
        drain()
        self.assertBlocked(execution, "JournalMismatch")
        deploy(asks("a"))
        durable.retry(execution.id)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": ["a payload"]})
        self.assertIsNone(execution.error)
        assert_step(execution, "one", attempts=1)

    def test_restart_step_forgets_the_records_of_the_step(self) -> None:
        calls: list[int] = []

        def before(self: Any, data: Any) -> Any:
            self.run(calls.append, 1, name="charge")
            self.wait_for_event("a")

        def after(self: Any, data: Any) -> Any:
            return {"b": self.wait_for_event("b"), "run": self.run(lambda: 5, name="charge")}

        execution = self.blocked(before, after)
        durable.retry(execution.id, restart_step=True)
        drain()
        assert_waiting_for(execution, event="b")
        durable.send_event(execution.id, "b", 1)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"b": 1, "run": 5})

    def test_it_is_tried_again_when_a_worker_that_fits_starts(self) -> None:
        execution = self.blocked(asks("a"), asks("b"))
        drain()
        self.assertBlocked(execution, "JournalMismatch")
        deploy(asks("a"))
        a_worker()
        execution.refresh_from_db()
        self.assertEqual(execution.status, "pending")
        drain()
        assert_completed(execution)

    def test_a_worker_of_other_workflows_does_not_touch_it(self) -> None:
        execution = self.blocked(asks("a"), asks("b"))
        workers.register("other", ["default"], ["q@1"], hours(1), listening=False)
        drain()
        self.assertBlocked(execution, "JournalMismatch")

    def test_a_mismatch_cant_be_swallowed(self) -> None:
        def after(self: Any, data: Any) -> Any:
            try:
                self.wait_for_event("b")
            except Exception:
                return {"swallowed": True}

        self.assertBlocked(self.blocked(asks("a"), after), "JournalMismatch")

    def test_answers_that_come_while_it_is_blocked_are_recorded(self) -> None:
        execution = self.blocked(asks("a"), asks("b"))
        durable.send_event(execution.id, "c", "early")
        drain()
        deploy(asks("a", "c"))
        durable.retry(execution.id)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": ["a payload", "early"]})

    def test_a_blocked_execution_can_be_cancelled(self) -> None:
        execution = self.blocked(asks("a"), asks("b"))
        durable.cancel(execution.id, "enough")
        execution.refresh_from_db()
        self.assertEqual(execution.status, "cancelled")
