"""A wait that is not answered in time raises ``WaitTimeout``, or returns what the author said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import durable
from durable import (
    AlreadyAnswered,
    WaitTimeout,
    Workflow,
    chain,
    days,
    hours,
    step,
    wait_for_event,
)
from durable.models import Execution, Wait
from durable.testing import advance, assert_completed, assert_step, drain, run, time_travel
from tests.cases import WorkflowTestCase

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)

CALLS: dict[str, Any] = {
    "event": lambda self, **o: self.wait_for_event("go", **o),
    "any": lambda self, **o: self.wait_for_any(["go", "gone"], **o),
    "all": lambda self, **o: self.wait_for_all(["go", "gone"], **o),
    "input": lambda self, **o: self.wait_for_input("go", **o),
    "text": lambda self, **o: self.wait_for_text("go", **o),
    "choice": lambda self, **o: self.wait_for_choice("go", [1], **o),
    "form": lambda self, **o: self.wait_for_form("go", fields=[{"name": "a"}], **o),
    "approval": lambda self, **o: self.wait_for_approval("go", **o),
}


@time_travel(NOON)
class TimeoutTests(WorkflowTestCase):
    def waiting(self, call: Any, **options: Any) -> Execution:
        class P(Workflow):
            @step
            def one(self, data):
                return {"got": call(self, **options), "at": self.now()}

        return run(P)

    def test_without_a_value_each_kind_of_wait_raises_wait_timeout(self) -> None:
        for kind, call in CALLS.items():
            with self.subTest(kind), time_travel(NOON):
                execution = self.waiting(call, timeout=days(1))
                advance(days=1, seconds=-1)
                execution.refresh_from_db()
                self.assertEqual(execution.status, "waiting")
                advance(seconds=1)
                error = self.assertFailed(execution, "WaitTimeout", "go")
                self.assertEqual(error["step"], "one")
                self.assertEqual(execution.waits.get().status, "timed_out")

    def test_with_a_value_each_kind_returns_it_as_it_was_given(self) -> None:
        for kind, call in CALLS.items():
            for value in (None, "late", {"a": (1,)}, [], 0) if kind == "event" else ([kind],):
                with self.subTest(kind, value=value), time_travel(NOON):
                    execution = self.waiting(call, timeout=days(1), timeout_value=value)
                    advance(days=1)
                    assert_completed(execution)
                    self.assertEqual(execution.result, {"got": value, "at": NOON + days(1)})
                    assert_step(execution, "one", attempts=1)

    def test_wait_timeout_is_an_exception_that_the_step_can_catch(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                try:
                    self.wait_for_event("go", timeout=hours(1))
                except Exception as error:
                    data["caught"] = isinstance(error, WaitTimeout)
                self.wait_for_event("other")

        execution = run(P)
        advance(hours=1)
        durable.send_event(execution.id, "other")
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"caught": True})

    def test_a_timeout_may_be_an_aware_datetime(self) -> None:
        berlin = datetime(2025, 3, 2, 1, tzinfo=ZoneInfo("Europe/Berlin"))
        execution = self.waiting(CALLS["event"], timeout=berlin, timeout_value="late")
        advance(hours=12, seconds=-1)
        execution.refresh_from_db()
        self.assertEqual(execution.status, "waiting")
        advance(seconds=1)
        assert_completed(execution)

    def test_other_timeouts_are_type_errors(self) -> None:
        wrong = (5, "1h", datetime(2025, 3, 2))  # noqa: DTZ001
        for kind, call in CALLS.items():
            for timeout in wrong if kind == "event" else wrong[:1]:
                execution = self.waiting(call, timeout=timeout)
                self.assertFailed(execution, "TypeError")
        self.assertFalse(Wait.objects.exists())

    def test_zero_times_out_at_once(self) -> None:
        over = (timedelta(0), timedelta(-1), timedelta.min, NOON, NOON - days(9))
        for kind, call in CALLS.items():
            for timeout in over if kind == "event" else over[:1]:
                with self.subTest(kind, timeout=timeout):
                    execution = self.waiting(call, timeout=timeout, timeout_value="none")
                    assert_completed(execution)
                    self.assertEqual(execution.result, {"got": "none", "at": NOON})

    def test_zero_returns_the_answer_that_is_already_there(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.wait_for_event("start")
                options = {"timeout": timedelta(0), "timeout_value": "none"}
                data["event"] = self.wait_for_event("go", **options)
                data["again"] = self.wait_for_event("go", **options)
                data["any"] = self.wait_for_any(["x", "y"], **options)
                data["all"] = self.wait_for_all(["x", "y"], **options)

        execution = run(P)
        for name in ("go", "y", "x", "y", "start"):
            durable.send_event(execution.id, name, name)
        drain()
        assert_completed(execution)
        self.assertEqual(
            execution.result,
            {"event": "go", "again": "none", "any": ("y", "y"), "all": {"x": "x", "y": "y"}},
        )

    def test_wait_timeout_received_holds_what_did_arrive(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                try:
                    self.wait_for_all(["a", "b", "c"], timeout=days(1))
                except WaitTimeout as timeout:
                    return {"received": timeout.received}

        execution = run(P)
        durable.send_event(execution.id, "c", {"n": (1, 2)})
        advance(hours=1)
        durable.send_event(execution.id, "a", None)
        advance(days=1)
        assert_completed(execution)
        self.assertEqual(execution.result, {"received": {"a": None, "c": {"n": (1, 2)}}})

    def test_uncaught_it_is_in_the_details_of_the_error(self) -> None:
        execution = self.waiting(CALLS["all"], timeout=days(1))
        durable.send_event(execution.id, "go", 5)
        advance(days=1)
        error = self.assertFailed(execution, "WaitTimeout")
        self.assertEqual(error["details"], {"received": {"go": 5}})

    def test_an_answer_in_time_wins_even_if_the_worker_comes_late(self) -> None:
        for kind, said in [("event", 1), ("any", ("go", 1))]:
            with self.subTest(kind), time_travel(NOON):
                execution = self.waiting(CALLS[kind], timeout=days(1), timeout_value="late")
                advance(hours=1, work=False)
                durable.send_event(execution.id, "go", 1)
                advance(days=3, work=False)
                drain()
                assert_completed(execution)
                self.assertEqual(execution.result["got"], said)

    def test_an_event_after_the_deadline_is_too_late_even_if_no_worker_was_up(self) -> None:
        execution = self.waiting(CALLS["event"], timeout=days(1), timeout_value="late")
        advance(days=2, work=False)
        durable.send_event(execution.id, "go", 1)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result["got"], "late")
        self.assertEqual(execution.events.get().status, "kept")

    def test_an_input_after_the_deadline_is_refused_even_if_no_worker_was_up(self) -> None:
        execution = self.waiting(CALLS["text"], timeout=days(1), timeout_value="late")
        advance(days=1, work=False)
        with self.assertRaisesRegex(AlreadyAnswered, "time was over"):
            durable.provide_input(execution.id, "go", "x")
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result["got"], "late")

    def test_an_answer_in_time_stays_when_the_deadline_passes_before_the_worker_sees_it(
        self,
    ) -> None:
        execution = self.waiting(CALLS["text"], timeout=days(1), timeout_value="late")
        durable.provide_input(execution.id, "go", "x")
        advance(days=2, work=False)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result["got"], "x")

    def test_each_wait_of_a_step_counts_from_when_it_was_asked(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                data["a"] = self.wait_for_event("a", timeout=hours(1), timeout_value="late")
                data["b"] = self.wait_for_event("b", timeout=hours(1), timeout_value="late")
                data["at"] = self.now()

        execution = run(P)
        advance(minutes=90)
        execution.refresh_from_db()
        self.assertEqual(execution.status, "waiting")
        advance(minutes=30)
        assert_completed(execution)
        self.assertEqual(execution.result, {"a": "late", "b": "late", "at": NOON + hours(2)})

    def test_after_an_operators_retry_a_wait_that_timed_out_is_asked_anew(self) -> None:
        execution = self.waiting(CALLS["event"], timeout=days(1))
        advance(days=1)
        self.assertFailed(execution, "WaitTimeout")
        durable.retry(execution.id)
        drain()
        durable.send_event(execution.id, "go", "now")
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result["got"], "now")

    def test_a_standing_wait_has_a_timeout_and_a_value(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {**data, "one": True}

            flow = chain(wait_for_event("go", into="got", timeout=days(1), timeout_value=None), one)

        execution = run(P)
        advance(days=1)
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": None, "one": True})
