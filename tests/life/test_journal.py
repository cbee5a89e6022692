"""What a step asked for is on record, and comes back when the step runs again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import durable
from durable import Retry, Workflow, hours, seconds, step
from durable.models import Record, Wait
from durable.testing import (
    advance,
    assert_completed,
    assert_step,
    drain,
    run,
    time_travel,
)
from tests.cases import ThreadedTestCase, WorkflowTestCase
from tests.life.cases import die_at


def deploy(body: Callable[[Any, Any], Any], **options: Any) -> type[Workflow]:
    """The same workflow with another body of its one step."""

    class P(Workflow):
        @step(atomic=False, **options)
        def one(self, data):
            return body(self, data)

    return P


def asks(*names: str) -> Callable[[Any, Any], Any]:
    return lambda self, data: {"got": [self.wait_for_event(name) for name in names]}


class RecordTests(WorkflowTestCase):
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


class RunTests(WorkflowTestCase):
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


class CrashTests(ThreadedTestCase):
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
