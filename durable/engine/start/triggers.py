"""Start the workflows that a published event triggers when no execution takes it."""

from __future__ import annotations

import logging
from uuid import UUID

from django.db import InterfaceError, OperationalError

from durable.authoring import registry
from durable.authoring.workflow import Workflow
from durable.engine.start.start import StartOptions, start
from durable.models import CorrelationKey, Event

logger = logging.getLogger("durable.triggers")


def start_triggered(event: Event) -> list[UUID]:
    """Start one execution of each workflow that ``event`` triggers, its payload as input.

    Each carries the event's key. The caller holds the mailbox, and notes in the same transaction
    that the event is delivered: so an event starts each of them once. What can't be started (a
    payload that is no dict, a refused input) is logged; an event that starts nothing is kept.
    """
    return [pk for pk in (_start(workflow, event) for workflow in _triggered_by(event.name)) if pk]


def _triggered_by(name: str) -> list[type[Workflow]]:
    """The highest version of each workflow that has a trigger of this name."""
    latest = {cls.definition.name: cls for cls in registry.all()}
    return [
        cls
        for cls in latest.values()
        if any(trigger.name == name for trigger in cls.definition.options.triggers)
    ]


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
        execution = start(workflow, payload, StartOptions(keys=[event.key] if event.key else ()))
    except (OperationalError, InterfaceError):
        raise  # the database, not the event: it stays pending
    except Exception:
        logger.exception("event %s (%s) can't start %s", event.name, event.pk, name)
        return None
    # Whoever starts it has looked into the mailbox already.
    CorrelationKey.objects.filter(execution=execution, key=event.key).update(fresh=False)
    return execution.pk
