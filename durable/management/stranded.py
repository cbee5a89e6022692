"""Public names for a deploy's check: the executions and schedules this code can't continue."""

from __future__ import annotations

from durable.doors.stranded import Stranded, stranded, stranded_schedules

__all__ = [
    "Stranded",
    "stranded",
    "stranded_schedules",
]
