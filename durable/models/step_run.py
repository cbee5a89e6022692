"""The table of attempts of steps and compensations: input, output, error, logs, times."""

from __future__ import annotations

from typing import Any, Self
from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from durable.models.base import EngineManager, EngineQuerySet
from durable.models.fields import DataField, uuid7
from durable.states import StepStatus


class StepRunQuerySet(EngineQuerySet["StepRun"]):
    """Queries for attempts."""

    def completed(self) -> Self:
        """Attempts whose checkpoint was accepted."""
        return self.filter(status=StepStatus.COMPLETED)

    def parked(self, *executions: UUID) -> Self:
        """Attempts of these executions that are parked in a wait."""
        return self.filter(execution__in=executions, status=StepStatus.WAITING)

    def close(self, status: StepStatus, **changes: Any) -> int:
        """End attempts that are parked in a wait."""
        return self.filter(status=StepStatus.WAITING).update(status=status, **changes)


StepRunManager = EngineManager.from_queryset(StepRunQuerySet)


class StepRun(models.Model):
    """An attempt, written when it parks or ends; a running one is on the execution's row only."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    execution = models.ForeignKey(
        "durable.Execution",
        models.CASCADE,
        related_name="steps_and_compensations",
        db_index=False,  # durable_step_once begins with it
    )
    path = models.CharField(max_length=1000)
    visit = models.PositiveIntegerField(default=1)
    attempt = models.PositiveIntegerField(default=1)
    compensation = models.BooleanField(default=False)
    status = models.CharField(max_length=20, choices=StepStatus.choices)
    input = DataField(null=True, blank=True)
    output = DataField(null=True, blank=True)
    error = DataField(null=True, blank=True)
    logs = models.TextField(blank=True, default="")  # JSON lines, so that a later visit appends
    recoveries = models.PositiveIntegerField(default=0)  # workers that died in this attempt
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    worker = models.UUIDField(null=True, blank=True)

    objects = StepRunManager()

    class Meta:
        verbose_name = _("step run")
        verbose_name_plural = _("step runs")
        base_manager_name = "objects"
        ordering = ("started_at", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("execution", "path", "visit", "attempt", "compensation"),
                name="durable_step_once",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=list(StepStatus)), name="durable_step_status_known"
            ),
        )

    def __str__(self) -> str:
        return f"{self.path} #{self.attempt}: {self.status}"

    @property
    def name(self) -> str:
        """The step's name: the last part of its path."""
        return self.path.rpartition("/")[2]

    @property
    def log_records(self) -> list[dict[str, Any]]:
        """The captured log records: ``{"at", "level", "logger", "message"}``."""
        import json

        return [json.loads(line) for line in self.logs.splitlines() if line]
