"""``manage.py durable_cleanup``: remove old executions, events, slots and worker rows."""

from __future__ import annotations

from argparse import ArgumentParser

from durable.engine.operators.prune import prune
from durable.engine.operators.sweep import Swept, sweep
from durable.management.arguments import span
from durable.management.base import DurableCommand, Options
from durable.states import FINAL


class Command(DurableCommand):
    help = (
        "Remove finished executions (each with the children it waited for), published events, "
        "past slots of schedules and the rows of stopped workers. Without --older-than, "
        "Meta.retention, DURABLE['RETENTION'] and DURABLE['KEEP_EVENTS'] set the age. The audit "
        "trail stays."
    )
    personal = False

    def arguments(self, parser: ArgumentParser) -> None:
        """The age and status of executions to remove."""
        parser.add_argument(
            "--older-than", type=span, metavar="30d", help="ended at least this long ago"
        )
        parser.add_argument(
            "--status",
            action="append",
            choices=sorted(FINAL),
            default=[],
            help="only executions with this final status (may be given several times)",
        )
        parser.add_argument("--dry-run", action="store_true", help="only count the rows")

    def answer(self, options: Options) -> None:
        """Remove old rows; print their counts."""
        dry_run = options["dry_run"]
        count = prune(options["older_than"], options["status"], dry_run=dry_run)
        swept = (
            Swept(0, 0, 0) if options["status"] else sweep(options["older_than"], dry_run=dry_run)
        )
        if self.as_json:
            self.show({"removed": 0 if dry_run else count, "found": count, **swept._asdict()})
        elif options["verbosity"]:
            verb = "would be removed" if dry_run else "removed"
            self.say(f"{count} execution{'' if count == 1 else 's'} {verb}")
            if any(swept):
                others = ", ".join(f"{number} {name}" for name, number in swept._asdict().items())
                self.say(f"{others} {verb}")
