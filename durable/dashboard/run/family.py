"""The relatives of an execution: its branches and items, children, parents and reruns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, Q

from durable.doors import access
from durable.models import PARTS, Execution, Role

LISTED = 20
SHOWN = 50
HEAVY = ("input", "data", "base", "outcome", "frames", "progress")


@dataclass(frozen=True)
class Parts:
    """The branches and items of an execution: counts by status, failed ones, one page of rows."""

    counts: list[tuple[str, int]]
    failed: list[Execution]
    rows: list[Execution]
    page: int
    more: bool

    @property
    def total(self) -> int:
        """The number of branches and items."""
        return sum(count for _status, count in self.counts)

    @property
    def previous(self) -> int:
        """The number of the previous page."""
        return self.page - 1

    @property
    def next(self) -> int:
        """The number of the next page."""
        return self.page + 1


def parts_of(execution: Execution, wanted: Any) -> Parts | None:
    """One page of the branches and items, in their order; ``None`` if there are none."""
    below = Execution.objects.filter(parent=execution.pk, role__in=PARTS)
    counts = below.order_by("status").values_list("status").annotate(Count("pk"))
    found = [(str(status), int(count)) for status, count in counts]
    if not found:
        return None
    light = below.defer(*HEAVY)
    page = max(1, int(wanted)) if str(wanted).isdecimal() and len(str(wanted)) < 6 else 1
    ordered = light.defer("error", *HEAVY).order_by(
        "parent_path", "parent_visit", "branch", "index"
    )
    begin = (page - 1) * SHOWN
    rows = list(ordered[begin : begin + SHOWN + 1])
    has_failed = any(status == "failed" for status, _count in found)
    failed = list(light.filter(status="failed").order_by()[:LISTED]) if has_failed else []
    return Parts(found, failed, rows[:SHOWN], page, len(rows) > SHOWN)


def started_by(pk: UUID) -> Q:
    """All children of an execution, also of its branches and items."""
    family = Execution.objects.trees([pk])
    return Q(role=Role.CHILD, parent__in=family.order_by().values("pk"))


def children_of(user: Any, execution: Execution) -> tuple[list[Execution], bool]:
    """The newest children that this user may see; and whether there are more."""
    rows = Execution.objects.filter(started_by(execution.pk))
    seen = access.visible(user, rows).defer("error", *HEAVY).order_by("-created_at", "-id")
    found = list(seen[: LISTED + 1])
    return found[:LISTED], len(found) > LISTED


def reruns_of(user: Any, execution: Execution) -> list[Execution]:
    """The reruns of this execution that the user may see, the newest first."""
    rows = access.visible(user, Execution.objects.filter(rerun_of=execution.pk))
    return list(rows.defer("error", *HEAVY).order_by("-created_at")[:LISTED])


def ancestors_of(user: Any, execution: Execution) -> list[Execution]:
    """The parents up to the first one that this user may not see, the outermost first."""
    chain: list[Execution] = []
    parent_id = execution.parent_id
    while parent_id is not None and len(chain) < LISTED:
        parent = Execution.objects.defer("error", *HEAVY).filter(pk=parent_id).first()
        if parent is None:
            break
        known = Execution.objects.filter(pk=parent.root_id)
        if not access.visible(user, known).exists():
            break
        chain.insert(0, parent)
        parent_id = parent.parent_id
    return chain
