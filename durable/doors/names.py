"""The names of workflows and queues that a user may know, for choices and look-ups."""

from __future__ import annotations

from typing import Any

from durable import conf
from durable.authoring.parse import registry
from durable.authoring.workflow import Workflow
from durable.doors import access
from durable.engine.operators.distinct import distinct
from durable.errors import WorkflowNotFound
from durable.models import Execution


def workflows(user: Any) -> list[str]:
    """Workflows of this code that the user may know, and workflows of executions in reach."""
    code = {cls.definition.name for cls in registry.all() if knows(user, cls)}
    return sorted(code | set(_in_use(user, "workflow")))


def queues(user: Any) -> list[str]:
    """Queues of the settings that the policies let the user see, and of executions in reach."""
    planned = {name for name in conf.queues() if access.agrees(user, "view_queues", name)}
    return sorted(planned | set(_in_use(user, "queue")))


def knows(user: Any, workflow: type[Workflow]) -> bool:
    """Whether the policies let the user start the workflow, or see an execution of it."""
    if access.agrees(user, "start", workflow):
        return True
    return _reaches(user, workflow=workflow.definition.name)


def resolve(user: Any, name: str, version: int | None = None) -> type[Workflow]:
    """The workflow of this name; raises ``WorkflowNotFound``, which names no hidden workflow.

    Without a user it is the program itself, which may know every workflow.
    """
    if user is None or not access.policies():
        return registry.resolve(name, version)
    known = registry.newest(name)
    if known is None or not knows(user, known):
        raise WorkflowNotFound(f"There is no workflow {name!r}.")
    return registry.resolve(name, version)


def _in_use(user: Any, column: str) -> list[str]:
    found = distinct(column)
    return [one for one in found if _reaches(user, **{column: one})] if access.policies() else found


def _reaches(user: Any, **named: str) -> bool:
    rows = Execution.objects.there().filter(**named).order_by()
    return access.in_scope(user, rows).exists()
