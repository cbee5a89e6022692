"""Shared by the tests of schedules: a workflow that counts, its firings, passes of a tick."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management import call_command

import durable
from durable import Cron, Workflow, clock, minutes, step
from durable.models import Execution, Firing, Schedule

MORNING = datetime(2024, 5, 6, 8, tzinfo=UTC)  # a Monday


def scheduled(
    *crons: Cron, name: str = "report", version: int = 1, keep: timedelta | None = None
) -> type[Workflow]:
    """A workflow of one step that declares these schedules."""
    declared, called, number = list(crons), name, version

    class Report(Workflow):
        class Meta:
            name = called
            version = number
            schedules = declared
            retention = keep

        @step
        def write(self, data: dict[str, Any]) -> dict[str, Any]:
            return {**data, "at": self.now()}

    return Report


def row(name: str = "report") -> Schedule:
    """The schedule of this name."""
    return Schedule.objects.get(name=name)


def planned(name: str = "report") -> list[datetime | None]:
    """For which slots executions of a schedule were started, in order of time."""
    found = Execution.objects.filter(firings__schedule__name=name).order_by("scheduled_at")
    return list(found.values_list("scheduled_at", flat=True))


def outcomes(name: str = "report") -> list[tuple[datetime, str]]:
    """What became of each slot, in order."""
    found = Firing.objects.filter(schedule__name=name).order_by("slot")
    return list(found.values_list("slot", "outcome"))


class Ticks:
    """One pass of ``durable_tick``: in the transaction of a test case as outside of any."""

    def tick(self, *args: str) -> dict[str, Any]:
        out = io.StringIO()
        call_command("durable_tick", "--json", *args, stdout=out)
        found: dict[str, Any] = json.loads(out.getvalue())
        return found

    def test_it_registers_fires_and_works_what_is_due(self: Any) -> None:
        report = scheduled(Cron("0 0 1 1 *", timezone="UTC", name="report"))
        durable.schedule(report, "0 0 1 1 *", name="due", timezone="UTC")
        past = clock.read("default") - minutes(1)
        Schedule.objects.filter(name="due").update(next_run_at=past)
        durable.start(report)
        later = durable.start(report, delay=minutes(5))
        said = self.tick()
        self.assertEqual((said["slots_fired"], said["executions_worked"]), (1, 2))
        self.assertGreaterEqual(said["schedules_registered"], 1)
        self.assertFalse(said["stopped_early"])
        self.assertEqual(Execution.objects.filter(status="completed").count(), 2)
        later.refresh_from_db()
        self.assertEqual(later.status, "pending")

    def test_it_ends_when_its_time_is_over(self: Any) -> None:
        class Endless(Workflow):
            @step
            def again(self, data: dict[str, Any]) -> None:
                durable.start("endless")

        durable.start(Endless)
        said = self.tick("--max-seconds", "3")
        self.assertTrue(said["stopped_early"])
        self.assertTrue(Execution.objects.filter(status="completed").exists())
