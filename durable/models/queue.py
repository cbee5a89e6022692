"""The table of queues with operators' settings, and the query for a queue's free room."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from durable.models.base import EngineManager, EngineQuerySet
from durable.models.execution import Execution


class QueueQuerySet(EngineQuerySet["Queue"]):
    """Queries for operators' queue settings."""

    def room(self, name: str, wanted: int) -> int:
        """How many of ``wanted`` executions may be claimed from a queue now.

        With an operator's limit, claims of the queue are serialized by a lock: two that count at
        the same time would exceed the limit together.
        """
        row = self.filter(name=name).first()
        if row is None:
            return wanted
        if row.concurrency is not None:
            row = self.select_for_update(no_key=True, of=("self",)).get(pk=name)
        if row.paused:
            return 0
        if row.concurrency is None:
            return wanted
        running = Execution.objects.filter(queue=name, worker__isnull=False).count()
        return max(0, min(wanted, row.concurrency - running))


QueueManager = EngineManager.from_queryset(QueueQuerySet)


class Queue(models.Model):
    """A queue with operators' settings; a queue without a row runs as configured."""

    name = models.CharField(max_length=100, primary_key=True)
    paused = models.BooleanField(default=False)
    concurrency = models.PositiveIntegerField(null=True, blank=True)  # over all workers

    objects = QueueManager()

    class Meta:
        verbose_name = _("queue")
        verbose_name_plural = _("queues")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
