"""Run all checks, repair if asked to, and run the checks again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from durable.management.doctor import code, database, settings, work
from durable.management.doctor.findings import ERROR, SEVERITIES, Finding
from durable.management.doctor.repairs import repair

Check = Callable[[], Iterator[Finding]]


#: if one of these fails, the other checks are of no use
FIRST: tuple[Check, ...] = (database.reachable, database.migrated)

THEN: tuple[Check, ...] = (
    database.on_time,
    database.sqlite_set_up,
    database.pooled,
    database.audited,
    database.heard,
    work.workers_alive,
    work.held_by_the_dead,
    work.blocked,
    work.late,
    work.overdue,
    work.idle,
    work.leftovers,
    settings.schedules,
    code.gone,
    code.unanswerable,
    settings.pauses,
    settings.webhooks,
    database.room,
)


@dataclass(frozen=True)
class Report:
    """The findings after the repairs, the worst first; and the number of rows of each repair."""

    findings: list[Finding]
    repaired: dict[str, int] = field(default_factory=dict)

    @property
    def errors(self) -> int:
        """The number of findings that are errors."""
        return sum(finding.severity == ERROR for finding in self.findings)


def diagnose() -> list[Finding]:
    """The findings of all checks, the worst first."""
    found: list[Finding] = []
    for check in FIRST:
        found += check()
        if found:
            return found
    for check in THEN:
        found += check()
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def examine(*, fix: bool = False) -> Report:
    """Run the checks; with ``fix`` repair the safe findings and run the checks again."""
    findings = diagnose()
    repaired = repair({finding.repair for finding in findings}) if fix else {}
    return Report(diagnose(), repaired) if repaired else Report(findings)
