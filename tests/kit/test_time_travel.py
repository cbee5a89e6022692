"""The clock of the tests: it stands still, and moves by ``advance`` alone."""

from __future__ import annotations

import unittest
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import TestCase

import durable
from durable import Data, Retry, Workflow, WorkflowMeta, clock, days, hours, minutes, step
from durable.errors import ClockNotFrozen
from durable.models import Execution, Queue
from durable.testing import advance, assert_completed, drain, isolate_workflows, run, time_travel
from tests.cases import WorkflowTestCase

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


class FrozenTests(WorkflowTestCase):
    def now_of_a_step(self) -> datetime:
        class Looking(Workflow):
            @step
            def look(self, data: Data) -> Data:
                return {"now": self.now()}

        result = run(Looking).result
        moment: datetime = result["now"]
        return moment

    def test_it_stands_still_at_the_given_instant(self) -> None:
        with time_travel(at=NOON):
            self.assertEqual([self.now_of_a_step(), self.now_of_a_step()], [NOON, NOON])
            execution = Execution.objects.order_by("-id")[0]
            self.assertEqual((execution.created_at, execution.finished_at), (NOON, NOON))
            self.assertEqual(execution.steps.get().started_at, NOON)

    def test_without_at_it_stands_at_the_present(self) -> None:
        before = clock.local_now()
        with time_travel():
            seen = self.now_of_a_step()
            self.assertEqual(self.now_of_a_step(), seen)
        self.assertTrue(before <= seen <= clock.local_now())

    def test_outside_it_is_the_database_s(self) -> None:
        with time_travel(at=NOON):
            pass
        self.assertIsNone(clock.frozen_at())
        age = clock.local_now() - self.now_of_a_step()
        self.assertLess(abs(age), minutes(5))

    def test_advance_outside_says_what_to_do(self) -> None:
        with self.assertRaisesRegex(ClockNotFrozen, "time_travel"):
            advance(days=1)

    def test_it_nests_and_each_comes_back_to_its_own_time(self) -> None:
        with time_travel(at=NOON):
            advance(hours=1)
            with time_travel():
                self.assertEqual(self.now_of_a_step(), NOON + hours(1))
                advance(hours=1)
                with time_travel(at=NOON - days(9)):
                    self.assertEqual(self.now_of_a_step(), NOON - days(9))
                self.assertEqual(self.now_of_a_step(), NOON + hours(2))
            self.assertEqual(self.now_of_a_step(), NOON + hours(1))

    def test_an_error_inside_lets_the_clock_go_again(self) -> None:
        with self.assertRaises(ZeroDivisionError), time_travel():
            raise ZeroDivisionError
        self.assertIsNone(clock.frozen_at())

    def test_an_instant_must_be_aware(self) -> None:
        for wrong in (datetime(2024, 1, 1), "2024-01-01"):  # noqa: DTZ001
            with self.assertRaises(TypeError):
                time_travel(at=wrong)  # type: ignore[arg-type]


class DecoratorTests(WorkflowTestCase):
    @time_travel(at=NOON)
    def test_of_a_test(self) -> None:
        self.assertEqual(advance(hours=1), NOON + hours(1))

    @time_travel(at=NOON)
    async def test_of_an_async_test(self) -> None:
        class Looking(Workflow):
            @step
            def look(self, data: Data) -> Data:
                self.sleep(days(1))
                return {"now": self.now()}

        execution = await durable.astart(Looking)
        await sync_to_async(advance)(days=2)
        execution = await durable.aget_execution(execution.id)
        self.assertEqual(execution.result, {"now": NOON + days(1)})

    def test_of_classes_with_their_set_up_and_their_subclasses(self) -> None:
        seen: list[datetime | None] = []

        @time_travel(at=NOON)
        class Decorated(unittest.TestCase):
            def setUp(self) -> None:
                seen.append(clock.frozen_at())
                if seen == [NOON]:
                    return
                self.addCleanup(lambda: seen.append(clock.frozen_at()))

            def test_it(self) -> None:
                seen.append(clock.frozen_at())
                clock.set_frozen(NOON + hours(5))

            async def test_not_run(self) -> None: ...

        class Sub(Decorated):
            def setUp(self) -> None:
                super().setUp()

        for cls in (Decorated, Sub):
            result = unittest.TestResult()
            cls("test_it").run(result)
            self.assertTrue(result.wasSuccessful(), result.errors)
            self.assertIsNone(clock.frozen_at())
        self.assertEqual(seen, [NOON, NOON, NOON, NOON, NOON + hours(5)])

    def test_of_nothing_else(self) -> None:
        with self.assertRaisesRegex(TypeError, "TestCase"):
            time_travel()(type("Plain", (), {}))

    def test_a_decorated_function_keeps_its_name_and_result(self) -> None:
        @time_travel(at=NOON)
        def present(plus: timedelta) -> Any:
            """Docs."""
            return clock.frozen_at() + plus  # type: ignore[operator]

        self.assertEqual((present.__name__, present.__doc__), ("present", "Docs."))
        self.assertEqual([present(hours(1)), present(hours(1))], [NOON + hours(1)] * 2)


@time_travel(at=NOON)
class AdvanceTests(WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.seen: list[tuple[str, timedelta]] = []

    def note(self, name: str, now: datetime) -> None:
        self.seen.append((name, now - NOON))

    def test_it_goes_from_due_time_to_due_time_in_order(self) -> None:
        test = self

        class Sleeper(Workflow):
            @step
            def sleep_then_note(self, data: Data) -> None:
                for _ in range(data["times"]):
                    self.sleep(hours(data["hours"]))
                test.note(data["name"], self.now())

        for name, span, times in (("c", 3, 1), ("a", 1, 1), ("d", 2, 2), ("late", 9, 1)):
            run(Sleeper, {"name": name, "hours": span, "times": times})
        durable.start(Sleeper, {"name": "b", "hours": 1, "times": 1}, delay=hours(1))
        self.assertEqual(advance(hours=5), NOON + hours(5))
        expected = [("a", 1), ("b", 2), ("c", 3), ("d", 4)]
        self.assertEqual(self.seen, [(name, hours(after)) for name, after in expected])

    def test_retries_timeouts_sleeps_and_starts_follow_the_same_clock(self) -> None:
        test = self

        class All(Workflow):
            class Meta(WorkflowMeta):
                timeout = days(2)

            @step(retry=Retry(max_attempts=2, base=hours(1), jitter=0))
            def retried(self, data: Data) -> None:
                test.note("retried", self.now())
                if self.attempt == 1:
                    raise ValueError

            @step
            def timed_out(self, data: Data) -> None:
                self.wait_for_event("never", timeout=hours(1), timeout_value=None)
                test.note("timed out", self.now())

            @step
            def slept(self, data: Data) -> None:
                self.sleep_until(NOON + hours(5))
                test.note("slept", self.now())

            @step
            def too_long(self, data: Data) -> None:
                self.wait_for_event("never")

        execution = run(All, delay=hours(1))
        advance(days=3)
        expected = [("retried", 1), ("retried", 2), ("timed out", 3), ("slept", 5)]
        self.assertEqual(self.seen, [(name, hours(after)) for name, after in expected])
        execution.refresh_from_db()
        self.assertEqual(execution.error["type"], "WorkflowTimeout")
        self.assertEqual(execution.finished_at, NOON + hours(1) + days(2))

    def test_work_false_only_moves_the_clock_as_if_no_worker_had_been_up(self) -> None:
        test = self

        class Sleeper(Workflow):
            @step
            def only(self, data: Data) -> None:
                self.sleep(hours(1))
                test.note("woke", self.now())

        execution = run(Sleeper)
        advance(hours=7, work=False)
        execution.refresh_from_db()
        self.assertEqual((execution.status, self.seen), ("waiting", []))
        drain()
        self.assertEqual(self.seen, [("woke", hours(7))])

    def test_what_nobody_can_take_does_not_keep_others_from_their_time(self) -> None:
        test = self

        class Sleeper(Workflow):
            @step
            def only(self, data: Data) -> None:
                self.sleep(hours(2))
                test.note("woke", self.now())

        with isolate_workflows():

            class Gone(Workflow):
                @step
                def only(self, data: Data) -> None: ...

            durable.start(Gone, delay=hours(1))
        Queue.objects.create(name="paused", paused=True)
        durable.start(Sleeper, queue="paused", delay=hours(1))
        run(Sleeper)
        advance(hours=5)
        self.assertEqual(self.seen, [("woke", hours(2))])

    def test_a_step_that_is_slow_in_frozen_time_times_out(self) -> None:
        class Slow(Workflow):
            @step(timeout=minutes(5))
            def only(self, data: Data) -> None:
                clock.set_frozen(NOON + minutes(6))

        self.assertEqual(run(Slow).error["type"], "StepTimeout")

    def test_it_only_goes_forward(self) -> None:
        with self.assertRaises(durable.DurableError):
            advance(hours=-1)
        with self.assertRaises(TypeError):
            advance(fortnights=1)
        self.assertEqual(advance(), NOON)


# -- plain pytest ------------------------------------------------------------------------------


@pytest.fixture
def sleeper() -> Any:
    with isolate_workflows():

        class Sleeper(Workflow):
            @step
            def only(self, data: Data) -> Data:
                self.sleep(days(1))
                return {"at": self.now()}

        yield Sleeper


@pytest.mark.django_db
def test_under_plain_pytest_as_a_context_manager(sleeper: type[Workflow]) -> None:
    with time_travel(at=NOON):
        execution = run(sleeper)
        advance(days=1)
    assert_completed(execution)
    assert execution.result == {"at": NOON + days(1)}


@time_travel(at=NOON)
def test_under_plain_pytest_as_a_decorator(db: None, sleeper: type[Workflow]) -> None:
    execution = run(sleeper)
    advance(days=2)
    assert_completed(execution)
    assert execution.result == {"at": NOON + days(1)}


@time_travel(at=NOON)
class ClassLevelTests(TestCase):
    """``setUpTestData`` runs before the clock stands still; tests do not share their time."""

    def test_one(self) -> None:
        self.assertEqual(advance(hours=1), NOON + hours(1))

    def test_two(self) -> None:
        self.assertEqual(advance(hours=1), NOON + hours(1))
