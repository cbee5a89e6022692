"""``manage.py durable_cleanup``: remove executions that ended long ago."""

from __future__ import annotations

from argparse import ArgumentParser

from durable.engine.prune import prune
from durable.management.arguments import span
from durable.management.base import DurableCommand, Options
from durable.states import FINAL


class Command(DurableCommand):
    help = (
        "Remove finished executions, each with everything below it. Without --older-than, what "
        "Meta.retention and DURABLE['RETENTION'] say; the audit trail stays."
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
            help="only those that ended so (may be given several times)",
        )
        parser.add_argument("--dry-run", action="store_true", help="only count them")

    def answer(self, options: Options) -> None:
        """Remove them, and say how many there were."""
        dry_run = options["dry_run"]
        count = prune(options["older_than"], options["status"], dry_run=dry_run)
        if self.as_json:
            self.show({"removed": 0 if dry_run else count, "found": count})
        elif options["verbosity"]:
            verb = "would be removed" if dry_run else "removed"
            self.say(f"{count} execution{'' if count == 1 else 's'} {verb}")
