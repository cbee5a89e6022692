"""The attempts of an execution as rows of a table: values, errors, logs and durations."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Case, F, QuerySet, TextField, Value, When
from django.db.models.functions import Length

from durable.dashboard.shared.shown import Shown
from durable.models import Execution, Role, StepRun
from durable.models.fields import DataField
from durable.showing import times
from durable.showing.characters import visible

PER_PAGE = 50
SMALL = 8_000  # characters of a value in a table; larger values are on the attempt's page
BRANCHES = 200
DEPTH = 5


@dataclass(frozen=True)
class LogLine:
    """One captured log record; ``at`` is the time of day in the reader's zone."""

    at: str
    level: str
    logger: str
    message: str


@dataclass(frozen=True)
class ShownAttempt:
    """One attempt, ready to be shown."""

    id: UUID
    execution: UUID
    name: str
    path: str
    branch: str
    visit: int
    number: int
    status: str
    recoveries: int
    started_at: datetime
    took: timedelta | None
    input: str | None = None
    output: str | None = None
    error_type: str = ""
    error: str = ""
    traceback: str = ""
    details: str = ""
    logs: list[LogLine] = field(default_factory=list)
    large: bool = False  # a value is left out here and shown on the attempt's own page


@dataclass(frozen=True)
class Attempts:
    """One page of attempts."""

    rows: list[ShownAttempt]
    page: int
    pages: int
    total: int

    @property
    def others(self) -> list[int]:
        """The numbers of the linked pages: the first, the last, and those near this one."""
        near = range(self.page - 2, self.page + 3)
        return sorted({1, self.pages, *(n for n in near if 1 <= n <= self.pages)})


def family(execution: Execution) -> dict[UUID, str]:
    """The execution and its branches (nested ones too): the branch's name by id.

    Items are left out: there may be a hundred thousand.
    """
    found = {execution.pk: ""}
    level = [execution.pk]
    for _depth in range(DEPTH):
        rows = Execution.objects.filter(parent__in=level, role=Role.BRANCH).order_by("index")
        below: list[Any] = list(rows.values_list("pk", "branch", "parent")[: BRANCHES - len(found)])
        if not below:
            break
        for pk, branch, parent in below:
            found[pk] = " / ".join(filter(None, (found[parent], visible(branch))))
        level = [pk for pk, *_ in below]
    return found


def page_of(
    attempts: QuerySet[StepRun], names: dict[UUID, str], shown: Shown, wanted: Any
) -> Attempts:
    """One page of attempts, in the order of their starts."""
    total = attempts.count()
    pages = max(1, -(-total // PER_PAGE))
    page = min(max(1, int(wanted)), pages) if str(wanted).isdecimal() else 1
    begin = (page - 1) * PER_PAGE
    rows = _readable(attempts.order_by("started_at", "id"), SMALL)[begin : begin + PER_PAGE]
    return Attempts([attempt(row, names, shown) for row in rows], page, pages, total)


def full(row: StepRun, names: dict[UUID, str], shown: Shown, limit: int) -> ShownAttempt:
    """One attempt with all its values, each up to ``limit`` characters."""
    found = _readable(StepRun.objects.filter(pk=row.pk), limit).get()
    return attempt(found, names, shown, limit)


def _readable(rows: QuerySet[StepRun], limit: int) -> Any:
    """Rows whose values are read from the database only if they are no larger than ``limit``."""
    sizes = {f"{name}_size": Length(name) for name in ("input", "output", "logs")}
    small: dict[str, Any] = {
        f"small_{name}": Case(
            When(**{f"{name}_size__lte": limit}, then=F(name)), output_field=DataField()
        )
        for name in ("input", "output")
    }
    logs = Case(
        When(logs_size__lte=4 * limit, then=F("logs")), default=Value(""), output_field=TextField()
    )
    return (
        rows.defer("input", "output", "logs").annotate(**sizes).annotate(**small, small_logs=logs)
    )


def attempt(row: Any, names: dict[UUID, str], shown: Shown, limit: int = SMALL) -> ShownAttempt:
    """A row of ``_readable``, ready to be shown."""
    error = row.error or {}
    sizes = (row.input_size or 0, row.output_size or 0, (row.logs_size or 0) // 4)
    return ShownAttempt(
        id=row.pk,
        execution=row.execution_id,
        name=visible(row.name),
        path=visible(row.path),
        branch=names.get(row.execution_id, ""),
        visit=row.visit,
        number=row.attempt,
        status=row.status,
        recoveries=row.recoveries,
        started_at=row.started_at,
        took=row.ended_at - row.started_at if row.ended_at else None,
        input=None if row.small_input is None else shown.value(row.small_input, 2 * limit),
        output=None if row.small_output is None else shown.value(row.small_output, 2 * limit),
        error_type=visible(error.get("type") or ""),
        error=shown.text(error.get("message") or "", limit),
        traceback=shown.text(error.get("traceback") or ""),
        details=shown.value(error["details"]) if error.get("details") else "",
        logs=list(log_lines(row.small_logs, shown)),
        large=any(size > limit for size in sizes),
    )


def log_lines(text: str, shown: Shown) -> Iterable[LogLine]:
    """The captured log records; a line that is no record is shown as text."""
    for line in filter(None, text.splitlines()):
        try:
            record = json.loads(line)
            yield LogLine(
                times.of_day(datetime.fromisoformat(record["at"])),
                visible(record["level"]),
                visible(record["logger"]),
                shown.text(record["message"]),
            )
        except (ValueError, KeyError, TypeError):
            yield LogLine("", "", "", shown.text(line))
