"""The entries of the audit trail, ready to be shown."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from durable.dashboard.shared.shown import Shown
from durable.doors import access
from durable.models import AuditEntry, Execution
from durable.showing.characters import visible

SHOWN_ENTRIES = 50


def entries(execution: Execution, shown: Shown, user: Any) -> list[dict[str, Any]]:
    """The execution's entries, the newest first; none for users who may not see the audit trail."""
    if not access.may(user, "view_audit", execution):
        return []
    rows = AuditEntry.objects.filter(execution_id=execution.pk).order_by("-id")[:SHOWN_ENTRIES]
    return [entry(row, shown) for row in rows]


def entry(row: AuditEntry, shown: Shown) -> dict[str, Any]:
    """One entry, ready to be shown."""
    return {
        "row": row,
        "actor": visible(row.actor_name) or _("the program"),
        "action": visible(row.action.replace("_", " ")),
        "target": visible(row.target),
        "origin": visible(row.origin),
        "before": ""
        if row.before is None
        else shown.line(shown_change(row, row.before, shown), 300),
        "after": "" if row.after is None else shown.line(shown_change(row, row.after, shown), 300),
    }


def shown_change(row: AuditEntry, value: Any, shown: Shown) -> Any:
    """A value before or after the change, masked."""
    return shown.masking.change(row.action, row.target, value)
