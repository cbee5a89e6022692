"""The tables in the Django admin, to look at: the engine is their only writer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from durable.dashboard.inputs import InputAdmin
from durable.models import AuditEntry, Event, Execution, Input, Schedule, StepRun, Wait, Worker

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Any]
    _Inline = admin.TabularInline[Any, Any]
else:
    _Admin, _Inline = admin.ModelAdmin, admin.TabularInline


class LookOnly:
    """No adding, no changing, no deleting."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows are made by the engine."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows are changed by the engine."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows are removed by retention."""
        return False


class StepRuns(LookOnly, _Inline):
    """The attempts of an execution."""

    model = StepRun
    fields = ("path", "attempt", "status", "started_at", "ended_at", "output", "error", "logs")
    extra = 0


class Waits(LookOnly, _Inline):
    """The waits of an execution."""

    model = Wait
    fk_name = "execution"
    fields = ("kind", "name", "status", "opened_at", "deadline_at", "by_name", "comment", "answer")
    extra = 0


@admin.register(Execution)
class ExecutionAdmin(LookOnly, _Admin):
    """Executions that have an id of their own: branches and items are below their parents."""

    list_display = ("id", "workflow", "version", "status", "path", "queue", "created_at")
    list_filter = ("status", "workflow", "queue")
    search_fields = ("id", "idempotency_key")
    inlines = (StepRuns, Waits)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Execution]:
        """Root executions and children."""
        rows: models.QuerySet[Execution] = Execution.objects.roots()
        return rows.order_by("-created_at", "-id")


@admin.register(Wait)
class WaitAdmin(LookOnly, _Admin):
    """What executions wait for."""

    list_display = ("name", "kind", "status", "execution", "opened_at", "deadline_at", "by_name")
    list_filter = ("status", "kind")
    list_select_related = ("execution",)


@admin.register(Event)
class EventAdmin(LookOnly, _Admin):
    """Events, and what became of them."""

    list_display = ("name", "status", "execution", "key", "created_at")
    list_filter = ("status", "name")
    list_select_related = ("execution",)


@admin.register(Schedule)
class ScheduleAdmin(LookOnly, _Admin):
    """Schedules."""

    list_display = ("name", "workflow", "cron", "timezone", "enabled", "next_run_at")


@admin.register(Worker)
class WorkerAdmin(LookOnly, _Admin):
    """Worker processes."""

    list_display = ("name", "queues", "running", "started_at", "heartbeat_at", "stopped_at")


@admin.register(AuditEntry)
class AuditEntryAdmin(LookOnly, _Admin):
    """Who changed what, when."""

    list_display = ("at", "actor_name", "action", "target", "execution_id", "origin")
    list_filter = ("action",)


admin.site.register(Input, InputAdmin)
