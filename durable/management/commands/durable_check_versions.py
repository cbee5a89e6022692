"""``manage.py durable_check_versions``: stop a deploy that would strand live executions."""

from __future__ import annotations

from django.core.management.base import CommandError

from durable.management.base import DurableCommand, Options
from durable.management.stranded import stranded, stranded_schedules
from durable.showing.characters import visible_line


class Command(DurableCommand):
    help = (
        "Compare the unfinished executions with the code of this process. Exit code 1 if the code "
        "lacks the workflow, version or present step of an execution, or the workflow of a "
        "schedule."
    )
    personal = False

    def answer(self, options: Options) -> None:
        """List the executions and schedules that this code would strand."""
        groups, schedules = stranded(), stranded_schedules()
        count = sum(group.count for group in groups)
        if self.as_json:
            self.show(
                {
                    "ok": not (groups or schedules),
                    "stranded": [
                        {
                            "workflow": group.workflow,
                            "version": group.version,
                            "path": group.path,
                            "missing": group.missing,
                            "words": group.words,
                            "count": group.count,
                            "ids": group.ids,
                        }
                        for group in groups
                    ],
                    "schedules": [
                        {"name": schedule.name, "workflow": schedule.workflow}
                        for schedule in schedules
                    ],
                }
            )
        else:
            for group in groups:
                self.say(f"{group.count}: {visible_line(group.words)}")
                self.say(f"    {', '.join(map(str, group.ids))}{' …' * (group.count > 3)}")
            for schedule in schedules:
                self.say(
                    visible_line(
                        f"the schedule {schedule.name!r} is for {schedule.workflow!r}, which this "
                        "code lacks"
                    )
                )
            if not (groups or schedules):
                self.say("every unfinished execution has its place in this code")
        if groups or schedules:
            raise CommandError(
                f"this code would strand {count} execution{'' if count == 1 else 's'} and "
                f"{len(schedules)} schedule{'' if len(schedules) == 1 else 's'}: keep the old "
                "class beside the new one, under its version"
            )
