"""Start an execution for somebody: their policies' tags, the row it is about, a key used before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError as Invalid
from rest_framework.exceptions import ValidationError

from durable.authoring.workflow import Workflow
from durable.doors import access
from durable.engine.limits import FIRST, LAST
from durable.engine.start import StartOptions
from durable.engine.start import start as engine_start
from durable.errors import IdempotencyConflict
from durable.models import Execution


def start(
    user: Any, workflow: type[Workflow], key: str | None, fields: dict[str, Any]
) -> Execution | None:
    """The execution, new or known; ``None`` if another tenant has used the key.

    What the fields are is said by ``requests.Start``. ``IdempotencyConflict`` tells of the
    execution only whom the policies let see it.
    """
    at = fields.get("scheduled_at")
    if at is not None and not FIRST < at < LAST:
        raise ValidationError({"scheduled_at": ["It is not within the calendar."]})
    delay = fields.get("delay")
    options = StartOptions(
        queue=fields.get("queue"),
        priority=fields.get("priority"),
        scheduled_at=at,
        delay=None if delay is None else timedelta(seconds=delay),
        by=user,
        idempotency_key=key,
        keys=fields.get("keys", ()),
        subject=_subject(workflow, fields.get("subject")),
        tags=access.tags_of(user, fields.get("tags", {})),
    )
    try:
        execution = engine_start(workflow, fields.get("input", {}), options)
    except IdempotencyConflict:
        name = workflow.definition.name
        known = Execution.objects.filter(workflow=name, idempotency_key=key)
        if access.in_scope(user, known).exists():
            raise
        return None
    if (
        execution.created
        or access.in_scope(user, Execution.objects.filter(pk=execution.pk)).exists()
    ):
        return execution
    return None


def _subject(workflow: type[Workflow], pk: str | None) -> Any:
    """The row of the model that the workflow names; ``ValidationError`` if there is none."""
    if pk is None:
        return None
    label = workflow.definition.options.subject
    if label is None:
        raise ValidationError({"subject": ["The workflow names no model in Meta.subject."]})
    model: Any = apps.get_model(label)
    try:
        found = model._default_manager.filter(pk=pk).first()
    except (ValueError, TypeError, OverflowError, Invalid):
        found = None
    if found is None:
        raise ValidationError({"subject": [f"There is no {label} with this primary key."]})
    return found
