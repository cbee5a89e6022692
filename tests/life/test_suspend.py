"""A step leaves to wait by a signal that no ``except Exception`` can swallow."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import Any

import durable
from durable import Retry, Workflow, hours, seconds, step
from durable.errors import Suspend
from durable.models import Record, Wait
from durable.testing import (
    advance,
    assert_completed,
    assert_step,
    assert_waiting_for,
    drain,
    run,
    time_travel,
)
from tests.cases import WorkflowTestCase


class SuspendTests(WorkflowTestCase):
    def test_except_exception_does_not_swallow_it(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                try:
                    with suppress(Exception):
                        data["got"] = self.wait_for_event("go")
                except Exception as error:
                    data["error"] = repr(error)

        execution = run(P)
        assert_waiting_for(execution, event="go")
        durable.send_event(execution.id, "go", 1)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": 1})

    def test_a_bare_except_that_does_fails_the_step_without_a_retry(self) -> None:
        class P(Workflow):
            @step(retry=5)
            def one(self, data):
                try:
                    self.wait_for_event("go")
                except:  # noqa: E722
                    return {"went": "on"}

        execution = run(P)
        self.assertFailed(execution, "SuspendSwallowed", "bare except")
        assert_step(execution, "one", status="failed", attempts=1)
        self.assertFalse(Wait.objects.exists())

    def test_so_does_one_that_raises_something_else_instead(self) -> None:
        class P(Workflow):
            @step(retry=Retry(3, base=seconds(0)))
            def one(self, data):
                try:
                    self.wait_for_event("go")
                except BaseException as error:
                    raise ValueError("wrapped") from error

        execution = run(P)
        error = self.assertFailed(execution, "SuspendSwallowed", "ValueError")
        self.assertIn("wrapped", error["traceback"])
        assert_step(execution, "one", status="failed", attempts=1)

    def test_so_does_one_that_goes_on_to_the_next_wait(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                for name in ("a", "b"):
                    with suppress(BaseException):
                        self.wait_for_event(name)
                self.wait_for_event("c")

        execution = run(P)
        self.assertFailed(execution, "SuspendSwallowed")
        self.assertFalse(Wait.objects.exists())

    def test_so_does_one_that_goes_on_to_run_something(self) -> None:
        calls: list[int] = []

        class P(Workflow):
            @step(atomic=False)
            def one(self, data):
                with suppress(BaseException):
                    self.wait_for_event("a")
                self.run(calls.append, 1, name="charge")
                self.wait_for_event("b")

        self.assertFailed(run(P), "SuspendSwallowed")
        self.assertEqual(calls, [])
        self.assertFalse(Record.objects.exists())

    def test_finally_blocks_run_at_each_suspend(self) -> None:
        closed: list[str] = []

        @contextmanager
        def opened(name: str) -> Any:
            try:
                yield
            finally:
                closed.append(name)

        class P(Workflow):
            @step
            def one(self, data):
                with opened("file"):
                    try:
                        self.wait_for_event("a")
                        self.wait_for_event("b")
                    finally:
                        closed.append("finally")

        execution = run(P)
        self.assertEqual(closed, ["finally", "file"])
        durable.send_event(execution.id, "a")
        drain()
        self.assertEqual(closed, ["finally", "file"] * 2)
        durable.send_event(execution.id, "b")
        drain()
        assert_completed(execution)
        self.assertEqual(closed, ["finally", "file"] * 3)

    def test_a_suspend_that_the_author_raises_himself_is_an_error(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                raise Suspend

        self.assertFailed(run(P), "DurableError", "self.sleep()")

    def test_a_suspend_raised_after_an_answer_is_an_error_too(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.wait_for_event("go")
                raise Suspend

        execution = durable.start(P)
        durable.send_event(execution.id, "go")
        drain()
        self.assertFailed(execution, "DurableError", "self.sleep()")

    def test_the_body_runs_again_from_the_top_with_the_data_it_got(self) -> None:
        seen: list[Any] = []

        class P(Workflow):
            @step
            def one(self, data):
                seen.append(dict(data))
                data["n"] += 1
                self.wait_for_event("go")
                return data

        execution = run(P, {"n": 0})
        execution.refresh_from_db()
        self.assertEqual(execution.data, {"n": 0})
        durable.send_event(execution.id, "go")
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"n": 1})
        self.assertEqual(seen, [{"n": 0}] * 2)

    @time_travel()
    def test_a_parked_step_is_one_attempt_from_its_begin_to_its_end(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.sleep(hours(2))

        execution = run(P)
        parked = execution.steps.get()
        self.assertEqual((parked.status, parked.ended_at), ("waiting", None))
        advance(hours=2)
        done = execution.steps.get()
        self.assertEqual((done.pk, done.status, done.attempt), (parked.pk, "completed", 1))
        self.assertEqual(done.ended_at - done.started_at, hours(2))

    def test_generators_and_locals_of_the_step_are_not_kept(self) -> None:
        runs: list[int] = []

        class P(Workflow):
            @step
            def one(self, data):
                counter = iter(range(100))
                first = next(counter)
                self.wait_for_event("go")
                runs.append(next(counter))
                return {"first": first}

        execution = run(P)
        durable.send_event(execution.id, "go")
        drain()
        self.assertEqual(runs, [1])
