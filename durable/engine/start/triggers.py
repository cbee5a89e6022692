"""Start the workflows that a published event triggers, if no execution receives the event."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError

from durable import codec
from durable.authoring.parse import registry
from durable.authoring.workflow import Workflow
from durable.engine.start.start import StartOptions, correlation_keys, start
from durable.errors import DurableError
from durable.models import CorrelationKey, Event
from durable.states import UNFINISHED

logger = logging.getLogger("durable.triggers")


def start_triggered(event: Event) -> list[UUID]:
    """Start one execution of each workflow that ``event`` triggers, with its payload as input.

    Each execution carries the event's key. The caller holds the mailbox, and marks the event as
    delivered in the same transaction, so each workflow starts once. A refused start (a payload
    that is no dict, a refused input) is logged; an event that starts nothing is kept.
    """
    return [pk for pk in (_start(workflow, event) for workflow in triggered_by(event.name)) if pk]


def refuse_unstartable(name: str, payload: Any, key: str) -> None:
    """Raise ``DurableError`` if an event has triggers but would start no workflow.

    Only if no triggered workflow can take the payload, and no unfinished execution carries the key.
    No lock is held: a change before the event is delivered is logged then, not raised.
    """
    refusals = [(cls.definition.name, _refusal(cls, payload)) for cls in triggered_by(name)]
    first = next((refusal for _, refusal in refusals), None)
    if first is None or any(refusal is None for _, refusal in refusals):
        return
    if key and CorrelationKey.objects.filter(key=key, execution__status__in=UNFINISHED).exists():
        return
    workflows = ", ".join(workflow for workflow, _ in refusals)
    raise DurableError(
        f"the event {name!r} would start {workflows}, but its payload can't be the input: {first}"
    ) from first


def _refusal(workflow: type[Workflow], payload: Any) -> DurableError | None:
    """The error with which ``start`` would refuse this input; ``None`` if it would not."""
    try:
        data = codec.dump_data({} if payload is None else payload, path="payload")
        correlation_keys(workflow.definition, data, StartOptions())
    except DurableError as error:
        return error
    return None


def triggered_by(name: str) -> list[type[Workflow]]:
    """The highest version of each workflow with a trigger of this name."""
    latest = {cls.definition.name: cls for cls in registry.all()}
    return [
        cls
        for cls in latest.values()
        if any(trigger.name == name for trigger in cls.definition.options.triggers)
    ]


def _options(event: Event) -> StartOptions:
    """The options of a triggered start: the event's key, and its publisher's tags and scope."""
    carried = [event.key] if event.key else ()
    return StartOptions(carried=carried, tags=event.tags, scope=event.scope)


def _start(workflow: type[Workflow], event: Event) -> UUID | None:
    name, payload = workflow.definition.name, event.payload
    if payload is not None and not isinstance(payload, dict):
        logger.warning(
            "event %s (%s) can't start %s: its payload is a %s, the input of a workflow is a dict",
            event.name,
            event.pk,
            name,
            type(payload).__name__,
        )
        return None
    try:
        execution = start(workflow, payload, _options(event))
    except (OperationalError, InterfaceError):
        raise  # the database, not the event: it stays pending
    except Exception:
        logger.exception("event %s (%s) can't start %s", event.name, event.pk, name)
        return None
    # Not fresh: the caller has looked into the mailbox already.
    CorrelationKey.objects.filter(execution=execution, key=event.key).update(fresh=False)
    return execution.pk
