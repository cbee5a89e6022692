"""The overview in numbers: executions by status, queues, workers, schedules, questions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Count

from durable import clock
from durable.conf import database
from durable.engine.operators import queues
from durable.engine.operators.queues import QueueState
from durable.models import Execution, Schedule, Wait, Worker
from durable.states import Status, WaitKind

if TYPE_CHECKING:
    from durable.models.execution import ExecutionQuerySet

NEXT_SCHEDULES = 5


@dataclass(frozen=True)
class Overview:
    """The numbers at one moment; the counts are of root executions."""

    at: datetime
    statuses: dict[str, int]  # every status, zeros included
    queues: list[QueueState]
    workers: list[Worker]  # alive
    schedules: list[Schedule]  # the next to fire
    open_questions: int


def overview(executions: ExecutionQuerySet | None = None) -> Overview:
    """The present numbers; ``executions`` limits the counts to the rows a user may see."""
    rows = Execution.objects.roots() if executions is None else executions
    asked = Wait.objects.open().filter(kind=WaitKind.INPUT)
    if executions is not None:
        asked = asked.filter(root_id__in=executions.values("pk"))
    return Overview(
        at=clock.read(database()),
        statuses=counts(rows),
        queues=queues.states(),
        workers=list(Worker.objects.live().order_by("started_at")),
        schedules=next_schedules(),
        open_questions=asked.count(),
    )


def counts(rows: ExecutionQuerySet) -> dict[str, int]:
    """The number of root executions in each status."""
    found: Any = rows.filter(parent__isnull=True).order_by().values_list("status")
    counted = dict(found.annotate(Count("pk")))
    return {status: counted.get(status, 0) for status in Status.values}


def next_schedules(limit: int = NEXT_SCHEDULES) -> list[Schedule]:
    """The enabled schedules with the earliest next runs."""
    enabled = Schedule.objects.filter(enabled=True, next_run_at__isnull=False)
    return list(enabled.order_by("next_run_at", "name")[:limit])
