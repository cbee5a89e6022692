"""Named points of the protocol at which a test may kill, raise or block. Nothing arms them here."""

from __future__ import annotations

from collections.abc import Callable

#: every point, in the order in which a simple execution reaches them
POINTS = (
    "start.before_commit",
    "claim.before_commit",
    "claim.after_commit",
    "body.before",
    "body.after",
    "checkpoint.before_commit",
    "checkpoint.after_commit",
    "finish.before_commit",
    "finish.after_commit",
    "wait.before_commit",
    "wait.after_commit",
    "deliver.before_commit",
    "deliver.after_commit",
    "failure.before_commit",
    "failure.after_commit",
)

#: what only trees reach: blocks that open and close, items of a batch, ends that are told,
#: the time before, between and after compensations
TREE_POINTS = (
    "fan_out.before_commit",
    "fan_out.after_commit",
    "batch.before_commit",
    "batch.after_commit",
    "report.before_commit",
    "report.after_commit",
    "join.before_commit",
    "join.after_commit",
    "rollback.before_commit",
    "rollback.after_commit",
)

#: what only schedules reach
CALENDAR_POINTS = ("fire.before_commit", "fire.after_commit")

ALL = (*POINTS, *TREE_POINTS, *CALENDAR_POINTS)

armed: Callable[[str], None] | None = None


def reach(point: str) -> None:
    """Say that ``point`` is reached."""
    if armed is not None:
        armed(point)
