"""Which live executions and schedules the code of this process could not go on with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count

from durable.authoring import registry
from durable.authoring.tree import Catch, Chain
from durable.models import Execution, Schedule, StepRun
from durable.states import ROLLBACK

__all__ = [
    "Stranded",
    "stranded",
    "stranded_schedules",
]

SAMPLES = 3

WORKFLOW, VERSION, STEP, COMPENSATION = "workflow", "version", "step", "compensation"


@dataclass(frozen=True)
class Stranded:
    """Unfinished executions of one kind, at one place, that this code has no place for."""

    workflow: str
    version: int
    path: str  # where they stand; empty if it does not matter
    missing: str  # what this code lacks: the workflow, the version, the step, the compensation
    count: int
    ids: list[UUID]  # some of them

    @property
    def words(self) -> str:
        """What is wrong, in one sentence."""
        kind = f"{self.workflow} version {self.version}"
        if self.missing == WORKFLOW:
            return f"there is no workflow {self.workflow!r} in this code"
        if self.missing == VERSION:
            versions = [
                cls.definition.version
                for cls in registry.all()
                if cls.definition.name == self.workflow
            ]
            return f"{kind} is gone; this code has {', '.join(map(str, versions))}"
        if self.missing == COMPENSATION:
            return f"{kind} has no compensation of {self.path!r} any more"
        return f"{kind} has no step at {self.path!r} any more"


def stranded() -> list[Stranded]:
    """What the code of this process could not go on with."""
    rows = Execution.objects.unfinished().order_by()
    kinds = rows.values_list("workflow", "version").annotate(Count("pk"))
    found: list[Stranded] = []
    for workflow, version, count in sorted(kinds):
        here = rows.filter(workflow=workflow, version=version)
        cls = registry.get(workflow, version)
        if cls is None:
            known = any(other.definition.name == workflow for other in registry.all())
            missing = VERSION if known else WORKFLOW
            found.append(Stranded(workflow, version, "", missing, count, _some(here)))
            continue
        found += _places(workflow, version, here, cls.definition.tree)
    return found


def _places(workflow: str, version: int, rows: Any, tree: Any) -> Iterator[Stranded]:
    """The places in one flow where executions stand and the flow has nothing."""
    forward = rows.exclude(path="").exclude(path__startswith=ROLLBACK)
    for path, count in sorted(forward.values_list("path").annotate(Count("pk"))):
        node = tree.find(path)
        if node is None or isinstance(node, Chain | Catch):
            some = _some(forward.filter(path=path))
            yield Stranded(workflow, version, path, STEP, count, some)
    lost: dict[str, list[UUID]] = {}
    undoing = rows.filter(path__startswith=ROLLBACK).exclude(path=ROLLBACK)
    for pk, path in undoing.values_list("pk", "path"):
        # the step that is undone may be that of a child, which is another workflow
        run = StepRun.objects.select_related("execution").filter(pk=path[len(ROLLBACK) :]).first()
        if run is not None and not _has_compensation(run):
            lost.setdefault(run.path, []).append(pk)
    for path, ids in sorted(lost.items()):
        yield Stranded(workflow, version, path, COMPENSATION, len(ids), sorted(ids)[:SAMPLES])


def _has_compensation(run: StepRun) -> bool:
    cls = registry.get(run.execution.workflow, run.execution.version)
    node = cls.definition.tree.find(run.path) if cls is not None else None
    return getattr(getattr(node, "step", None), "compensation", None) is not None


def _some(rows: Any) -> list[UUID]:
    return list(rows.order_by("pk").values_list("pk", flat=True)[:SAMPLES])


def stranded_schedules() -> list[Schedule]:
    """The enabled schedules whose workflow this code does not have."""
    known = {cls.definition.name for cls in registry.all()}
    return list(Schedule.objects.filter(enabled=True).exclude(workflow__in=known).order_by("name"))
