"""Which steps a rollback still has to undo: those completed in its scope, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL

from durable.authoring import registry
from durable.authoring.tree import Leaf
from durable.authoring.workflow import Workflow
from durable.engine.row.undoing import Rollback
from durable.models import Execution, StepRun
from durable.states import ROLLBACK, StepStatus
from durable.storage.transaction import connection

#: errors after which nobody knows what an attempt has done
UNKNOWN_OUTCOMES = ("StepTimeout", "StepCrashed", "WorkflowTimeout")

PAGE = 20  # step runs that are read at once

_TREE = """
WITH RECURSIVE below(id) AS (
  SELECT id FROM durable_execution
  WHERE parent_id = %s AND awaited AND parent_visit >= %s AND {within}
  UNION ALL
  SELECT child.id FROM durable_execution AS child JOIN below ON child.parent_id = below.id
  WHERE child.awaited AND substr(child.parent_path, 1, 1) <> '~'
)
SELECT id FROM below UNION ALL SELECT %s
"""


def needed(execution_id: UUID) -> bool:
    """Whether an execution has done anything that is to be undone."""
    return next(to_undo(execution_id, Rollback(None)), None) is not None


def to_undo(execution_id: UUID, why: Rollback) -> Iterator[StepRun]:
    """Step runs in the scope that have a compensation and are not undone, newest first.

    Those of a workflow that this process lacks are among them: it can't know. Step runs are read
    only if a workflow of the tree has a compensation.
    """
    kinds, paths = _compensable(execution_id, why)
    if not kinds:
        return
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
    runs = StepRun.objects.filter(execution__in=_tree(execution_id, why), compensation=False)
    runs = runs.filter(in_scope | ~Q(execution=execution_id))
    runs = runs.filter(~Exists(undone), status__in=(StepStatus.COMPLETED, StepStatus.FAILED))
    runs = runs.filter(execution__kind__in=kinds).exclude(pk__in=why.failed_runs)
    if paths is not None:
        runs = runs.filter(path__in=paths)
    for run in _in_pages(runs.order_by("-ended_at", "-id").select_related("execution")):
        leaf = leaf_of(run)
        always = class_of(run) is None
        if leaf is not None and leaf.step.compensation is not None:
            always = leaf.step.compensation.always
        elif not always:
            continue
        if run.status == StepStatus.COMPLETED or (always and _is_last_word(run)):
            yield run


def _in_pages(runs: QuerySet[StepRun]) -> Iterator[StepRun]:
    """One after the other; the first is most often the one that is wanted."""
    seen = 0
    while page := list(runs[seen : seen + PAGE]):
        yield from page
        seen += len(page)


def _compensable(execution_id: UUID, why: Rollback) -> tuple[list[str], set[str] | None]:
    """The kinds in the tree that have compensations, and the paths of the steps that have them.

    A kind that this process lacks may have some anywhere: the paths are ``None`` then.
    """
    kinds, paths, lacking = [], set(), False
    rows = Execution.objects.filter(pk__in=_tree(execution_id, why)).order_by()
    for kind in rows.values_list("kind", flat=True).distinct():
        name, _, version = kind.rpartition("@")
        cls = registry.get(name, int(version))
        lacking |= cls is None
        leaves = cls.definition.tree.leaves() if cls is not None else ()
        own = {leaf.path for leaf in leaves if leaf.step.compensation is not None}
        if own or cls is None:
            kinds.append(kind)
            paths |= own
    return kinds, None if lacking else paths


def children_in(execution_id: UUID, why: Rollback) -> Any:
    """The awaited executions directly below, in the scope; not those of compensations."""
    children = Execution.objects.filter(
        parent=execution_id, awaited=True, parent_visit__gte=why.visit
    )
    if why.scope:
        return children.filter(parent_path__startswith=f"{why.scope}/")
    return children.exclude(parent_path__startswith=ROLLBACK)


def _tree(execution_id: UUID, why: Rollback) -> RawSQL:
    """The ids of the execution and of the awaited ones below, however deep, in one statement."""
    pk: Any = execution_id if connection().vendor == "postgresql" else execution_id.hex
    prefix = f"{why.scope}/"
    scope: tuple[Any, ...] = (len(prefix), prefix) if why.scope else ()
    within = "substr(parent_path, 1, %s) = %s" if scope else "substr(parent_path, 1, 1) <> '~'"
    return RawSQL(_TREE.format(within=within), (pk, why.visit, *scope, pk))


def class_of(run: StepRun) -> type[Workflow] | None:
    return registry.get(run.execution.workflow, run.execution.version)


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
