"""Start an execution as a request asks for it: the row that it is about, the time, the key."""

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
    """The execution, new or known; what the fields are is said by ``requests.Start``."""
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
    """The row of the model that the workflow names; ``ValidationError`` if there is none.

    ``AccessDenied`` for who may not see such rows: the answer would tell which there are.
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
