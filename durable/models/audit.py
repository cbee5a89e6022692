"""The table of audit entries: who changed what, and when; append-only.

Entries survive the deletion of their user.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from durable.models.base import EngineManager, EngineQuerySet, user_key
from durable.models.fields import DataField, MomentField, uuid7


class AuditQuerySet(EngineQuerySet["AuditEntry"]):
    """Queries for audit entries, which can't be changed or deleted."""

    def update(self, **changes: Any) -> int:
        """Refused, except for setting the actor to null when a user is deleted: the name stays."""
        if changes != {"actor": None}:
            raise TypeError("audit entries can't be changed")
        return super().update(**changes)

    def delete(self) -> Any:
        """Refused: audit entries stay."""
        raise TypeError("audit entries can't be deleted")


AuditManager = EngineManager.from_queryset(AuditQuerySet)


class AuditEntry(models.Model):
    """One change by a person or a program, written in the transaction of the change."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    at = MomentField(editable=False)
    actor = user_key()
    actor_name = models.CharField(max_length=255, blank=True, default="")
    action = models.CharField(max_length=50)
    execution_id = models.UUIDField(null=True, blank=True, db_index=True)
    wait_id = models.UUIDField(null=True, blank=True)  # of a question, as names may repeat
    target = models.CharField(max_length=500, blank=True, default="")
    before = DataField(null=True, blank=True)
    after = DataField(null=True, blank=True)
    origin = models.CharField(max_length=200, blank=True, default="")

    objects = AuditManager()

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        base_manager_name = "objects"
        ordering = ("-at", "-id")

    def __str__(self) -> str:
        return f"{self.at} {self.actor_name or '-'} {self.action} {self.target}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert once; an existing entry can't be changed."""
        if not self._state.adding:
            raise TypeError("audit entries can't be changed")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        """Refused: audit entries stay."""
        raise TypeError("audit entries can't be deleted")
