"""``manage.py durable_status``: count executions, queues and workers; or show one execution."""

from __future__ import annotations

from argparse import ArgumentParser

from durable.doors import access
from durable.doors.actions import whole
from durable.doors.stranded import Stranded, stranded
from durable.engine.operators.queues import QueueState
from durable.management.base import DurableCommand, Options
from durable.management.commands import durable_queues as queues
from durable.management.commands import durable_workers as workers
from durable.management.dossier import summary
from durable.management.progress import line_of
from durable.models import Execution, Schedule, Worker
from durable.showing import times
from durable.showing.characters import visible_line
from durable.showing.overview import Overview, overview
from durable.states import Status


class Command(DurableCommand):
    help = "Count executions, queues, workers and the next schedules; or show one execution."

    def arguments(self, parser: ArgumentParser) -> None:
        """The execution, if there is one."""
        parser.add_argument("id", nargs="?", help="an execution's id, or its beginning")

    def answer(self, options: Options) -> None:
        """Print the overview, or the execution's state."""
        self.require("view")
        if options["id"] is not None:
            execution = self.execution(options["id"])
            self.require("view", whole(execution))
            if self.as_json:
                self.show(summary(execution))
            else:
                self.say(f"{execution.pk} {visible_line(execution.workflow)} v{execution.version}")
                self.say(self.paint(line_of(summary(execution)), execution.status))
            return
        seen = overview(None if self.by is None else access.visible(self.by))
        if self.as_json:
            self._show(seen)
        else:
            self._say(seen)

    def _show(self, seen: Overview) -> None:
        self.show(
            {
                "at": seen.at,
                "statuses": seen.statuses,
                "stranded": [
                    {"words": one.words, "count": one.count, "ids": one.ids}
                    for one in self._stranded()
                ],
                "queues": [queues.shown(state, seen.at) for state in self._queues(seen)],
                "workers": [workers.shown(worker, seen.at) for worker in self._workers(seen)],
                "schedules": [
                    {
                        "name": schedule.name,
                        "workflow": schedule.workflow,
                        "next_run_at": schedule.next_run_at,
                    }
                    for schedule in self._schedules(seen)
                ],
                "open_questions": seen.open_questions,
            }
        )

    def _say(self, seen: Overview) -> None:
        counted = [(status, count) for status, count in seen.statuses.items() if count]
        self.show_table(("EXECUTIONS", "COUNT"), counted, "no executions")
        self.say(f"open questions to people: {seen.open_questions}")
        for one in self._stranded():
            words = f"stranded, {one.count}: {visible_line(one.words)} (such as {one.ids[0]})"
            self.say(self.paint(words, Status.FAILED))
        self.say()
        self.show_table(queues.HEAD, queues.rows(self._queues(seen), seen.at), "no queues")
        self.say()
        self.show_table(
            ("WORKER", "QUEUES", "RUNNING", "UP FOR"),
            [
                (
                    worker.name,
                    ", ".join(worker.queues),
                    worker.running,
                    times.age(worker.started_at, seen.at),
                )
                for worker in self._workers(seen)
            ],
            "no worker is alive",
        )
        self.say()
        self.show_table(
            ("NEXT SCHEDULE", "WORKFLOW", "WHEN"),
            [
                (schedule.name, schedule.workflow, times.age(schedule.next_run_at, seen.at))
                for schedule in self._schedules(seen)
            ],
            "no schedule is due",
        )

    # -- the rows that the user (or the program) may see

    def _queues(self, seen: Overview) -> list[QueueState]:
        return self.allowed("view_queues", seen.queues, lambda state: state.name)

    def _stranded(self) -> list[Stranded]:
        rows = Execution.objects.all()
        if self.by is not None:
            rows = rows.filter(root_id__in=self.seen().values("pk"))
        return stranded(rows)

    def _workers(self, seen: Overview) -> list[Worker]:
        return self.allowed("view_workers", seen.workers)

    def _schedules(self, seen: Overview) -> list[Schedule]:
        return self.allowed("view_schedules", seen.schedules)
