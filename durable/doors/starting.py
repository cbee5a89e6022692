"""Start an execution for somebody: with their policies' tags; of others' keys nothing is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from durable.authoring.workflow import Workflow
from durable.doors import access
from durable.engine.start.start import StartOptions
from durable.engine.start.start import start as engine_start
from durable.errors import IdempotencyConflict
from durable.models import Execution


def start(user: Any, workflow: type[Workflow], input: Any, options: StartOptions) -> Execution:
    """The execution, new or known by its key; permissions are checked before.

    ``IdempotencyConflict`` tells of the execution only whom the policies let see it; for others a
    key that was used is just that.
    """
    options = replace(options, by=user, tags=access.tags_of(user, options.tags))
    try:
        execution = engine_start(workflow, input, options)
    except IdempotencyConflict:
        name = workflow.definition.name
        known = Execution.objects.filter(workflow=name, idempotency_key=options.idempotency_key)
        if access.in_scope(user, known).exists():
            raise
        raise _used() from None
    known = Execution.objects.filter(pk=execution.pk)
    if execution.created or access.in_scope(user, known).exists():
        return execution
    raise _used()


def _used() -> IdempotencyConflict:
    return IdempotencyConflict("this idempotency key was used before")
