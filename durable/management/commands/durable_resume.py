"""``manage.py durable_resume``: let paused executions go on."""

from __future__ import annotations

from durable.doors.actions import ACTIONS
from durable.management.base import ManyCommand, Options


class Command(ManyCommand):
    help = "Let paused executions go on; deadlines that passed meanwhile take effect now."
    done = "resumed"

    def answer(self, options: Options) -> None:
        """Resume each execution."""
        resume = ACTIONS["resume"]
        self.to_each(options["ids"], lambda one: resume.run(one, by=self.by, options={}))
