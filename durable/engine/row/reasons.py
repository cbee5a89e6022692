"""Texts for ``cancel_reason``: why the engine itself cancelled an execution.

All executions stopped for one cause carry the same text, at every depth. The text names an
error only by its type: error messages may hold data that other people must not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from durable.models import PARTS, Execution, Role


def cancelled(execution: Execution) -> str:
    """The reason for executions below a cancelled one.

    A branch or item is only ever stopped with its execution, so it passes its own reason on.
    """
    if execution.role in PARTS:
        return execution.cancel_reason
    reason = f": {execution.cancel_reason}" if execution.cancel_reason else ""
    return f"{_name(execution)} was cancelled{reason}"


def failed(execution: Execution, error: Mapping[str, Any] | None) -> str:
    """The reason for live executions below a failed one, and for siblings of a failed branch."""
    return f"{_name(execution)} failed: {(error or {}).get('type', 'unknown')}"


def timed_out(execution: Execution) -> str:
    """The reason for a child whose parent's wait timed out."""
    return f"{_name(execution)} waited no longer: its timeout was over"


def too_many_failed(block: str) -> str:
    """The reason for items of a foreach that get no turn because too many others failed."""
    return f"too many items of {block!r} failed: no new one starts"


def too_large(block: str) -> str:
    """The reason for items of a foreach that get no turn because its results are too large."""
    return f"the results of {block!r} take too much room: no new item starts"


def ended(execution: Execution) -> str:
    """The reason for live executions below a final one (only a damaged database has them)."""
    return f"{_name(execution)} is {execution.status}"


def _name(execution: Execution) -> str:
    """The execution as people can find it: parts go by the root's id, as they have none to show."""
    if execution.role == Role.BRANCH:
        return f"branch {execution.branch!r} of execution {execution.root_id}"
    if execution.role == Role.ITEM:
        return f"item {execution.index} of execution {execution.root_id}"
    return f"execution {execution.pk}"
