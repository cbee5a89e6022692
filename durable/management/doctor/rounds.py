"""Look at everything, repair what is safe if asked to, and look again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from durable.management.doctor import code, database, settings, work
from durable.management.doctor.findings import ERROR, SEVERITIES, Finding
from durable.management.doctor.repairs import repair

Check = Callable[[], Iterator[Finding]]


#: without these there is no use in looking any further
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
    """What is (still) wrong, the worst first; and what was repaired, each with how much."""

    findings: list[Finding]
    repaired: dict[str, int] = field(default_factory=dict)

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(finding.severity == ERROR for finding in self.findings)


def diagnose() -> list[Finding]:
    """Everything that is not as it should be, the worst first."""
    found: list[Finding] = []
    for check in FIRST:
        found += check()
        if found:
            return found
    for check in THEN:
        found += check()
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def examine(*, fix: bool = False) -> Report:
    """Look; with ``fix`` repair what is safe, and say what is left."""
    findings = diagnose()
    repaired = repair({finding.repair for finding in findings}) if fix else {}
    return Report(diagnose(), repaired) if repaired else Report(findings)
