"""``manage.py durable_cleanup``: remove executions that ended long ago, and what else is over."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand

from durable.engine.prune import prune
from durable.engine.sweep import Swept, sweep
from durable.states import FINAL

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def span(text: str) -> timedelta:
    """``30d``, ``12h``, ``90m``, ``45s``, ``2w`` as a time span."""
    match = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip())
    if match is None:
        raise ArgumentTypeError(f"{text!r} is not a number with a unit, such as 30d, 12h or 2w")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


class Command(BaseCommand):
    help = (
        "Remove finished executions, each with everything below it, delivered events, past slots "
        "of schedules and the rows of stopped workers. Without --older-than, what Meta.retention "
        "and DURABLE['RETENTION'] say; the audit trail stays."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
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
        parser.add_argument("--json", action="store_true", help="say it in JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Remove them, and say how many there were."""
        dry_run = options["dry_run"]
        count = prune(options["older_than"], options["status"], dry_run=dry_run)
        swept = Swept(0, 0, 0)
        if not options["status"]:
            swept = sweep(options["older_than"], dry_run=dry_run)
        if options["json"]:
            found = {"removed": 0 if dry_run else count, "found": count, **swept._asdict()}
            self.stdout.write(json.dumps(found))
        elif options["verbosity"]:
            verb = "would be removed" if dry_run else "removed"
            self.stdout.write(f"{count} execution{'' if count == 1 else 's'} {verb}")
            if any(swept):
                others = ", ".join(f"{number} {name}" for name, number in swept._asdict().items())
                self.stdout.write(f"{others} {verb}")
