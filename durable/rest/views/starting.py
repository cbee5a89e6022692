"""Start an execution from the fields of a POST: look up its subject, build its options."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError as Invalid
from rest_framework.exceptions import ValidationError

from durable.authoring.values import FIRST, LAST
from durable.authoring.workflow import Workflow
from durable.doors import access, starting
from durable.engine.start.start import StartOptions
from durable.models import Execution


def start_asked(
    user: Any, workflow: type[Workflow], key: str | None, fields: dict[str, Any]
) -> Execution:
    """The new execution, or the one with this key; ``fields`` are those of ``requests.Start``."""
    at = fields.get("scheduled_at")
    if at is not None and not FIRST < at < LAST:
        raise ValidationError({"scheduled_at": ["It is not within the calendar."]})
    delay = fields.get("delay")
    options = StartOptions(
        queue=fields.get("queue"),
        priority=fields.get("priority"),
        scheduled_at=at,
        delay=None if delay is None else timedelta(seconds=delay),
        idempotency_key=key,
        keys=fields.get("keys", ()),
        subject=_subject(user, workflow, fields.get("subject")),
        tags=fields.get("tags", {}),
    )
    return starting.start(user, workflow, fields.get("input", {}), options)


def _subject(user: Any, workflow: type[Workflow], pk: str | None) -> Any:
    """The row with this key, of the workflow's subject model; raises ``ValidationError`` if none.

    Raises ``AccessDenied`` for a user who may not see rows of the model: the answer would tell
    which keys exist.
    """
    if pk is None:
        return None
    label = workflow.definition.options.subject
    if label is None:
        raise ValidationError({"subject": ["The workflow names no model in Meta.subject."]})
    model: Any = apps.get_model(label)
    access.require_sight(user, model)
    try:
        found = model._default_manager.filter(pk=pk).first()
    except (ValueError, TypeError, OverflowError, Invalid):
        found = None
    if found is None:
        raise ValidationError({"subject": [f"There is no {label} with this primary key."]})
    return found
