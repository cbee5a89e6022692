"""Figures about executions and steps, each from a bounded number of rows however many there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from durable.doors import access
from durable.models import Execution
from durable.states import Status

RECENT = 200  # of each workflow, where many are shown
RECENT_OF_ONE = 1_000


@dataclass(frozen=True)
class Recent:
    """The executions of a workflow that were started last: their statuses, what they took."""

    statuses: Counter[str] = field(default_factory=Counter)
    spans: list[timedelta] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many were looked at."""
        return sum(self.statuses.values())

    @property
    def counts(self) -> list[tuple[str, int]]:
        """Each status with its number, in the order of a life."""
        return [(str(s.value), self.statuses[s.value]) for s in Status if self.statuses[s.value]]

    @property
    def p50(self) -> timedelta | None:
        """Half of the completed ones took no longer."""
        return quantile(self.spans, 0.5)

    @property
    def p95(self) -> timedelta | None:
        """Nineteen of twenty completed ones took no longer."""
        return quantile(self.spans, 0.95)


def recent(user: Any, names: Iterable[str], each: int = RECENT) -> dict[str, Recent]:
    """What was started last of these workflows, in one query that leads each by an index."""
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
    """The span that this share of them does not exceed (the nearest rank)."""
    if not spans:
        return None
    ordered = sorted(spans)
    return ordered[max(0, min(len(ordered) - 1, int(share * len(ordered) + 0.999999) - 1))]
