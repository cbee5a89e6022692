"""Find live executions and schedules that this process's code cannot continue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Count

from durable.authoring.nodes.tree import Catch, Chain
from durable.authoring.parse import registry
from durable.models import Execution, Schedule, StepRun
from durable.states import ROLLBACK, UNFINISHED

__all__ = [
    "Stranded",
    "stranded",
    "stranded_at_a_glance",
    "stranded_schedules",
]

SAMPLES = 3
GLANCE = 2_000  # executions of one status that a page reads

WORKFLOW, VERSION, STEP, COMPENSATION = "workflow", "version", "step", "compensation"


class Place(NamedTuple):
    """The node at which an execution is."""

    workflow: str
    version: int
    path: str


@dataclass(frozen=True)
class Stranded:
    """Unfinished executions of one workflow version at one node that this code lacks."""

    workflow: str
    version: int
    path: str  # the path of their node; empty if the workflow or version is missing
    missing: str  # the missing part of the code: workflow, version, step or compensation
    count: int
    ids: list[UUID]  # some of them

    @property
    def words(self) -> str:
        """The problem in one sentence."""
        kind = f"{self.workflow} version {self.version}"
        if self.missing in (WORKFLOW, VERSION):
            return registry.lacks(self.workflow, self.version)
        if self.missing == COMPENSATION:
            return f"{kind} has no compensation of {self.path!r} any more"
        return f"{kind} has no step at {self.path!r} any more"


def stranded(rows: Any = None) -> list[Stranded]:
    """The executions (all, or ``rows``) that this process's code cannot continue, by place."""
    rows = (Execution.objects.all() if rows is None else rows).unfinished().order_by()
    counted = rows.values_list("workflow", "version", "path").annotate(Count("pk"))
    places = {Place(*place): count for *place, count in counted}

    def some(**where: Any) -> list[UUID]:
        found = rows.filter(**where).order_by("pk").values_list("pk", flat=True)
        return list(found[:SAMPLES])

    return [*_misplaced(places, some), *_undone(rows)]


def stranded_at_a_glance(rows: Any) -> list[Stranded]:
    """The same for the oldest executions in each status, without missing compensations.

    Read by the index of statuses, so that a page can afford it with any number of executions.
    """
    seen: dict[UUID, Place] = {}
    for status in UNFINISHED:
        oldest = rows.filter(status=status).order_by("created_at", "id")[:GLANCE]
        for pk, *place in oldest.values_list("pk", "workflow", "version", "path"):
            seen[pk] = Place(*place)

    def some(**where: Any) -> list[UUID]:
        fits = (pk for pk, place in seen.items() if where.items() <= place._asdict().items())
        return sorted(fits)[:SAMPLES]

    return list(_misplaced(Counter(seen.values()), some))


def _misplaced(places: Mapping[Place, int], some: Callable[..., list[UUID]]) -> Iterator[Stranded]:
    """The places of executions that this code does not have."""
    gone: Counter[tuple[str, int]] = Counter()
    for place, count in sorted(places.items()):
        cls = registry.get(place.workflow, place.version)
        if cls is None:
            gone[place.workflow, place.version] += count
        elif place.path and not place.path.startswith(ROLLBACK):
            node = cls.definition.tree.find(place.path)
            if node is None or isinstance(node, Chain | Catch):
                yield Stranded(*place, STEP, count, some(**place._asdict()))
    for (workflow, version), count in gone.items():
        missing = VERSION if registry.newest(workflow) is not None else WORKFLOW
        ids = some(workflow=workflow, version=version)
        yield Stranded(workflow, version, "", missing, count, ids)


def _undone(rows: Any) -> Iterator[Stranded]:
    """The steps that rollbacks are to undo next and that have no compensation any more."""
    lost: dict[Place, list[UUID]] = {}
    undoing = rows.filter(path__startswith=ROLLBACK).exclude(path=ROLLBACK)
    for pk, workflow, version, path in undoing.values_list("pk", "workflow", "version", "path"):
        if registry.get(workflow, version) is None:
            continue  # ``_misplaced`` reports the missing code
        # the step may be one of a child, which is another workflow
        run = StepRun.objects.select_related("execution").filter(pk=path[len(ROLLBACK) :]).first()
        if run is not None and not _has_compensation(run):
            lost.setdefault(Place(workflow, version, run.path), []).append(pk)
    for place, ids in sorted(lost.items()):
        yield Stranded(*place, COMPENSATION, len(ids), sorted(ids)[:SAMPLES])


def _has_compensation(run: StepRun) -> bool:
    cls = registry.get(run.execution.workflow, run.execution.version)
    node = cls.definition.tree.find(run.path) if cls is not None else None
    return getattr(getattr(node, "step", None), "compensation", None) is not None


def stranded_schedules() -> list[Schedule]:
    """The enabled schedules whose workflow this code does not have."""
    known = {cls.definition.name for cls in registry.all()}
    return list(Schedule.objects.filter(enabled=True).exclude(workflow__in=known).order_by("name"))
