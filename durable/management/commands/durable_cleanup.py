"""``manage.py durable_cleanup``: remove executions that ended long ago, and what else is over."""

from __future__ import annotations

from argparse import ArgumentParser

from durable.engine.operators.prune import prune
from durable.engine.operators.sweep import Swept, sweep
from durable.management.arguments import span
from durable.management.base import DurableCommand, Options
from durable.states import FINAL


class Command(DurableCommand):
    help = (
        "Remove finished executions, each with all that it has waited for, published events, past "
        "slots of schedules and the rows of stopped workers. Without --older-than, what "
        "Meta.retention, DURABLE['RETENTION'] and DURABLE['KEEP_EVENTS'] say; the audit trail "
        "stays."
    )
    personal = False

    def arguments(self, parser: ArgumentParser) -> None:
        """What to remove."""
        parser.add_argument(
            "--older-than", type=span, metavar="30d", help="ended at least that long ago"
        )
        parser.add_argument(
            "--status",
            action="append",
            choices=sorted(FINAL),
            default=[],
            help="only executions that ended so (may be given several times)",
        )
        parser.add_argument("--dry-run", action="store_true", help="only count them")

    def answer(self, options: Options) -> None:
        """Remove them, and say how many there were."""
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
