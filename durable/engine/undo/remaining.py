"""Which steps a rollback still has to undo: those completed in its scope, newest first."""

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

#: errors after which nobody knows what an attempt has done
UNKNOWN_OUTCOMES = ("StepTimeout", "StepCrashed", "WorkflowTimeout")

PAGE = 50  # step runs that are read at once

#: their columns that are read: data may be large
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
    "postgresql": "durable_steprun.execution_id = ANY(ARRAY({ids}))",  # by the index, for as above
    "sqlite": "durable_steprun.execution_id IN ({ids})",
}


def needed(execution_id: UUID) -> bool:
    """Whether an execution has done anything that is to be undone."""
    return next(to_undo(execution_id, Rollback(None)), None) is not None


def to_undo(execution_id: UUID, why: Rollback) -> Iterator[StepRun]:
    """Step runs in the scope that have a compensation and are not undone, newest first.

    Those of a workflow that this process lacks are among them: it can't know. Step runs are read
    only if a workflow of the tree has a compensation.
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
    """One after the other, without reading more pages than are asked for."""
    for seen in count(0, PAGE):
        page = list(runs[seen : seen + PAGE])
        yield from page
        if len(page) < PAGE:
            return


def _compensable(execution_id: UUID, why: Rollback) -> Q:
    """Step runs that may have to be undone: of steps with a compensation, or of unknown code.

    If no workflow of the tree has any, no row fits, and Django asks no database for that.
    """
    places: list[str] = []
    always: list[str] = []  # also after an attempt whose outcome nobody knows
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
    """The awaited executions directly below, in the scope; not those of compensations."""
    children = Execution.objects.filter(
        parent=execution_id, awaited=True, parent_visit__gte=why.visit
    )
    if why.scope:
        return children.filter(parent_path__startswith=f"{why.scope}/")
    return children.exclude(parent_path__startswith=ROLLBACK)


def _kinds(execution_id: UUID, why: Rollback) -> list[str]:
    """The kinds of the execution and of all awaited ones below, in one statement."""
    below, values = _below(execution_id, why)
    sql = f"{below} SELECT kind FROM below UNION SELECT kind FROM durable_execution WHERE id = %s"  # nosec B608
    with connection().cursor() as cursor:
        cursor.execute(sql, values)
        return [kind for (kind,) in cursor.fetchall()]


def _in_tree(execution_id: UUID, why: Rollback) -> RawSQL:
    """Whether a step run is of the execution or of an awaited one below, however deep."""
    below, values = _below(execution_id, why)
    ids = f"{below} SELECT id FROM below UNION ALL SELECT %s"  # nosec B608
    return RawSQL(_MEMBERS[connection().vendor].format(ids=ids), values, BooleanField())  # nosec B611


def _below(execution_id: UUID, why: Rollback) -> tuple[str, tuple[Any, ...]]:
    """The table ``below``, and the values for it and for the execution's own id behind it."""
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
    """An attempt whose outcome nobody knows, the last of its kind, that none has made good."""
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
    """Whether a worker has died in the attempt, or its time was over."""
    if run.status != StepStatus.FAILED:
        return False
    return run.recoveries > 0 or (run.error or {}).get("type") in UNKNOWN_OUTCOMES
