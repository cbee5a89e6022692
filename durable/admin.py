"""Register the models with the Django admin; their pages are in ``dashboard``."""

from __future__ import annotations

from django.contrib import admin

from durable.dashboard.calendar.schedules import SchedulePages
from durable.dashboard.list.executions import ExecutionPages
from durable.dashboard.operations.queues import QueuePages
from durable.dashboard.operations.tables import AuditPages, EventPages
from durable.dashboard.operations.workers import WorkerPages
from durable.dashboard.people.inputs import InputAdmin
from durable.models import AuditEntry, Event, Execution, Input, Queue, Schedule, Worker

__all__: list[str] = []

admin.site.register(Execution, ExecutionPages)
admin.site.register(Input, InputAdmin)
admin.site.register(Schedule, SchedulePages)
admin.site.register(Queue, QueuePages)
admin.site.register(Worker, WorkerPages)
admin.site.register(Event, EventPages)
admin.site.register(AuditEntry, AuditPages)
