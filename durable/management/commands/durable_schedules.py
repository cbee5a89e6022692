"""``manage.py durable_schedules``: list schedules, show next slots, enable, disable, trigger."""

from __future__ import annotations

from argparse import ArgumentParser
from contextlib import suppress
from datetime import datetime
from difflib import get_close_matches
from itertools import islice
from typing import Any

from django.core.management.base import CommandError

from durable import clock
from durable.authoring.calendar.cron import slots_after, zone_of
from durable.conf import database
from durable.doors import starting
from durable.engine.calendar import schedules
from durable.errors import ScheduleNotFound
from durable.management.arguments import positive
from durable.management.base import DurableCommand, Options
from durable.models import Schedule
from durable.showing import times
from durable.showing.masking import mask_text


class Command(DurableCommand):
    help = "List schedules; show the next slots of one, enable or disable it, or start it now."

    def arguments(self, parser: ArgumentParser) -> None:
        """The action, the schedule and the number of slots."""
        parser.add_argument(
            "action",
            nargs="?",
            default="list",
            choices=("list", "next", "enable", "disable", "trigger"),
            help="list (default); next: its next slots; enable; disable; trigger: start it now",
        )
        parser.add_argument("name", nargs="?", help="the schedule")
        parser.add_argument(
            "-n",
            "--number",
            type=positive,
            default=10,
            help="next: the number of slots (default 10)",
        )

    def answer(self, options: Options) -> None:
        """List the schedules, or run the action on one."""
        action, name = options["action"], options["name"]
        if action == "list":
            if name is not None:
                raise CommandError("list takes no name; next takes one")
            self.require("view_schedules")
            self._list()
            return
        if name is None:
            raise CommandError(f"which schedule? {action} takes its name")
        self.require("view_schedules")
        schedule = self._find(name)
        if action == "next":
            self._next(schedule, options["number"])
            return
        self.require("manage_schedules", schedule)
        if action == "trigger":
            self._trigger(schedule)
            return
        after = schedules.switch(name, on=action == "enable", by=self.by)
        if self.as_json:
            self.show({"schedule": _shown(after)})
        else:
            self.say(f"{after.name} {'enabled' if after.enabled else 'disabled'}")

    def _find(self, name: str) -> Schedule:
        """The schedule of this name; raises ``CommandError`` if the user may not see it."""
        with suppress(ScheduleNotFound):
            if found := self.allowed("view_schedules", [schedules.find(name)]):
                return found[0]
        seen = self.allowed("view_schedules", Schedule.objects.order_by("name"))
        close = get_close_matches(name, [schedule.name for schedule in seen], n=1)
        hint = f"; did you mean {close[0]!r}?" if close else "; durable_schedules lists them"
        raise CommandError(f"there is no schedule {name!r}{hint}")

    def _list(self) -> None:
        found = self.allowed("view_schedules", Schedule.objects.order_by("name"))
        if self.as_json:
            self.show({"schedules": [_shown(schedule) for schedule in found]})
            return
        present = clock.read(database())
        self.show_table(
            ("NAME", "WORKFLOW", "CRON", "ZONE", "STATE", "NEXT", "LAST", "ERROR"),
            [
                (
                    schedule.name,
                    schedule.workflow,
                    schedule.cron,
                    schedule.timezone,
                    _state(schedule),
                    times.age(schedule.next_run_at, present) if schedule.enabled else "",
                    times.in_cell(schedule.last_run_at),
                    mask_text(schedule.last_error),
                )
                for schedule in found
            ],
            "no schedules",
        )

    def _next(self, schedule: Schedule, number: int) -> None:
        zone = zone_of(schedule.timezone)
        slots: list[datetime] = list(
            islice(slots_after(schedule.cron, zone, clock.read(database())), number)
        )
        if self.as_json:
            document = {"name": schedule.name, "timezone": schedule.timezone, "slots": slots}
            self.show({**document, "enabled": schedule.enabled})
            return
        for slot in slots:
            self.say(times.slot(slot.astimezone(zone)))
        if not slots:
            self.say("no slot within the calendar")
        if not schedule.enabled:
            self.tell(f"{schedule.name} is disabled: none of them fires")

    def _trigger(self, schedule: Schedule) -> None:
        execution = starting.trigger(self.by, schedule)
        if self.as_json:
            self.show(
                {
                    "id": execution.pk,
                    "workflow": execution.workflow,
                    "status": execution.status,
                    "schedule": schedule.name,
                }
            )
        else:
            self.say(str(execution.pk))


def _state(schedule: Schedule) -> str:
    if not schedule.enabled:
        return "disabled"
    return "failed" if schedule.failures else "ok"


def _shown(schedule: Schedule) -> dict[str, Any]:
    return {
        "name": schedule.name,
        "workflow": schedule.workflow,
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "enabled": schedule.enabled,
        "declared": schedule.declared,
        "catch_up": schedule.catch_up,
        "overlap": schedule.overlap,
        "jitter": times.in_seconds(schedule.jitter),
        "next_run_at": schedule.next_run_at,
        "last_run_at": schedule.last_run_at,
        "failures": schedule.failures,
        "last_error": mask_text(schedule.last_error),
    }
