"""``manage.py durable_retry``: let failed or blocked executions go on at their step."""

from __future__ import annotations

from argparse import ArgumentParser

from durable.doors.actions import ACTIONS
from durable.management.base import ManyCommand, Options


class Command(ManyCommand):
    help = "Continue failed or blocked executions at their present step, with fresh attempts."
    done = "retried"

    def arguments(self, parser: ArgumentParser) -> None:
        """Whether to forget the step's record."""
        parser.add_argument(
            "--restart-step",
            action="store_true",
            help="forget the step's waits and results of run(), and ask anew",
        )

    def answer(self, options: Options) -> None:
        """Retry each execution."""
        retry = ACTIONS["retry"]
        self.to_each(options["ids"], lambda one: retry.run(one, by=self.by, options=options))
