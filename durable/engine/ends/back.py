"""Send an execution into the rollback of its completed steps."""

from __future__ import annotations

from durable.engine.ends.finish import leave
from durable.engine.row.position import Position
from durable.engine.row.undoing import Rollback
from durable.models.execution import ExecutionQuerySet


def send_back(rows: ExecutionQuerySet, at: Position, rollback: Rollback) -> int:
    """Move the execution that ``rows`` selects (guarded, one, at ``at``) into ``rollback``."""
    leave(rows)
    return rows.due(rolls=False, **at.to_undo(rollback).columns())
