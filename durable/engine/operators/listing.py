"""Select executions by workflow, status, queue, tags and subject, for ``list_executions``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar

from django.db.models import QuerySet

from durable.authoring.parse import registry
from durable.authoring.parse.wording import did_you_mean
from durable.engine.start.start import subject_columns
from durable.errors import DurableError
from durable.models import Execution
from durable.models.execution import ExecutionQuerySet
from durable.states import Status
from durable.storage import sizes

Rows = TypeVar("Rows", bound=QuerySet[Any])


def listed(
    workflow: Any, status: Any, *, queue: Any, tags: Mapping[str, Any] | None, subject: Any
) -> ExecutionQuerySet:
    """Executions and children (not branches and items), newest first; ``None`` means no filter."""
    found: ExecutionQuerySet = Execution.objects.roots().order_by("-created_at", "-id")
    if workflow is not None:
        found = of_workflow(found, workflow)
    if status is not None:
        found = found.filter(status__in=_statuses(status))
    if queue is not None:
        found = found.filter(queue=sizes.text("queue", queue, 100))
    if tags:
        found = found.with_tags(sizes.tags(tags))
    if subject is not None:
        found = found.filter(**subject_columns(subject, None))
    return found


def of_workflow(rows: Rows, workflow: Any) -> Rows:
    """The rows of one workflow, given as a class or a name.

    ``WorkflowNotFound`` if neither this code nor any of ``rows`` has the name; an execution may be
    older than the code.
    """
    if not isinstance(workflow, str):
        return rows.filter(workflow=registry.resolve(workflow).definition.name)
    found = rows.filter(workflow=workflow) if sizes.is_text(workflow, 200) else rows.none()
    if registry.newest(workflow) is None and not found.exists():
        registry.latest(workflow)  # raises, with a list of the known names
    return found


def _statuses(asked: Any) -> Collection[str]:
    """One status or several, checked; ``DurableError`` for an unknown one."""
    one = isinstance(asked, str) or not isinstance(asked, Iterable)
    statuses = [asked] if one else [*asked]
    for status in statuses:
        if not isinstance(status, str) or status not in Status.values:
            hint = did_you_mean(status, Status.values) if isinstance(status, str) else ""
            raise DurableError(
                f"there is no status {status!r}.{hint} They are {', '.join(Status.values)}."
            )
    return statuses
