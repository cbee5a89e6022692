"""Find the steps that a rollback still has to undo: completed in its scope, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any
from uuid import UUID

from django.db.models import BooleanField, Exists, OuterRef, Q, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Concat

from durable.authoring.nodes.tree import Leaf
from durable.authoring.parse import registry
from durable.authoring.workflow import Workflow
from durable.engine.row.undoing import Rollback, Undoable
from durable.models import Execution, StepRun
from durable.models.given import Among, bound
from durable.states import ROLLBACK, StepStatus
from durable.storage.statement import Statement
from durable.storage.transaction import connection

#: types of errors after which an attempt's effects are unknown
UNKNOWN_OUTCOMES = ("StepTimeout", "StepCrashed", "WorkflowTimeout")

PAGE = 50  # step runs that are read at once

#: the columns of an ``Undoable``
_WANTED = ("pk", "execution_id", "execution__kind", *Undoable._fields[3:])

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


def to_undo(execution_id: UUID, why: Rollback) -> Iterator[Undoable]:
    """Step runs in the rollback's scope with a compensation still to run, newest first.

    Step runs of a workflow that this process lacks are included, as they may have one. Step runs
    are read only if a workflow of the tree has a compensation, a page when its first is needed.
    """
    places, always, lacking = _compensable(execution_id, why)
    if not places and not lacking:
        return
    for seen in count(0, PAGE):
        page = _RUNS(
            **_place(execution_id, why),
            places=places,
            always=always,
            lacking=lacking,
            passed=why.failed_runs,
            limit=PAGE,
            offset=seen,
        )
        for run in map(Undoable._make, page):
            if run.status == StepStatus.COMPLETED or _is_last_word(run):
                yield run
        if len(page) < PAGE:
            return


def _runs(
    pk: Any,
    visit: Any,
    prefix: Any,
    length: Any,
    scoped: bool,
    places: Any,
    always: Any,
    lacking: Any,
    passed: Any,
) -> Any:
    undone = StepRun.objects.filter(
        execution=OuterRef("execution"),
        path=OuterRef("path"),
        visit=OuterRef("visit"),
        compensation=True,
        status=StepStatus.COMPLETED,
    )
    in_scope = Q(visit__gte=visit)
    if scoped:
        in_scope &= Q(path__startswith=prefix)
    unknown = Q(Among("execution__kind", lacking))
    compensable = Q(status=StepStatus.COMPLETED) & (Q(Among("place", places)) | unknown) | Q(
        status=StepStatus.FAILED
    ) & (Q(Among("place", always)) | unknown)
    runs = StepRun.objects.filter(_in_tree(pk, visit, prefix, length, scoped), compensation=False)
    runs = runs.filter(in_scope | ~Q(execution=pk))
    runs = runs.alias(place=Concat("execution__kind", Value(" "), "path"))
    runs = runs.filter(compensable, ~Exists(undone), ~Q(Among("id", passed)))
    return runs.order_by("-ended_at", "-id").values_list(*_WANTED)


_RUNS = Statement(_runs, paged=True, fixed=("scoped",))


def _compensable(execution_id: UUID, why: Rollback) -> tuple[list[str], list[str], list[str]]:
    """The places of steps with a compensation, and the kinds of workflows unknown here.

    The second list has the places to undo also after an attempt with unknown outcome.
    """
    places: list[str] = []
    always: list[str] = []
    lacking: list[str] = []
    for kind in _kinds(execution_id, why):
        cls = class_of(kind)
        if cls is None:
            lacking.append(kind)
            continue
        for leaf in cls.definition.tree.leaves():
            compensation = leaf.step.compensation
            if compensation is not None:
                places.append(f"{kind} {leaf.path}")
                always += places[-1:] if compensation.always else ()
    return places, always, lacking


def _alive(pk: Any, visit: Any, prefix: Any, scoped: bool) -> Any:
    children = Execution.objects.unfinished().filter(
        parent=pk, awaited=True, parent_visit__gte=visit
    )
    if scoped:
        children = children.filter(parent_path__startswith=prefix)
    else:
        children = children.exclude(parent_path__startswith=ROLLBACK)
    return children.order_by().values_list("pk", flat=True)


_ALIVE = Statement(_alive, limited=True, fixed=("scoped",))


def is_alive_below(execution_id: UUID, why: Rollback) -> bool:
    """Whether an awaited execution directly below is unfinished, in the scope.

    Children of compensations don't count.
    """
    return bool(_ALIVE(**_place(execution_id, why), limit=1))


def _place(execution_id: UUID, why: Rollback) -> dict[str, Any]:
    """The execution and the scope of its rollback, as the statements take them."""
    prefix = f"{why.scope}/"
    return {
        "pk": execution_id,
        "visit": why.visit,
        "prefix": prefix,
        "length": len(prefix),
        "scoped": bool(why.scope),
    }


def _kinds(execution_id: UUID, why: Rollback) -> list[str]:
    """The kinds of the execution and of all awaited executions below it, in one statement."""
    below, values = _below(**_place(execution_id, why))
    sql = f"{below} SELECT kind FROM below UNION SELECT kind FROM durable_execution WHERE id = %s"  # nosec B608
    with connection().cursor() as cursor:
        cursor.execute(sql, [bound(value, connection()) for value in values])
        return [kind for (kind,) in cursor.fetchall()]


def _in_tree(pk: Any, visit: Any, prefix: Any, length: Any, scoped: bool) -> RawSQL:
    """Select step runs of the execution and of all awaited executions below it."""
    below, values = _below(pk, visit, prefix, length, scoped)
    ids = f"{below} SELECT id FROM below UNION ALL SELECT %s"  # nosec B608
    return RawSQL(_MEMBERS[connection().vendor].format(ids=ids), values, BooleanField())  # nosec B611


def _below(
    pk: Any, visit: Any, prefix: Any, length: Any, scoped: bool
) -> tuple[str, tuple[Any, ...]]:
    """The CTE ``below`` and its values, with the execution's own id as the last one."""
    scope = (length, prefix) if scoped else ()
    within = "substr(parent_path, 1, %s) = %s" if scoped else "substr(parent_path, 1, 1) <> '~'"
    below = _BELOW.format(within=within, children=_CHILDREN[connection().vendor])
    return below, (pk, visit, *scope, pk)


def class_of(kind: str) -> type[Workflow] | None:
    """The class of this name and version, if this process has it."""
    name, _, version = kind.rpartition("@")
    return registry.get(name, int(version))


def leaf_of(kind: str, path: str) -> Leaf | None:
    """The step at a path of a workflow, if this process has it."""
    cls = class_of(kind)
    node = cls.definition.tree.find(path) if cls is not None else None
    return node if isinstance(node, Leaf) else None


def _is_last_word(run: Undoable) -> bool:
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


def _is_unknown(run: StepRun | Undoable) -> bool:
    """Whether a worker died in the attempt or its time ran out: its effects are unknown."""
    if run.status != StepStatus.FAILED:
        return False
    return run.recoveries > 0 or (run.error or {}).get("type") in UNKNOWN_OUTCOMES
