"""The names and values at the top of an execution's page: queue, subject, keys, progress."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.apps import apps
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from durable.dashboard.shared.shown import Shown
from durable.doors import access
from durable.models import CorrelationKey, Execution
from durable.showing.characters import visible


def facts(execution: Execution, user: Any, shown: Shown) -> list[tuple[str, Any]]:
    """Labels with their values; labels without a value are left out."""
    keys = CorrelationKey.objects.filter(execution=execution.pk).order_by("id")
    found: list[tuple[str, Any]] = [
        (_("Queue"), visible(execution.queue)),
        (_("Priority"), execution.priority or ""),
        (_("Subject"), subject(execution, user)),
        (_("Idempotency key"), visible(execution.idempotency_key or "")),
        (
            _("Correlation keys"),
            ", ".join(visible(k) for k in keys.values_list("key", flat=True)[:20]),
        ),
        (_("Progress"), shown.line(execution.progress) if execution.progress is not None else ""),
        (_("Reason of the cancellation"), shown.text(execution.cancel_reason)),
    ]
    return [(label, value) for label, value in found if value not in ("", None)]


def took(execution: Execution) -> timedelta | None:
    """The time from the first start to the end; None if it is unfinished."""
    if execution.finished_at is None or execution.started_at is None:
        return None
    return execution.finished_at - execution.started_at


def subject(execution: Execution, user: Any) -> Any:
    """The subject, linked to its page in the admin if the user may see rows of its model."""
    if not execution.subject_type:
        return ""
    text = f"{visible(execution.subject_type)}:{visible(execution.subject_id)}"
    try:
        model = apps.get_model(execution.subject_type)
        meta = model._meta
        address = reverse(
            f"admin:{meta.app_label}_{meta.model_name}_change", args=[execution.subject_id]
        )
    except (LookupError, ValueError, NoReverseMatch):
        return text
    if not access.sees_rows(user, model):
        return text
    return format_html('<a href="{}">{}</a>', address, text)
