"""``manage.py durable_rerun``: start a new execution from a finished one."""

from __future__ import annotations

from argparse import ArgumentParser

from durable.doors.actions import ACTIONS
from durable.management.base import DurableCommand, Options


class Command(DurableCommand):
    help = "Start a new execution with the input of a finished one; prints the new id."

    def arguments(self, parser: ArgumentParser) -> None:
        """The execution, and the step to begin at."""
        parser.add_argument("id", help="an execution's id, or its beginning")
        parser.add_argument(
            "--from-step",
            metavar="STEP",
            help="begin at this step (a name or a path), with the data recorded before it",
        )

    def answer(self, options: Options) -> None:
        """Start the new execution; print its id."""
        old = self.execution(options["id"])
        new = ACTIONS["rerun"].run(old, by=self.by, options=options)
        if self.as_json:
            self.show(
                {
                    "id": new.pk,
                    "workflow": new.workflow,
                    "status": new.status,
                    "step": new.path,
                    "rerun_of": old.pk,
                }
            )
        else:
            self.say(str(new.pk))
