"""``manage.py durable_doctor``: find problems, advise on them, and repair with ``--fix``."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict

from django.core.management.base import CommandError

from durable.management import doctor
from durable.management.base import DurableCommand, Options
from durable.management.doctor import Finding
from durable.showing.characters import visible_line


class Command(DurableCommand):
    help = (
        "Look for problems of the database, workers, executions, events and schedules. "
        "Exit code 1 if errors are left."
    )
    personal = False

    def arguments(self, parser: ArgumentParser) -> None:
        """Whether to repair."""
        parser.add_argument(
            "--fix",
            action="store_true",
            help="make the safe repairs: free executions of dead workers, wake due sleepers and "
            "executions that wait for nothing, deliver events, answers and ends of parts, block "
            "executions that no live worker has the code for, close leftovers of finished ones",
        )

    def answer(self, options: Options) -> None:
        """Print the findings and repairs."""
        report = doctor.examine(fix=options["fix"])
        if self.as_json:
            self.show(
                {
                    "ok": not report.errors,
                    "errors": report.errors,
                    "findings": [asdict(finding) for finding in report.findings],
                    "repaired": report.repaired,
                }
            )
        else:
            for name, count in report.repaired.items():
                self.say(f"repaired ({name}): {count}")
            for finding in report.findings:
                self._say(finding)
            if not report.errors:
                self.say("no errors")
        if report.errors:
            raise CommandError(f"{report.errors} error{'' if report.errors == 1 else 's'} found")

    def _say(self, finding: Finding) -> None:
        severity = self.paint(finding.severity.ljust(7), finding.severity)
        self.say(f"{severity}  {visible_line(finding.words)}  [{finding.code}]")
        if finding.samples:
            self.say(f"         {', '.join(map(visible_line, finding.samples))}")
        if finding.advice:
            fixable = " (--fix)" if finding.repair and "--fix" not in finding.advice else ""
            self.say(f"         → {visible_line(finding.advice)}{fixable}")
