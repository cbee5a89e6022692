"""Find the execution that a caller means."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from durable.errors import ExecutionNotFound
from durable.models import Execution


def get(execution_id: Any, *, rows: Any = None) -> Execution:
    """The execution with this id (a ``UUID`` or its text); ``ExecutionNotFound``."""
    pk = _uuid(execution_id)
    rows = Execution.objects.all() if rows is None else rows
    found: Execution | None = rows.filter(pk=pk).first() if pk is not None else None
    if found is None:
        raise ExecutionNotFound(f"there is no execution {str(execution_id)[:100]}")
    return found


def root_of(execution_id: Any) -> Execution:
    """The addressable execution: a branch or item is reached through its root."""
    execution = get(execution_id)
    return execution if execution.root_id == execution.pk else get(execution.root_id)


def _uuid(value: Any) -> UUID | None:
    if isinstance(value, UUID):
        return value
    if isinstance(value, Execution):
        return value.pk
    try:
        return UUID(str(value))
    except ValueError:
        return None
