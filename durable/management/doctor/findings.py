"""One thing that is not as it should be, and how bad it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

ERROR, WARNING, INFO = "error", "warning", "info"

SEVERITIES = (ERROR, WARNING, INFO)

#: how late something may be before it is worth a word: workers poll, crontabs tick once a minute
PATIENCE = timedelta(minutes=1)
#: how late it is when nobody does it
TOO_LATE = timedelta(minutes=2)

SAMPLES = 3


@dataclass(frozen=True)
class Finding:
    """What is wrong (``words``) and what to do (``advice``); ``code`` is for programs.

    ``repair`` names what ``--fix`` does about it, if it does anything.
    """

    code: str
    severity: str
    words: str
    advice: str = ""
    count: int = 0
    samples: Sequence[str] = field(default_factory=tuple)
    repair: str | None = None


def samples_of(rows: Any, column: str = "pk") -> list[str]:
    """Some of them, for people who want to look."""
    return [str(value) for value in rows.order_by(column).values_list(column, flat=True)[:SAMPLES]]


def counted(count: int, one: str, many: str | None = None) -> str:
    """``1 execution is``, ``3 executions are``."""
    return f"{count} {one if count == 1 else many or one + 's'}"
