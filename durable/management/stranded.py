"""The public name of what a deploy asks: what the code of this process could not go on with."""

from __future__ import annotations

from durable.doors.stranded import Stranded, stranded, stranded_schedules

__all__ = [
    "Stranded",
    "stranded",
    "stranded_schedules",
]
