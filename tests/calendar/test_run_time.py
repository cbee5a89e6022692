"""Schedules made by a program or a person: created, changed, switched, run by hand, removed."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction

import durable
from durable import (
    DefinitionError,
    DurableError,
    NotSerializable,
    ScheduleNotFound,
    WorkflowNotFound,
    hours,
    minutes,
)
from durable.models import AuditEntry, Execution, Firing, Schedule
from durable.testing import advance, drain, time_travel
from tests.calendar.cases import MORNING, outcomes, planned, row, scheduled
from tests.cases import ThreadedTestCase, WorkflowTestCase

HOURLY = "0 * * * *"


@time_travel(MORNING, schedules=True)
class RunTimeTests(WorkflowTestCase):
    """``schedule``, ``unschedule`` and what lies between."""

    def setUp(self) -> None:
        super().setUp()
        self.workflow = scheduled()

    def test_it_fires_like_a_declared_one(self) -> None:
        made = durable.schedule(self.workflow, HOURLY, name="mine", timezone="UTC", input={"n": 1})
        self.assertEqual((made.name, made.cron, made.timezone), ("mine", HOURLY, "UTC"))
        self.assertEqual((made.input, made.enabled, made.declared), ({"n": 1}, True, False))
        self.assertEqual((made.next_run_at, made.last_run_at), (MORNING + hours(1), None))
        advance(hours=2)
        self.assertEqual(planned("mine"), [MORNING + hours(1), MORNING + hours(2)])

    def test_schedules_is_a_queryset_of_what_they_are_and_when_they_fire(self) -> None:
        durable.schedule(scheduled(), HOURLY, name="mine", timezone="UTC", input={"n": 1})
        advance(hours=1)
        (found,) = durable.schedules().filter(enabled=True)
        self.assertEqual(
            (found.name, found.cron, found.timezone, found.input, found.enabled),
            ("mine", HOURLY, "UTC", {"n": 1}, True),
        )
        self.assertEqual(
            (found.last_run_at, found.next_run_at), (MORNING + hours(1), MORNING + hours(2))
        )

    def test_a_workflow_by_name(self) -> None:
        self.assertEqual(durable.schedule("report", HOURLY, name="mine").workflow, "report")

    def test_the_same_name_changes_it(self) -> None:
        durable.schedule(self.workflow, HOURLY, name="mine", timezone="UTC")
        durable.disable_schedule("mine")
        changed = durable.schedule(
            self.workflow, "30 9 * * *", name="mine", timezone="UTC", input={"n": 2}, overlap="skip"
        )
        self.assertEqual(Schedule.objects.filter(name="mine").count(), 1)
        self.assertEqual((changed.cron, changed.input), ("30 9 * * *", {"n": 2}))
        self.assertEqual((changed.overlap, changed.enabled), ("skip", False))
        self.assertEqual(changed.next_run_at, MORNING + minutes(90))

    def test_refusals_leave_nothing(self) -> None:
        cases: list[tuple[type[Exception], Any, dict[str, Any]]] = [
            (DefinitionError, "61 * * * *", {}),
            (DefinitionError, "0 0 9 * * *", {}),
            (DefinitionError, HOURLY, {"timezone": "Mars/Base"}),
            (DefinitionError, HOURLY, {"overlap": "maybe"}),
            (DefinitionError, HOURLY, {"catch_up": "some"}),
            (DefinitionError, HOURLY, {"jitter": 5}),
            (NotSerializable, HOURLY, {"input": {"x": object()}}),
            (DurableError, HOURLY, {"name": ""}),
            (DurableError, HOURLY, {"name": "x" * 201}),
        ]
        for error, cron, options in cases:
            with self.subTest(cron=cron, options=options), self.assertRaises(error):
                durable.schedule(self.workflow, cron, **{"name": "mine", **options})
        with self.assertRaises(WorkflowNotFound):
            durable.schedule("nothing", HOURLY, name="mine")
        self.assertFalse(durable.schedules().filter(name="mine").exists())

    def test_it_joins_the_callers_transaction(self) -> None:
        with self.assertRaises(ZeroDivisionError), transaction.atomic():
            durable.schedule(self.workflow, HOURLY, name="mine")
            raise ZeroDivisionError
        self.assertFalse(durable.schedules().filter(name="mine").exists())

    def test_unschedule_removes_it_and_keeps_what_it_started(self) -> None:
        durable.schedule(self.workflow, HOURLY, name="mine", timezone="UTC")
        advance(hours=1)
        durable.unschedule("mine")
        advance(hours=3)
        self.assertFalse(durable.schedules().filter(name="mine").exists())
        self.assertEqual(Execution.objects.filter(workflow="report").count(), 1)

    def test_unknown_names_are_told(self) -> None:
        for call in (
            durable.unschedule,
            durable.enable_schedule,
            durable.disable_schedule,
            durable.trigger_schedule,
        ):
            for name in ("nothing", "", "\0"):
                with self.subTest(call=call, name=name), self.assertRaises(ScheduleNotFound):
                    call(name)

    def test_triggered_it_runs_now_beside_its_slots(self) -> None:
        durable.schedule(self.workflow, HOURLY, name="mine", timezone="UTC", input={"n": 1})
        advance(hours=1)  # the clock stands on a slot
        durable.disable_schedule("mine")
        execution = durable.trigger_schedule("mine")
        again = durable.trigger_schedule("mine")
        drain()
        execution.refresh_from_db()
        self.assertEqual(execution.data["n"], 1)
        self.assertEqual([outcome for _, outcome in outcomes("mine")], ["started"] * 3)
        by_hand = Firing.objects.exclude(slot=MORNING + hours(1))
        found = set(by_hand.values_list("execution", flat=True))
        self.assertEqual({execution.pk, again.pk}, found)
        self.assertEqual(row("mine").next_run_at, MORNING + hours(2))

    def test_each_change_is_audited(self) -> None:
        kim = get_user_model().objects.create_user("kim")
        durable.schedule(self.workflow, HOURLY, name="mine", by=kim)
        durable.disable_schedule("mine", by=kim)
        durable.enable_schedule("mine", by=kim)
        execution = durable.trigger_schedule("mine", by=kim)
        durable.unschedule("mine", by=kim)
        entries = AuditEntry.objects.filter(target="mine").order_by("at", "id")
        self.assertEqual(
            list(entries.values_list("action", flat=True)),
            ["schedule", "disable_schedule", "enable_schedule", "trigger_schedule", "unschedule"],
        )
        self.assertEqual({entry.actor_name for entry in entries}, {"kim"})
        self.assertEqual(entries[3].execution_id, execution.pk)
        self.assertEqual((entries[1].before["enabled"], entries[1].after["enabled"]), (True, False))


@time_travel(MORNING, schedules=True)
class FailureTests(WorkflowTestCase):
    """A schedule that can't start its workflow says so, and never turns in a hot loop."""

    def broken(self, cron: str = "* * * * *") -> None:
        durable.schedule(scheduled(), cron, name="mine", timezone="UTC")
        Schedule.objects.filter(name="mine").update(workflow="gone")

    def test_it_is_counted_shown_and_moved_on(self) -> None:
        self.broken(HOURLY)
        with self.assertLogs("durable.schedules", "WARNING"):
            advance(hours=1)
        failed = row("mine")
        self.assertEqual(failed.failures, 1)
        self.assertIn("WorkflowNotFound", failed.last_error)
        self.assertEqual(failed.next_run_at, MORNING + hours(2))
        self.assertEqual(outcomes("mine"), [(MORNING + hours(1), "failed")])

    def test_it_is_tried_less_and_less_often(self) -> None:
        self.broken()
        with self.assertLogs("durable.schedules", "WARNING"):
            advance(hours=1)
        tried = [slot for slot, _ in outcomes("mine")]
        self.assertLess(len(tried), 12)
        self.assertEqual(row("mine").failures, len(tried))

    def test_success_resets_the_count(self) -> None:
        self.broken(HOURLY)
        with self.assertLogs("durable.schedules", "WARNING"):
            advance(hours=2)
        Schedule.objects.filter(name="mine").update(workflow="report")
        advance(hours=2)
        self.assertEqual((row("mine").failures, row("mine").last_error), (0, ""))
        self.assertEqual(len(planned("mine")), 2)

    def test_user_code_that_fails_at_the_start_is_such_a_failure(self) -> None:
        class Broken(durable.Workflow):
            class Meta:
                schedules = [durable.Cron(HOURLY, timezone="UTC")]
                key = staticmethod(lambda data: data["nothing"])

            @durable.step
            def one(self, data: dict[str, Any]) -> None: ...

        with self.assertLogs("durable.schedules", "WARNING"):
            advance(hours=1)
        self.assertIn("KeyError", row("broken").last_error)

    def test_a_row_without_slots_rests_until_it_is_changed(self) -> None:
        durable.schedule(scheduled(), HOURLY, name="mine", timezone="UTC")
        Schedule.objects.filter(name="mine").update(timezone="Mars/Base")
        with self.assertLogs("durable.schedules", "WARNING"):
            advance(hours=5)
        self.assertEqual((row("mine").failures, row("mine").next_run_at), (1, None))


class AsyncTests(ThreadedTestCase):
    """Each call has its twin."""

    def test_the_twins(self) -> None:
        workflow = scheduled()

        async def calls() -> datetime | None:
            made = await durable.aschedule(workflow, HOURLY, name="mine")
            await durable.adisable_schedule("mine")
            await durable.aenable_schedule("mine")
            execution = await durable.atrigger_schedule("mine")
            self.assertEqual(execution.workflow, "report")
            found = [each.name async for each in await durable.aschedules()]
            self.assertIn("mine", found)
            await durable.aunschedule("mine")
            return made.next_run_at

        self.assertIsNotNone(asyncio.run(calls()))
