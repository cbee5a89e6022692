"""Send an execution back: from wherever it stands into the rollback of what it has done."""

from __future__ import annotations

from typing import Any

from durable.engine.ends.finish import leave
from durable.engine.row.failures import Failure
from durable.engine.row.position import ROLLBACK, Frames, encode
from durable.models.execution import ExecutionQuerySet


def rollback_frame(
    failure: Failure | None,
    *,
    scope: str = "",
    visit: int = 0,
    handler: str = "",
    undo: bool = True,
    path: str = "",
    attempt: int = 1,
    floor: int = 0,
) -> dict[str, Any]:
    """What a rollback needs to know. ``scope`` is the path of a catch; empty: everything."""
    return {
        "scope": scope,
        "visit": visit,
        "handler": handler,
        "error": failure.error if failure is not None else None,
        "undo": undo,
        "path": path,  # where it failed
        "attempt": attempt,
        "floor": floor,
        "classes": list(failure.classes) if failure is not None else [],
        "undone": 0,
        "failed": [],
    }


def send_back(rows: ExecutionQuerySet, frames: Frames, why: dict[str, Any]) -> bool:
    """Send the execution that ``rows`` selects (guarded, one) into its rollback."""
    leave(rows)
    return bool(rows.due(rolls=False, **at_rollback(frames, why)))


def at_rollback(frames: Frames, why: dict[str, Any]) -> dict[str, Any]:
    """The position at which an execution looks for the next step to undo."""
    return {
        "path": ROLLBACK,
        "attempt": 1,
        "attempt_floor": 0,
        "recoveries": 0,
        "journaled": False,
        "frames": encode({**frames, ROLLBACK: why}),
    }
