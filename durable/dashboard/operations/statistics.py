"""Statistics of a workflow's last executions: counts by status, median and 95th percentile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from durable.doors import access
from durable.models import Execution
from durable.states import Status

RECENT = 200  # executions of each workflow, where many are listed
RECENT_OF_ONE = 1_000


@dataclass(frozen=True)
class Recent:
    """The last executions of a workflow: their statuses, and how long the completed ones took."""

    statuses: Counter[str] = field(default_factory=Counter)
    spans: list[timedelta] = field(default_factory=list)

    @property
    def total(self) -> int:
        """The number of executions read."""
        return sum(self.statuses.values())

    @property
    def counts(self) -> list[tuple[str, int]]:
        """Each status with its count, in the order of ``Status``."""
        return [(str(s.value), self.statuses[s.value]) for s in Status if self.statuses[s.value]]

    @property
    def p50(self) -> timedelta | None:
        """The median duration of the completed executions."""
        return quantile(self.spans, 0.5)

    @property
    def p95(self) -> timedelta | None:
        """The 95th percentile of the durations of the completed executions."""
        return quantile(self.spans, 0.95)


def recent(user: Any, names: Iterable[str], each: int = RECENT) -> dict[str, Recent]:
    """The last executions of each workflow, in one query with one indexed read per workflow."""
    queries = [_last_of(user, name, each) for name in names]
    if not queries:
        return {}
    first, *others = queries
    rows = first.union(*others, all=True).order_by() if others else first
    found: dict[str, Recent] = {}
    for workflow, status, started_at, finished_at in rows:
        one = found.setdefault(workflow, Recent())
        one.statuses[status] += 1
        if status == Status.COMPLETED and started_at is not None:
            one.spans.append(finished_at - started_at)
    return found


def _last_of(user: Any, name: str, each: int) -> Any:
    newest = access.visible(user).filter(workflow=name).order_by("-created_at")
    rows = Execution.objects.filter(pk__in=newest.values("pk")[:each]).order_by()
    return rows.values_list("workflow", "status", "started_at", "finished_at")


def quantile(spans: list[timedelta], share: float) -> timedelta | None:
    """The smallest span that this share of the spans does not exceed (nearest rank)."""
    if not spans:
        return None
    ordered = sorted(spans)
    return ordered[max(0, min(len(ordered) - 1, int(share * len(ordered) + 0.999999) - 1))]
