"""The table of worker processes: their queues, their workflows, their leases."""

from __future__ import annotations

from typing import Any, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from durable import clock
from durable.models.base import EngineManager, EngineQuerySet
from durable.models.fields import MomentField, uuid7


class WorkerQuerySet(EngineQuerySet["Worker"]):
    """Queries for workers."""

    def live(self) -> Self:
        """Workers that have not stopped and whose lease has not expired."""
        return self.filter(stopped_at__isnull=True, expires_at__gt=clock.now())

    def expired(self) -> Self:
        """Workers that have not stopped and whose lease has expired."""
        return self.filter(stopped_at__isnull=True, expires_at__lte=clock.now())

    def kinds(self) -> frozenset[str]:
        """The workflows (name@version) of all live workers."""
        return frozenset(
            kind for kinds in self.live().values_list("kinds", flat=True) for kind in kinds
        )

    def renew(self, worker_id: Any, lease: Any, **changes: Any) -> int:
        """Extend a worker's lease; 0 if it has been declared dead."""
        return self.filter(pk=worker_id, stopped_at__isnull=True).update(
            heartbeat_at=clock.now(), expires_at=clock.now() + lease, **changes
        )


WorkerManager = EngineManager.from_queryset(WorkerQuerySet)


class Worker(models.Model):
    """One worker process; its executions are freed when its lease expires."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=255)  # host:pid
    queues = models.JSONField(default=list)
    kinds = models.JSONField(default=list)
    listening = models.BooleanField(default=False)
    running = models.PositiveIntegerField(default=0)
    started_at = MomentField(editable=False)
    heartbeat_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True, blank=True)

    objects = WorkerManager()

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        base_manager_name = "objects"
        ordering = ("-started_at",)
        indexes = (
            models.Index(
                fields=("expires_at",),
                name="durable_worker_live",
                condition=models.Q(stopped_at__isnull=True),
            ),
        )

    def __str__(self) -> str:
        return self.name
