"""The permissions in a workflow's ``Meta.permissions``, required besides Django's own."""

from __future__ import annotations

from typing import Any

from durable.authoring.parse import registry
from durable.models import Execution, Schedule, Wait


def lets(user: Any, target: Any) -> bool:
    """Whether the target's workflow lets the user act; True for targets without a workflow.

    If this process lacks the code, the permissions are not known: only superusers may act.
    """
    if lacking(target):
        return bool(getattr(user, "is_superuser", False))
    definition = getattr(_code(target), "definition", None)
    return definition is None or bool(user.has_perms(definition.options.permissions))


def lacking(target: Any) -> str:
    """The workflow or version missing from this process, in words; empty if none is missing."""
    target = target.execution if isinstance(target, Wait) else target
    if isinstance(target, Execution):
        return registry.lacks(target.workflow, target.version)
    if isinstance(target, Schedule) and registry.newest(target.workflow) is None:
        return registry.lacks(target.workflow, 0)
    return ""


def _code(target: Any) -> Any:
    """The class behind a target; for a schedule the newest version, which the schedule starts."""
    target = target.execution if isinstance(target, Wait) else target
    if isinstance(target, Execution):
        return registry.get(target.workflow, target.version)
    return registry.newest(target.workflow) if isinstance(target, Schedule) else target
