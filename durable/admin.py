"""What is registered with the Django admin; the pages themselves are in ``dashboard``."""

from __future__ import annotations

from django.contrib import admin

from durable.dashboard.executions import ExecutionPages
from durable.models import Execution

admin.site.register(Execution, ExecutionPages)
