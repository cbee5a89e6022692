"""What is registered with the Django admin; the pages themselves are in ``dashboard``."""

from __future__ import annotations

from django.contrib import admin

from durable.dashboard.executions import ExecutionPages
from durable.dashboard.inputs import InputAdmin
from durable.dashboard.queues import QueuePages
from durable.dashboard.schedules import SchedulePages
from durable.dashboard.tables import AuditPages, EventPages
from durable.dashboard.workers import WorkerPages
from durable.models import AuditEntry, Event, Execution, Input, Queue, Schedule, Worker

__all__: list[str] = []

admin.site.register(Execution, ExecutionPages)
admin.site.register(Input, InputAdmin)
admin.site.register(Schedule, SchedulePages)
admin.site.register(Queue, QueuePages)
admin.site.register(Worker, WorkerPages)
admin.site.register(Event, EventPages)
admin.site.register(AuditEntry, AuditPages)
