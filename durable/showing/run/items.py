"""Count the items of a run's foreachs by node and status: there may be any number of items."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import Count, Q

from durable.authoring.nodes.tree import Foreach, Node, Repeat, walk
from durable.models import PARTS, Execution, Role, StepRun
from durable.states import FINAL, ROLLBACK, StepStatus


@dataclass
class Crowd:
    """Items, and executions below them, as counts by path."""

    parts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    begun: Counter[str] = field(default_factory=Counter)  # items by block
    at: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    completed: Counter[str] = field(default_factory=Counter)
    undone: Counter[str] = field(default_factory=Counter)
    touched: set[str] = field(default_factory=set)
    opened: dict[UUID, set[str]] = field(default_factory=lambda: defaultdict(set))

    def over(self, block: str) -> bool:
        """Whether all items of a foreach have ended."""
        return all(status in FINAL for status in self.parts[block])


def read(parents: Collection[UUID], blocks: Collection[Foreach]) -> Crowd:
    """The items of the last visits of ``blocks`` by these executions, and executions below.

    One level of executions after the other, as deep as the flow nests its blocks.
    """
    crowd, depth = Crowd(), max(map(_levels, blocks), default=0)
    loops = any(isinstance(node, Repeat) for block in blocks for node in walk(block))
    items = Execution.objects.filter(parent__in=parents, role=Role.ITEM)
    groups = list(
        items.order_by()
        .values_list("parent_id", "parent_path", "parent_visit", "role", "status", "path")
        .annotate(n=Count("pk"), begun=Count("started_at"))
    )
    last: dict[tuple[UUID, str], int] = {}
    for parent, block, visit, *_ in groups:
        last[parent, block] = max(last.get((parent, block), 0), visit)
        crowd.opened[parent].add(block)
    _count(crowd, (row[1:2] + row[3:] for row in groups if last[row[0], row[1]] == row[2]))
    level = items.filter(_any_of(last))
    for below in range(depth if last else 0):
        _count_runs(crowd, level, loops)
        if below + 1 < depth:
            level = Execution.objects.filter(parent__in=level.values("pk"), role__in=PARTS)
            found = level.order_by().values_list("parent_path", "role", "status", "path")
            _count(crowd, found.annotate(n=Count("pk"), begun=Count("started_at")))
    crowd.touched = set(prefixes([*crowd.at, *crowd.completed, *crowd.begun]))
    return crowd


def prefixes(paths: Iterable[str]) -> Iterator[str]:
    """Each path, and the paths of the blocks around it."""
    for path in paths:
        while path:
            yield path
            path = path.rpartition("/")[0]


def _any_of(visits: dict[tuple[UUID, str], int]) -> Q:
    found = Q(pk__in=[])
    for (parent, block), visit in visits.items():
        found |= Q(parent=parent, parent_path=block, parent_visit=visit)
    return found


def _count(crowd: Crowd, groups: Iterable[tuple[Any, ...]]) -> None:
    for block, role, status, path, number, begun in groups:
        if role == Role.ITEM:
            crowd.parts[block][status] += number
            crowd.begun[block] += begun
        if begun and path and not path.startswith(ROLLBACK):
            crowd.at[path][status] += begun


def _count_runs(crowd: Crowd, level: Any, loops: bool) -> None:
    """Count the executions that completed each step; distinct only where a loop may repeat it."""
    runs = StepRun.objects.filter(
        execution__in=level.values("pk"), status=StepStatus.COMPLETED
    ).order_by()
    for path, undone, number in runs.values_list("path", "compensation").annotate(
        n=Count("execution", distinct=loops)
    ):
        (crowd.undone if undone else crowd.completed)[path] += number


def _levels(node: Node) -> int:
    """How many levels of executions the blocks of a node can nest."""
    inside = max(map(_levels, node.children()), default=0)
    return inside + node.has_parts
