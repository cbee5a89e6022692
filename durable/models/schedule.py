"""The tables of schedules and of their firings, one row for each slot."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from durable import clock
from durable.models.base import EngineManager, EngineQuerySet
from durable.models.execution import Execution
from durable.models.fields import DataField, MomentField, uuid7


class CatchUp(models.TextChoices):
    """The treatment of slots that passed while nothing ran."""

    LATEST = "latest", _("One run for the last of them")
    ALL = "all", _("A run for each")
    NONE = "none", _("None")


class Overlap(models.TextChoices):
    """The treatment of a slot while the previous execution is unfinished."""

    ALLOW = "allow", _("Run both")
    SKIP = "skip", _("Skip the slot")
    QUEUE = "queue", _("Run after it")


class Outcome(models.TextChoices):
    """The outcome of a slot."""

    STARTED = "started", _("Started")
    QUEUED = "queued", _("Queued")  # behind the execution of an earlier slot
    SKIPPED = "skipped", _("Skipped")  # the execution of an earlier slot was unfinished
    MISSED = "missed", _("Missed")  # nothing ran when it was due, or it was disabled while queued
    FAILED = "failed", _("Failed")  # the execution could not be started


class ScheduleQuerySet(EngineQuerySet["Schedule"]):
    """Queries for schedules."""

    def due(self) -> Self:
        """Enabled schedules whose next slot has come."""
        return self.filter(enabled=True, next_run_at__lte=clock.now()).order_by("next_run_at")

    def queued(self) -> Self:
        """Enabled schedules with a queued slot that can start now."""
        free = Firing.objects.queued().filter(
            Q(after__isnull=True) | Q(after__finished_at__isnull=False)
        )
        return self.filter(enabled=True, pk__in=free.values("schedule"))

    def get_by_natural_key(self, name: str) -> Schedule:
        """The schedule with this name."""
        return self.get(name=name)


ScheduleManager = EngineManager.from_queryset(ScheduleQuerySet)


class Schedule(models.Model):
    """A workflow that starts by a cron expression in the local time of a zone."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=200, unique=True)
    workflow = models.CharField(max_length=200)
    cron = models.CharField(max_length=200)
    timezone = models.CharField(max_length=100)
    input = DataField(null=True, blank=True)
    # the creator's at a door, inherited by the executions that it starts
    tags = models.JSONField(default=dict, db_default={}, blank=True)
    scope = models.CharField(max_length=100, blank=True, default="", db_default="")
    catch_up = models.CharField(max_length=10, choices=CatchUp.choices, default=CatchUp.LATEST)
    overlap = models.CharField(max_length=10, choices=Overlap.choices, default=Overlap.ALLOW)
    jitter = models.DurationField(null=True, blank=True)
    enabled = models.BooleanField(default=True)
    declared = models.BooleanField(default=False)  # in a class's Meta, not at run time
    next_run_at = models.DateTimeField(null=True, blank=True)
    last_run_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0)
    last_error = models.TextField(blank=True, default="")
    created_at = MomentField(editable=False)

    objects = ScheduleManager()

    class Meta:
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        base_manager_name = "objects"
        ordering = ("name",)
        indexes = (
            models.Index(
                fields=("next_run_at",), name="durable_schedule_due", condition=Q(enabled=True)
            ),
        )

    def __str__(self) -> str:
        return self.name

    def natural_key(self) -> tuple[str]:
        """The name, which is the same in each deployment of the same code."""
        return (self.name,)


class FiringQuerySet(EngineQuerySet["Firing"]):
    """Queries for firings."""

    def queued(self) -> Self:
        """Slots queued behind the execution of an earlier slot, in order."""
        return self.filter(outcome=Outcome.QUEUED).order_by("slot")

    def miss(self) -> int:
        """Mark these slots as missed; return how many."""
        return self.order_by().update(outcome=Outcome.MISSED, after=None, fired_at=clock.now())


FiringManager = EngineManager.from_queryset(FiringQuerySet)


class Firing(models.Model):
    """One slot of a schedule, with the outcome and the started execution."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    schedule = models.ForeignKey(Schedule, models.CASCADE, related_name="firings")
    slot = models.DateTimeField()
    execution = models.ForeignKey(
        Execution, models.SET_NULL, null=True, blank=True, related_name="firings"
    )
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.STARTED)
    after = models.ForeignKey(  # while queued: the execution that must finish first
        Execution, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    fired_at = MomentField(editable=False)

    objects = FiringManager()

    class Meta:
        verbose_name = _("firing")
        verbose_name_plural = _("firings")
        base_manager_name = "objects"
        ordering = ("-slot",)
        constraints = (
            models.UniqueConstraint(fields=("schedule", "slot"), name="durable_firing_once"),
        )
        indexes = (
            models.Index(
                fields=("schedule", "slot"),
                name="durable_firing_queued",
                condition=Q(outcome=Outcome.QUEUED),
            ),
        )

    def __str__(self) -> str:
        return f"{self.schedule_id} {self.slot}"
