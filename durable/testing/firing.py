"""Which schedules there are in a test, and when they begin."""

from __future__ import annotations

from datetime import datetime

from durable.engine.calendar import deployed
from durable.models import Schedule

#: when the declared schedules that this process has seen were made (or begun anew) by the kit
_begun: set[datetime] = set()


def register() -> None:
    """Declared schedules begin when a test begins, not when its database was made."""
    deployed.register_declared()
    declared = Schedule.objects.filter(declared=True)
    if deployed.restart(declared.exclude(created_at__in=_begun)):
        _begun.update(declared.values_list("created_at", flat=True))
