"""Each slot starts one execution; what was missed, what overlaps and what is spread is as asked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from unittest import mock

import durable
from durable import Cron, Workflow, days, hours, minutes, seconds, step
from durable.engine.calendar import fire
from durable.engine.calendar.deployed import register_declared
from durable.models import Execution, Schedule
from durable.testing import advance, drain, isolate_workflows, time_travel
from tests.calendar.cases import MORNING, outcomes, planned, row, scheduled
from tests.cases import WorkflowTestCase

HOURLY = Cron("0 * * * *", timezone="UTC", name="report")


def hourly(**options: Any) -> Cron:
    return Cron("0 * * * *", timezone="UTC", name="report", **options)


@time_travel(MORNING, schedules=True)
class SlotTests(WorkflowTestCase):
    """Slots while workers are up."""

    def test_each_slot_starts_one_execution_with_the_input_of_the_schedule(self) -> None:
        scheduled(hourly(input={"what": "sales"}))
        advance(hours=3)
        self.assertEqual(planned(), [MORNING + hours(n) for n in (1, 2, 3)])
        execution = Execution.objects.filter(workflow="report").latest("scheduled_at")
        self.assertEqual(execution.status, "completed")
        self.assertEqual(execution.data, {"what": "sales", "at": MORNING + hours(3)})
        self.assertEqual(row().last_run_at, MORNING + hours(3))
        self.assertEqual(row().next_run_at, MORNING + hours(4))
        self.assertEqual({outcome for _, outcome in outcomes()}, {"started"})

    def test_a_disabled_schedule_does_not_fire_and_enabled_it_goes_on_with_the_next_slot(
        self,
    ) -> None:
        scheduled(hourly())
        drain()
        durable.disable_schedule("report")
        advance(hours=2, minutes=30)
        self.assertEqual(planned(), [])
        durable.enable_schedule("report")
        advance(hours=1)
        self.assertEqual(planned(), [MORNING + hours(3)])

    def test_a_gap_and_a_repeated_hour_each_have_one_slot(self) -> None:
        berlin = Cron("30 2 * * *", timezone="Europe/Berlin", name="report")
        for at, slots in (
            (datetime(2024, 3, 30, 12, tzinfo=UTC), [(31, 1, 0), (1, 0, 30)]),
            (datetime(2024, 10, 26, 12, tzinfo=UTC), [(27, 0, 30), (28, 1, 30)]),
        ):
            with self.subTest(at=at), isolate_workflows(), time_travel(at, schedules=True):
                scheduled(berlin)
                advance(days=2)
                found = [(t.day, t.hour, t.minute) for t in planned() if t is not None]
                self.assertEqual(found, slots)
                Schedule.objects.all().delete()
                Execution.objects.all().delete()

    def test_the_timeout_of_a_slot_that_is_caught_up_counts_from_its_start(self) -> None:
        class Report(Workflow):
            class Meta:
                schedules = [HOURLY]
                timeout = minutes(5)

            @step
            def write(self, data: dict[str, Any]) -> None: ...

        advance(minutes=90, work=False)
        drain()
        execution = Execution.objects.get(workflow="report")
        self.assertEqual(execution.scheduled_at, MORNING + hours(1))
        self.assertEqual(execution.deadline_at, MORNING + minutes(95))
        self.assertEqual(execution.status, "completed")


@time_travel(MORNING, schedules=True)
class CatchUpTests(WorkflowTestCase):
    """What becomes of slots that passed while no worker was up."""

    def after_a_downtime(self, catch_up: Any, **span: float) -> None:
        scheduled(hourly(catch_up=catch_up))
        drain()
        advance(work=False, **span)
        drain()

    def test_latest_runs_the_last_of_them(self) -> None:
        self.after_a_downtime("latest", hours=5, minutes=30)
        self.assertEqual(planned(), [MORNING + hours(5)])
        advance(hours=1)
        self.assertEqual(planned(), [MORNING + hours(5), MORNING + hours(6)])

    def test_all_runs_each(self) -> None:
        self.after_a_downtime("all", hours=5, minutes=30)
        self.assertEqual(planned(), [MORNING + hours(n) for n in range(1, 6)])

    def test_all_runs_each_even_if_they_are_more_than_a_pass_starts(self) -> None:
        with mock.patch.object(fire, "SLOTS_AT_ONCE", 3):
            self.after_a_downtime("all", hours=10, minutes=30)
        self.assertEqual(planned(), [MORNING + hours(n) for n in range(1, 11)])

    def test_none_runs_none(self) -> None:
        self.after_a_downtime("none", hours=5, minutes=30)
        self.assertEqual(planned(), [])
        self.assertEqual(outcomes(), [(MORNING + hours(5), "missed")])
        advance(hours=1)
        self.assertEqual(planned(), [MORNING + hours(6)])

    def test_none_runs_a_slot_that_is_seen_a_little_late(self) -> None:
        self.after_a_downtime("none", hours=1, seconds=59)
        self.assertEqual(planned(), [MORNING + hours(1)])

    def test_the_last_slot_of_a_long_downtime_is_found_at_once(self) -> None:
        for expression, last in (
            ("* * * * *", MORNING + days(1500)),
            ("0 0 29 2 *", datetime(2028, 2, 29, tzinfo=UTC)),
        ):
            with self.subTest(expression), isolate_workflows():
                scheduled(Cron(expression, timezone="UTC", name="report"))
                register_declared()
                with time_travel(MORNING + days(1500)):
                    with mock.patch.object(fire, "_slots", wraps=fire._slots) as slots:
                        fire.fire_due()
                    self.assertEqual(planned(), [last])
                    self.assertLess(slots.call_count, 10)
                    self.assertGreater(row().next_run_at or MORNING, MORNING + days(1500))
                Schedule.objects.all().delete()
                Execution.objects.all().delete()


@time_travel(MORNING, schedules=True)
class OverlapTests(WorkflowTestCase):
    """What a slot does while the execution of an earlier one goes on."""

    def slow(self, overlap: Any) -> None:
        class Report(Workflow):
            class Meta:
                schedules = [hourly(overlap=overlap)]

            @step
            def write(self, data: dict[str, Any]) -> None:
                self.sleep(minutes(150))

        drain()

    def started(self) -> list[tuple[datetime | None, datetime | None]]:
        return list(
            Execution.objects.filter(workflow="report")
            .order_by("scheduled_at")
            .values_list("scheduled_at", "started_at")
        )

    def test_allow_runs_both(self) -> None:
        self.slow("allow")
        advance(hours=3)
        self.assertEqual([at for at, _ in self.started()], [MORNING + hours(n) for n in (1, 2, 3)])

    def test_skip_leaves_the_slot_out_and_notes_it(self) -> None:
        self.slow("skip")
        advance(hours=4)
        self.assertEqual(
            [outcome for _, outcome in outcomes()], ["started", "skipped", "skipped", "started"]
        )
        self.assertEqual(planned(), [MORNING + hours(1), MORNING + hours(4)])

    def test_queue_runs_it_afterwards_and_loses_none(self) -> None:
        self.slow("queue")
        advance(hours=3)
        self.assertEqual([outcome for _, outcome in outcomes()], ["started", "queued", "queued"])
        Schedule.objects.update(next_run_at=None)
        advance(hours=20)
        first = MORNING + hours(3.5)
        self.assertEqual(
            self.started(),
            [
                (MORNING + hours(1), MORNING + hours(1)),
                (MORNING + hours(2), first),
                (MORNING + hours(3), first + minutes(150)),
            ],
        )

    def test_slots_in_the_queue_of_a_schedule_that_is_disabled_are_missed(self) -> None:
        self.slow("queue")
        advance(hours=3)
        durable.disable_schedule("report")
        self.assertEqual([outcome for _, outcome in outcomes()], ["started", "missed", "missed"])
        self.assertFalse(row().firings.filter(after__isnull=False).exists())
        advance(hours=20)
        durable.enable_schedule("report")
        advance(hours=1)
        self.assertEqual(
            self.started(),
            [(MORNING + hours(1), MORNING + hours(1)), (MORNING + hours(24), MORNING + hours(24))],
        )

    def test_a_queue_from_before_disabling_emptied_it_is_missed_when_it_is_enabled(self) -> None:
        self.slow("queue")
        advance(hours=3)
        Schedule.objects.update(enabled=False)
        durable.enable_schedule("report")
        self.assertEqual([outcome for _, outcome in outcomes()], ["started", "missed", "missed"])

    def test_enabling_what_is_enabled_leaves_its_queue_alone(self) -> None:
        self.slow("queue")
        advance(hours=2)
        durable.enable_schedule("report")
        self.assertEqual([outcome for _, outcome in outcomes()], ["started", "queued"])

    def test_queued_slots_start_as_soon_as_it_is_their_turn(self) -> None:
        self.slow("queue")
        advance(hours=6)
        self.assertEqual(
            [at for _, at in self.started()],
            [MORNING + hours(1), MORNING + hours(3.5), MORNING + hours(6)],
        )

    def test_a_queue_behind_an_execution_that_is_gone_goes_on(self) -> None:
        self.slow("queue")
        advance(hours=2)
        Execution.objects.filter(workflow="report").delete()
        drain()
        self.assertEqual(self.started(), [(MORNING + hours(2), MORNING + hours(2))])


@time_travel(MORNING, schedules=True)
class JitterTests(WorkflowTestCase):
    """Jitter spreads the starts, the same way whoever computes it."""

    def test_a_start_comes_later_by_at_most_the_jitter(self) -> None:
        scheduled(hourly(jitter=minutes(10)))
        advance(hours=12)
        slots = [slot for slot, _ in outcomes()]
        self.assertEqual(slots, [MORNING + hours(n) for n in range(1, 13)])
        late = [at - slot for at, slot in zip(planned(), slots, strict=True) if at]
        self.assertTrue(all(seconds(0) <= each < minutes(10) for each in late), late)
        self.assertGreater(len(set(late)), 6)
        again = [fire.share_of_jitter(row(), slot) for slot in slots]
        self.assertEqual(again, late)

    def test_it_starts_then_and_not_before(self) -> None:
        scheduled(hourly(jitter=minutes(50)))
        advance(hours=2)
        for execution in Execution.objects.filter(workflow="report", status="completed"):
            self.assertEqual(execution.started_at, execution.scheduled_at)
