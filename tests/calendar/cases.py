"""What the tests of schedules share: a workflow that counts, and its firings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from durable import Cron, Workflow, step
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
