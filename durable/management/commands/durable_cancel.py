"""``manage.py durable_cancel``: cancel executions, and compensate them with ``--compensate``."""

from __future__ import annotations

from argparse import ArgumentParser

from durable.doors.actions import ACTIONS
from durable.management.base import ManyCommand, Options


class Command(ManyCommand):
    help = (
        "Cancel executions. Waiting work ends at once; a running step ends with its checkpoint, "
        "and no further one is started."
    )
    done = "cancelled"

    def arguments(self, parser: ArgumentParser) -> None:
        """The reason, and whether to compensate."""
        parser.add_argument("--reason", default="", help="why: kept with the execution")
        parser.add_argument(
            "--compensate", action="store_true", help="undo the steps that have compensations"
        )

    def answer(self, options: Options) -> None:
        """Cancel each execution."""
        action = ACTIONS["cancel_compensate" if options["compensate"] else "cancel"]
        self.to_each(options["ids"], lambda one: action.run(one, by=self.by, options=options))
