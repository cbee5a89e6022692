"""Time spans that no calendar holds are refused where they are given, the same on each database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest

import durable
from durable import (
    Cron,
    DefinitionError,
    Retry,
    RetryAfter,
    Workflow,
    WorkflowMeta,
    call_workflow,
    seconds,
    sleep,
    step,
    wait_for_approval,
    wait_for_event,
)
from durable.engine.operators.prune import prune
from durable.engine.operators.sweep import sweep
from durable.engine.run import result
from durable.errors import DurableError
from durable.models import Execution
from durable.testing import run
from tests.cases import WorkflowTestCase

FAR = timedelta(days=366 * 8_000)
END = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
FAR_TIMES = (FAR, timedelta.max, END)
BACK = (timedelta(days=366 * 2_100), timedelta.max)


def _meta(option: str, span: timedelta) -> None:
    meta = type("Meta", (WorkflowMeta,), {option: span})
    type("Far", (Workflow,), {"Meta": meta, "one": step(name="one")(lambda self, data: None)})


DEFINED: dict[str, Callable[[Any], object]] = {
    "Meta.timeout": lambda span: _meta("timeout", span),
    "step(timeout=)": lambda span: step(timeout=span)(lambda self, data: None),
    "compensate(timeout=)": lambda span: step(name="one")(lambda self, data: None).compensate(
        timeout=span
    )(lambda self, data: None),
    "Retry(base=)": lambda span: Retry(base=span),
    "Retry(max_delay=)": lambda span: Retry(max_delay=span),
    "Cron(jitter=)": lambda span: Cron("0 9 * * *", jitter=span),
    "sleep()": lambda span: sleep(span),
    "remind=": lambda span: wait_for_approval("ok", remind=span),
    "escalate=": lambda span: wait_for_approval("ok", escalate=[(seconds(1), "a"), (span, "b")]),
}
#: those that take an instant, too
DEADLINES: dict[str, Callable[[Any], object]] = {
    "wait_for_event(timeout=)": lambda when: wait_for_event("go", timeout=when),
    "call_workflow(timeout=)": lambda when: call_workflow("other", timeout=when),
    "wait_for_approval(timeout=)": lambda when: wait_for_approval("ok", timeout=when),
    "due=": lambda when: wait_for_approval("ok", due=when),
}
ASKED: dict[str, Callable[[Any, Any], object]] = {
    "sleep()": lambda self, span: self.sleep(span),
    "wait_for_event(timeout=)": lambda self, span: self.wait_for_event("go", timeout=span),
    "wait_for_all(timeout=)": lambda self, span: self.wait_for_all(["a", "b"], timeout=span),
    "call_workflow(timeout=)": lambda self, span: self.call_workflow("near", timeout=span),
    "timeout=": lambda self, span: self.wait_for_text("q", timeout=span),
    "due=": lambda self, span: self.wait_for_text("q", due=span),
    "remind=": lambda self, span: self.wait_for_text("q", remind=span),
    "escalate=": lambda self, span: self.wait_for_text("q", escalate=[(span, "user:a")]),
}


class FarTimeTests(WorkflowTestCase):
    def test_a_span_or_moment_past_the_calendar_is_no_definition(self) -> None:
        for what, define in {**DEFINED, **DEADLINES}.items():
            for when in FAR_TIMES[: 3 if what in DEADLINES else 2]:
                with self.subTest(what, when=when), self.assertRaises(DefinitionError) as caught:
                    define(when)
                self.assertRegex(str(caught.exception), "after the year 9998|before the year 9999")

    def test_a_number_is_no_time_span_anywhere(self) -> None:
        one: dict[str, Callable[[Any], object]] = {
            "Meta.retention": lambda span: _meta("retention", span),
            "RetryAfter": RetryAfter,
            "start(delay=)": lambda span: durable.start("plain", delay=span),
            "start_many(delay=)": lambda span: durable.start_many("plain", [{}], delay=span),
            "schedule(jitter=)": lambda span: durable.schedule(
                "plain", "0 9 * * *", name="plain", jitter=span
            ),
            "wait_for_result(timeout=)": lambda span: durable.wait_for_result(
                execution.pk, timeout=span
            ),
            "await_for_result(timeout=)": lambda span: asyncio.run(
                durable.await_for_result(execution.pk, timeout=span)
            ),
            "prune": prune,
            "sweep": sweep,
        }

        class Plain(Workflow):
            @step
            def one(self, data):
                pass

        execution = run(Plain)
        self.enterContext(mock.patch.object(result, "refuse_transaction"))
        for number in (5, 0.5, "5", True):
            for what, call in {**one, **DEFINED, **DEADLINES}.items():
                with (
                    self.subTest(what, number=number),
                    self.assertRaisesRegex((DurableError, TypeError), "timedelta"),
                ):
                    call(number)
            for what, ask in ASKED.items():
                with self.subTest(what, number=number):

                    class Asking(Workflow):
                        @step
                        def one(self, data, ask=ask, number=number):
                            ask(self, number)

                    self.assertFailed(run(Asking), "TypeError", "timedelta")

    def test_a_retention_that_reaches_back_beyond_the_calendar_is_no_definition(self) -> None:
        for age in BACK:
            with (
                self.subTest(age=age),
                self.assertRaisesRegex(DefinitionError, "beyond the year 1"),
            ):
                _meta("retention", age)

    def test_a_wait_that_ends_past_the_calendar_fails_its_step(self) -> None:
        class Near(Workflow):
            @step
            def one(self, data):
                pass

        for what, ask in ASKED.items():
            for when in (FAR, timedelta.max):
                with self.subTest(what, when=when):

                    class Far(Workflow):
                        @step
                        def one(self, data, ask=ask, when=when):
                            ask(self, when)

                    self.assertFailed(run(Far), "DefinitionError", "after the year 9998")

    def test_nobody_is_added_before_a_question_is_asked(self) -> None:
        for after in (timedelta(seconds=-1), timedelta.min):
            with self.subTest(after=after):
                with self.assertRaisesRegex(TypeError, "escalate"):
                    wait_for_approval("ok", escalate=[(after, "user:a")])

                class Early(Workflow):
                    @step
                    def one(self, data, after=after):
                        self.wait_for_text("q", escalate=[(after, "user:a")])

                self.assertFailed(run(Early), "TypeError", "escalate")

    def test_a_start_past_the_calendar_is_refused_and_leaves_nothing(self) -> None:
        class Far(Workflow):
            @step
            def one(self, data):
                pass

        for given in ({"delay": FAR}, {"delay": timedelta.max}, {"scheduled_at": END}):
            with self.subTest(given=given), self.assertRaises(DurableError):
                durable.start(Far, **given)  # type: ignore[arg-type]
        self.assertFalse(Execution.objects.exists())

    def test_nothing_is_removed_by_an_age_beyond_the_calendar(self) -> None:
        for age in BACK:
            for remove in (prune, sweep):
                with self.subTest(remove=remove, age=age), self.assertRaises(DurableError):
                    remove(age)

    def test_what_ends_within_the_calendar_is_taken(self) -> None:
        long = timedelta(days=365 * 7_000)

        class Long(Workflow):
            class Meta(WorkflowMeta):
                timeout = long
                retention = timedelta(days=365 * 2_000)

            @step(timeout=long)
            def one(self, data):
                self.wait_for_text(
                    "q", timeout=long, due=long, remind=long, escalate=[(long, "user:a")]
                )

        self.assertEqual(run(Long).status, "waiting")


@pytest.mark.parametrize("age", [FAR, timedelta.max, 1e300])
def test_a_setting_is_a_span_within_the_calendar(age: Any) -> None:
    from durable.checks import DURATION

    assert not DURATION[0](age)
    assert DURATION[0](365 * 24 * 3600)
