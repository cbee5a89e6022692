"""A sleep is a due time in the database; no worker, thread or connection is held."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import durable
from durable import Workflow, chain, clock, days, hours, minutes, seconds, sleep, step
from durable.models import Execution, Wait
from durable.testing import advance, assert_completed, assert_step, run, time_travel
from tests.cases import WorkflowTestCase

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


@time_travel(NOON)
class SleepTests(WorkflowTestCase):
    def woken(self, call: Any) -> tuple[Execution, list[Any]]:
        found: list[Any] = []

        class P(Workflow):
            @step
            def one(self, data):
                found.append((call(self), self.now()))

        return run(P), found

    def test_a_sleeper_is_parked_in_the_database_until_its_time(self) -> None:
        execution, found = self.woken(lambda step: step.sleep(days(3)))
        self.assertEqual((execution.status, execution.worker), ("waiting", None))
        self.assertEqual(execution.wake_at, NOON + days(3))
        self.assertEqual(found, [])
        advance(days=3, seconds=-1)
        self.assertEqual(found, [])
        advance(seconds=1)
        self.assertEqual(found, [(None, NOON + days(3))])
        assert_completed(execution)
        assert_step(execution, "one", attempts=1)

    def test_sleep_until_and_schedule_at_wake_at_an_instant_in_any_time_zone(self) -> None:
        berlin = datetime(2025, 3, 2, 1, tzinfo=ZoneInfo("Europe/Berlin"))
        for call in (
            lambda step: step.sleep_until(berlin),
            lambda step: step.schedule_at(berlin),
        ):
            with time_travel(NOON):
                execution, found = self.woken(call)
                advance(hours=12)
                assert_completed(execution)
                self.assertEqual(found, [(None, berlin)])

    def test_a_past_time_returns_at_once(self) -> None:
        for call in (
            lambda step: step.sleep_until(NOON),
            lambda step: step.schedule_at(NOON - days(400)),
            lambda step: step.sleep(timedelta(0)),
            lambda step: step.sleep(timedelta(-1)),
        ):
            execution, found = self.woken(call)
            assert_completed(execution)
            self.assertEqual(found, [(None, NOON)])
        self.assertFalse(Wait.objects.exists())

    def test_what_was_asleep_stays_awake_when_the_step_runs_again(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.sleep_until(NOON + hours(1))
                self.sleep_until(NOON - hours(1))
                self.sleep_until(NOON + hours(2))
                return {"at": self.now()}

        execution = run(P)
        advance(hours=3)
        self.assertEqual(run_result(execution), {"at": NOON + hours(2)})

    def test_naive_datetimes_and_other_types_are_type_errors(self) -> None:
        naive = datetime(2025, 3, 2, 1)  # noqa: DTZ001
        for call, words in [
            (lambda step: step.sleep_until(naive), "naive"),
            (lambda step: step.schedule_at(naive), "naive"),
            (lambda step: step.sleep_until(5), "datetime"),
            (lambda step: step.sleep(5), "timedelta"),
            (lambda step: step.sleep(None), "timedelta"),
        ]:
            execution, _ = self.woken(call)
            self.assertFailed(execution, "TypeError", words)

    def test_a_sleep_beyond_the_calendar_fails_the_step_and_not_the_worker(self) -> None:
        for call in (
            lambda step: step.sleep(timedelta.max),
            lambda step: step.sleep(days(10**7)),
            lambda step: step.wait_for_event("go", timeout=timedelta.max),
            lambda step: step.sleep_until(datetime.max.replace(tzinfo=ZoneInfo("Etc/GMT+12"))),
        ):
            execution, _ = self.woken(call)
            self.assertEqual(execution.status, "failed")

    def test_several_sleeps_in_one_step_follow_each_other(self) -> None:
        seen: list[Any] = []

        class P(Workflow):
            @step
            def one(self, data):
                for n in range(3):
                    self.sleep(hours(n + 1))
                    seen.append((n, self.now()))

        execution = run(P)
        advance(hours=7)
        assert_completed(execution)
        at = [NOON + hours(n) for n in (1, 3, 6)]
        wanted = [(0, at[0]), (0, at[1]), (1, at[1]), (0, at[2]), (1, at[2]), (2, at[2])]
        self.assertEqual(seen, wanted)

    def test_a_late_worker_finds_all_that_is_due_in_order(self) -> None:
        seen: list[int] = []

        class P(Workflow):
            @step
            def one(self, data):
                self.sleep(hours(data["n"]))
                seen.append(data["n"])

        durable.start_many(P, [{"n": n} for n in (3, 1, 2)])
        advance(work=False)
        advance(hours=0)
        advance(days=1, work=False)
        advance(hours=0)
        self.assertEqual(seen, [1, 2, 3])

    def test_the_first_run_of_a_late_sleep_counts_from_its_own_time(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.sleep(hours(1))
                return {"slept": self.now()}

        execution = durable.start(P, delay=hours(5))
        advance(hours=6, seconds=-1)
        execution.refresh_from_db()
        self.assertEqual(execution.status, "waiting")
        advance(seconds=1)
        self.assertEqual(run_result(execution), {"slept": NOON + hours(6)})

    def test_a_timer_can_be_shorter_than_a_second(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.sleep(seconds(0.25))

        execution = run(P)
        self.assertEqual(execution.wake_at, NOON + timedelta(milliseconds=250))
        advance(milliseconds=250)
        assert_completed(execution)

    def test_sleep_stands_in_a_flow_too(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {"one": self.now()}

            @step
            def two(self, data):
                return {**data, "two": self.now()}

            flow = chain(one, sleep(minutes(30)), sleep(minutes(30)), two)

        execution = run(P, {})
        advance(hours=1)
        self.assertEqual(run_result(execution), {"one": NOON, "two": NOON + hours(1)})
        paths = [row.path for row in execution.steps]
        self.assertEqual(paths, ["one", "sleep", "sleep-2", "two"])


def run_result(execution: Execution) -> Any:
    assert_completed(execution)
    return execution.result


class RealClockTests(WorkflowTestCase):
    def test_outside_time_travel_the_clock_is_the_databases(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.sleep(hours(1))

        before = clock.read("default")
        execution = run(P)
        late = execution.wake_at - before - hours(1)
        self.assertTrue(timedelta(0) <= late < minutes(1), late)
