"""Start, rerun, trigger and schedule for a user: with the policies' consent, tags and keys.

Without a user it is the program itself (a command without ``--by``): not checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from durable import codec
from durable.authoring.calendar.cron import Cron
from durable.authoring.parse import registry
from durable.authoring.workflow import Workflow
from durable.doors import access
from durable.engine.calendar import fire, schedules
from durable.engine.start import rerun as engine_rerun
from durable.engine.start.start import StartOptions, correlation_keys
from durable.engine.start.start import start as engine_start
from durable.errors import IdempotencyConflict
from durable.models import Execution, Schedule
from durable.storage import lookup, sizes


def start(user: Any, workflow: type[Workflow], input: Any, options: StartOptions) -> Execution:
    """The new execution, or the one with this idempotency key, which gets the user's scope.

    Raises ``AccessDenied``. ``IdempotencyConflict`` describes the other execution only to users
    whom the policies let see it; others learn only that the key was used.
    """
    if user is None:
        return engine_start(workflow, input, options)
    access.require(user, "start", workflow)
    _require_place(user, workflow, options)
    options = _theirs(user, options)
    _require_keys(user, workflow, input, options)
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


def rerun(user: Any, execution_id: UUID, from_step: str | None) -> Execution:
    """Run a finished execution anew, with its tags and keys; the user's tags are added."""
    if user is None:
        return engine_rerun.rerun(execution_id, from_step, by=None)
    old = lookup.get(execution_id)
    access.require(user, "rerun", old)
    access.require_consent(user, "start", registry.get(old.workflow, old.version))
    for key in old.keys.values_list("key", flat=True):
        access.require_key(user, key)
    return engine_rerun.rerun(old.pk, from_step, by=user, tags=access.tags_of(user, {}))


def trigger(user: Any, row: Schedule) -> Execution:
    """Start an execution of a schedule now, with the schedule's tags; the user's tags are added."""
    if user is None:
        return fire.trigger(row.name, by=None)
    access.require(user, "manage_schedules", row)
    scope = row.scope or access.scope_of(user)
    _require_scheduled(user, row.workflow, row.input, scope)
    return fire.trigger(row.name, by=user, tags=access.tags_of(user, {}), scope=scope)


def schedule(user: Any, row: Schedule, cron: Cron) -> Schedule:
    """Create or change the schedule ``row``; a new one gets the user's tags and scope."""
    if row._state.adding:
        row.tags, row.scope = access.tags_of(user, {}), access.scope_of(user)
    access.require(user, "manage_schedules", row)
    _require_scheduled(user, row.workflow, cron.input, row.scope)
    return schedules.schedule(row.workflow, cron, by=user, tags=row.tags, scope=row.scope)


def _require_place(user: Any, workflow: type[Workflow], options: StartOptions) -> None:
    """For another queue or priority than the workflow's own, require ``manage_queues``.

    Users who may limit and pause a queue may also decide which execution goes first in it.
    """
    planned = workflow.definition.options
    queue = planned.queue if options.queue is None else options.queue
    if queue != planned.queue or options.priority not in (None, planned.priority):
        access.require(user, "manage_queues", queue)


def _theirs(user: Any, options: StartOptions) -> StartOptions:
    """The options with the user's tags, and with the user's scope before the idempotency key."""
    scope, once = access.scope_of(user), options.idempotency_key
    if once is not None:
        once = sizes.scoped(scope, sizes.text("idempotency_key", once))
    tags = access.tags_of(user, options.tags)
    return replace(options, by=user, tags=tags, scope=scope, idempotency_key=once)


def _require_scheduled(user: Any, workflow: str, input: Any, scope: str) -> None:
    """Raise ``AccessDenied`` unless the user may start the schedule's workflow under its keys."""
    cls = registry.newest(workflow)
    if cls is not None:
        access.require_consent(user, "start", cls)
        _require_keys(user, cls, input, StartOptions(scope=scope))


def _require_keys(
    user: Any, workflow: type[Workflow], input: Mapping[str, Any] | None, options: StartOptions
) -> None:
    """Raise ``AccessDenied`` unless the user may use each key that the execution will have."""
    if not access.policies():
        return
    data = codec.dump_data({} if input is None else input, path="input")
    for key in correlation_keys(workflow.definition, data, options):
        access.require_key(user, key)


def _used() -> IdempotencyConflict:
    return IdempotencyConflict("this idempotency key was used before")
