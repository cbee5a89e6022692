"""``manage.py durable_pause``: stop executions at their next checkpoint."""

from __future__ import annotations

from durable.doors.actions import ACTIONS
from durable.management.base import ManyCommand, Options


class Command(ManyCommand):
    help = "Pause executions at their next checkpoint; those that are not running stop at once."
    done = "paused"

    def answer(self, options: Options) -> None:
        """Pause each execution."""
        self.to_each(options["ids"], lambda one: ACTIONS["pause"].run(one, by=self.by, options={}))
