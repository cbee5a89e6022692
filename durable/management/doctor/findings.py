"""A finding of the doctor: the problem, its severity, the advice and the repair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

ERROR, WARNING, INFO = "error", "warning", "info"

SEVERITIES = (ERROR, WARNING, INFO)

#: lateness that is worth a warning: workers poll, crontabs tick once a minute
PATIENCE = timedelta(minutes=1)
#: lateness by which nobody seems to do the work
TOO_LATE = timedelta(minutes=2)

SAMPLES = 3


@dataclass(frozen=True)
class Finding:
    """A problem (``words``) and the way out (``advice``); ``code`` is for programs.

    ``repair``: the duty with which ``--fix`` repairs the problem; None if it can't.
    """

    code: str
    severity: str
    words: str
    advice: str = ""
    count: int = 0
    samples: Sequence[str] = field(default_factory=tuple)
    repair: str | None = None


def samples_of(rows: Any, column: str = "pk") -> list[str]:
    """The first few rows, for people who want to look at them."""
    return [str(value) for value in rows.order_by(column).values_list(column, flat=True)[:SAMPLES]]


def counted(count: int, one: str, many: str | None = None) -> str:
    """``1 execution is``, ``3 executions are``."""
    return f"{count} {one if count == 1 else many or one + 's'}"
