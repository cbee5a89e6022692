"""Find the steps that a rollback still has to undo: completed in its scope, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any
from uuid import UUID

from django.db.models import BooleanField, Exists, OuterRef, Q, QuerySet, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Concat

from durable.authoring.nodes.tree import Leaf
from durable.authoring.parse import registry
from durable.authoring.workflow import Workflow
from durable.engine.row.undoing import Rollback
from durable.models import Execution, StepRun
from durable.states import ROLLBACK, StepStatus
from durable.storage.transaction import connection

#: types of errors after which an attempt's effects are unknown
UNKNOWN_OUTCOMES = ("StepTimeout", "StepCrashed", "WorkflowTimeout")

PAGE = 50  # step runs that are read at once

#: the columns of step runs that are read; not the data, which may be large
_WANTED = ("execution__kind", "path", "visit", "attempt", "status", "recoveries", "error")

#: the awaited executions below one, however deep; each level is looked up by its parents
_BELOW = """
WITH RECURSIVE below(id, kind) AS (
  SELECT id, kind FROM durable_execution
  WHERE parent_id = %s AND awaited AND parent_visit >= %s AND {within}
  UNION ALL
  SELECT child.id, child.kind FROM below CROSS JOIN {children}
)
"""

_CHILDREN = {
    # OFFSET 0: no estimate of their number may make the planner read the whole table for them
    "postgresql": """LATERAL (
      SELECT id, kind FROM durable_execution
      WHERE parent_id = below.id AND awaited AND substr(parent_path, 1, 1) <> '~' OFFSET 0
    ) AS child""",
    "sqlite": """durable_execution AS child
      WHERE child.parent_id = below.id AND child.awaited
        AND substr(child.parent_path, 1, 1) <> '~'""",
}

_MEMBERS = {
    "postgresql": "durable_steprun.execution_id = ANY(ARRAY({ids}))",  # uses the index, as above
    "sqlite": "durable_steprun.execution_id IN ({ids})",
}


def needed(execution_id: UUID) -> bool:
    """Whether an execution has any step run to undo."""
    return next(to_undo(execution_id, Rollback(None)), None) is not None


def to_undo(execution_id: UUID, why: Rollback) -> Iterator[StepRun]:
    """Step runs in the rollback's scope with a compensation still to run, newest first.

    Step runs of a workflow that this process lacks are included, as they may have one. Step runs
    are read only if a workflow of the tree has a compensation.
    """
    undone = StepRun.objects.filter(
        execution=OuterRef("execution"),
        path=OuterRef("path"),
        visit=OuterRef("visit"),
        compensation=True,
        status=StepStatus.COMPLETED,
    )
    in_scope = Q(visit__gte=why.visit)
    if why.scope:
        in_scope &= Q(path__startswith=f"{why.scope}/")
    runs = StepRun.objects.filter(_in_tree(execution_id, why), compensation=False)
    runs = runs.filter(in_scope | ~Q(execution=execution_id)).only(*_WANTED)
    runs = runs.alias(place=Concat("execution__kind", Value(" "), "path"))
    runs = runs.filter(_compensable(execution_id, why), ~Exists(undone))
    runs = runs.exclude(pk__in=why.failed_runs)
    for run in _in_pages(runs.order_by("-ended_at", "-id").select_related("execution")):
        if run.status == StepStatus.COMPLETED or _is_last_word(run):
            yield run


def _in_pages(runs: QuerySet[StepRun]) -> Iterator[StepRun]:
    """The rows one by one; a page is read only when its first row is needed."""
    for seen in count(0, PAGE):
        page = list(runs[seen : seen + PAGE])
        yield from page
        if len(page) < PAGE:
            return


def _compensable(execution_id: UUID, why: Rollback) -> Q:
    """Select step runs of steps with a compensation, and all of workflows unknown here.

    If there are neither, no row can match, and Django sends no query.
    """
    places: list[str] = []
    always: list[str] = []  # places to undo also after an attempt with unknown outcome
    lacking: list[str] = []
    for kind in _kinds(execution_id, why):
        cls = _class(kind)
        if cls is None:
            lacking.append(kind)
            continue
        for leaf in cls.definition.tree.leaves():
            compensation = leaf.step.compensation
            if compensation is not None:
                places.append(f"{kind} {leaf.path}")
                always += places[-1:] if compensation.always else ()
    unknown = Q(execution__kind__in=lacking)
    return Q(status=StepStatus.COMPLETED) & (Q(place__in=places) | unknown) | Q(
        status=StepStatus.FAILED
    ) & (Q(place__in=always) | unknown)


def children_in(execution_id: UUID, why: Rollback) -> Any:
    """The awaited executions directly below, in the scope; without children of compensations."""
    children = Execution.objects.filter(
        parent=execution_id, awaited=True, parent_visit__gte=why.visit
    )
    if why.scope:
        return children.filter(parent_path__startswith=f"{why.scope}/")
    return children.exclude(parent_path__startswith=ROLLBACK)


def _kinds(execution_id: UUID, why: Rollback) -> list[str]:
    """The kinds of the execution and of all awaited executions below it, in one statement."""
    below, values = _below(execution_id, why)
    sql = f"{below} SELECT kind FROM below UNION SELECT kind FROM durable_execution WHERE id = %s"  # nosec B608
    with connection().cursor() as cursor:
        cursor.execute(sql, values)
        return [kind for (kind,) in cursor.fetchall()]


def _in_tree(execution_id: UUID, why: Rollback) -> RawSQL:
    """Select step runs of the execution and of all awaited executions below it."""
    below, values = _below(execution_id, why)
    ids = f"{below} SELECT id FROM below UNION ALL SELECT %s"  # nosec B608
    return RawSQL(_MEMBERS[connection().vendor].format(ids=ids), values, BooleanField())  # nosec B611


def _below(execution_id: UUID, why: Rollback) -> tuple[str, tuple[Any, ...]]:
    """The CTE ``below`` and its values, with the execution's own id as the last one."""
    vendor = connection().vendor
    pk: Any = execution_id if vendor == "postgresql" else execution_id.hex
    prefix = f"{why.scope}/"
    scope: tuple[Any, ...] = (len(prefix), prefix) if why.scope else ()
    within = "substr(parent_path, 1, %s) = %s" if scope else "substr(parent_path, 1, 1) <> '~'"
    below = _BELOW.format(within=within, children=_CHILDREN[vendor])
    return below, (pk, why.visit, *scope, pk)


def class_of(run: StepRun) -> type[Workflow] | None:
    return _class(run.execution.kind)


def _class(kind: str) -> type[Workflow] | None:
    name, _, version = kind.rpartition("@")
    return registry.get(name, int(version))


def leaf_of(run: StepRun) -> Leaf | None:
    cls = class_of(run)
    node = cls.definition.tree.find(run.path) if cls is not None else None
    return node if isinstance(node, Leaf) else None


def _is_last_word(run: StepRun) -> bool:
    """Whether an attempt with unknown outcome is the last such, with no completed one after it."""
    if not _is_unknown(run):
        return False
    later = StepRun.objects.filter(
        execution=run.execution_id,
        path=run.path,
        visit=run.visit,
        compensation=False,
        attempt__gt=run.attempt,
    )
    return not any(one.status == StepStatus.COMPLETED or _is_unknown(one) for one in later)


def _is_unknown(run: StepRun) -> bool:
    """Whether a worker died in the attempt or its time ran out: its effects are unknown."""
    if run.status != StepStatus.FAILED:
        return False
    return run.recoveries > 0 or (run.error or {}).get("type") in UNKNOWN_OUTCOMES
