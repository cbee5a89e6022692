"""The indexes of the execution table: partial where few rows match, as each slows every write."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q

from durable.models.role import Role
from durable.states import Status


class ContainsIndex(models.Index):
    """An index for JSON containment: GIN on PostgreSQL, a plain index elsewhere.

    Django's own ``GinIndex`` would require ``django.contrib.postgres`` to be installed.
    """

    suffix = "gin"

    def create_sql(self, model: Any, schema_editor: Any, using: str = "", **kwargs: Any) -> Any:
        """The statement that creates the index."""
        if schema_editor.connection.vendor == "postgresql":
            using = f" USING {self.suffix}"
        return super().create_sql(model, schema_editor, using=using, **kwargs)


#: executions shown in lists: no branches and items
_LISTED = Q(role__in=(Role.ROOT, Role.CHILD))

INDEXES = (
    models.Index(
        fields=("queue", "rank", "ready_at", "id", "kind"),
        name="durable_exec_claim",
        condition=Q(ready_at__isnull=False),
    ),
    models.Index(fields=("wake_at",), name="durable_exec_wake", condition=Q(wake_at__isnull=False)),
    models.Index(fields=("worker",), name="durable_exec_held", condition=Q(worker__isnull=False)),
    models.Index(fields=("kind",), name="durable_exec_blocked", condition=Q(status=Status.BLOCKED)),
    # lists, the newest first; the columns after the time save a read of the row
    models.Index(
        fields=("-created_at", "-id", "role"), name="durable_exec_newest", condition=_LISTED
    ),
    models.Index(
        fields=("workflow", "-created_at", "-id", "role", "status"),
        name="durable_exec_workflow",
        condition=_LISTED,
    ),
    models.Index(
        fields=("status", "-created_at", "-id", "role"),
        name="durable_exec_status",
        condition=_LISTED,
    ),
    models.Index(
        fields=("queue", "-created_at", "-id", "role"),
        name="durable_exec_queue",
        condition=_LISTED,
    ),
    ContainsIndex(
        fields=("tags",),
        name="durable_exec_tags",
        opclasses=("jsonb_path_ops",),
        condition=~Q(tags={}),
    ),
    # foreign keys that few rows have
    models.Index(fields=("parent",), name="durable_exec_parent", condition=Q(parent__isnull=False)),
    models.Index(
        fields=("rerun_of",),
        name="durable_exec_rerun_of",
        condition=Q(rerun_of__isnull=False),
    ),
    models.Index(fields=("root_id",), name="durable_exec_tree", condition=~Q(role=Role.ROOT)),
    models.Index(
        fields=("parent", "parent_path", "parent_visit"),
        name="durable_exec_live_children",
        condition=Q(parent__isnull=False, finished_at__isnull=True),
    ),
    models.Index(
        fields=("parent", "parent_path", "parent_visit", "index"),
        name="durable_exec_unreleased",
        condition=Q(released=False),
    ),
    models.Index(
        fields=("parent", "parent_path", "parent_visit"),
        name="durable_exec_failed_children",
        condition=Q(parent__isnull=False, status=Status.FAILED),
    ),
    models.Index(fields=("parent",), name="durable_exec_unreported", condition=Q(unreported=True)),
    models.Index(
        fields=("finished_at", "status", "role"),
        name="durable_exec_finished",
        condition=Q(finished_at__isnull=False),
    ),
    models.Index(fields=("id",), name="durable_exec_removed", condition=Q(role=Role.REMOVED)),
    models.Index(
        fields=("subject_type", "subject_id"),
        name="durable_exec_subject",
        condition=~Q(subject_type=""),
    ),
)
