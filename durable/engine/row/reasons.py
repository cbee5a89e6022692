"""Why the engine cancels an execution by itself: texts for its ``cancel_reason``.

Everything that is stopped for one cause carries the same text, however deep it lies below. The
text names that cause by type only: messages of errors may hold what others must not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from durable.models import PARTS, Execution, Role


def cancelled(execution: Execution) -> str:
    """For what lies below a cancelled execution.

    A branch or item is only ever stopped with its execution: it passes its own reason on.
    """
    if execution.role in PARTS:
        return execution.cancel_reason
    reason = f": {execution.cancel_reason}" if execution.cancel_reason else ""
    return f"{_name(execution)} was cancelled{reason}"


def failed(execution: Execution, error: Mapping[str, Any] | None) -> str:
    """For live executions below a failed one, and beside a failed branch."""
    return f"{_name(execution)} failed: {(error or {}).get('type', 'unknown')}"


def timed_out(execution: Execution) -> str:
    """For a child whose parent's wait has timed out."""
    return f"{_name(execution)} waited no longer: its timeout was over"


def too_many_failed(block: str) -> str:
    """For the items of a foreach that get no turn because others have failed."""
    return f"too many items of {block!r} failed: no new one starts"


def too_large(block: str) -> str:
    """For the items of a foreach that get no turn because its results have become too large."""
    return f"the results of {block!r} take too much room: no new item starts"


def ended(execution: Execution) -> str:
    """For what an execution has left alive that is final (only a damaged database has that)."""
    return f"{_name(execution)} is {execution.status}"


def _name(execution: Execution) -> str:
    """The execution as people can find it: parts have no id of their own."""
    if execution.role == Role.BRANCH:
        return f"branch {execution.branch!r} of execution {execution.root_id}"
    if execution.role == Role.ITEM:
        return f"item {execution.index} of execution {execution.root_id}"
    return f"execution {execution.pk}"
