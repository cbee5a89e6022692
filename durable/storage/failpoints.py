"""Named points of the protocol at which a test may kill, raise or block. Nothing arms them here."""

from __future__ import annotations

from collections.abc import Callable


def _around(*commits: str) -> tuple[str, ...]:
    return tuple(f"{name}.{side}_commit" for name in commits for side in ("before", "after"))


#: every point, in the order in which a simple execution reaches them
POINTS = (
    "start.before_commit",
    *_around("claim"),
    "body.before",
    "body.after",
    *_around("checkpoint", "finish", "wait", "deliver", "failure"),
)

#: what only trees reach: blocks that open and close, items of a batch, ends that are told,
#: the time before, between and after compensations
TREE_POINTS = _around("fan_out", "batch", "report", "join", "rollback")

#: what only schedules reach
CALENDAR_POINTS = _around("fire")

ALL = (*POINTS, *TREE_POINTS, *CALENDAR_POINTS)

armed: Callable[[str], None] | None = None


def reach(point: str) -> None:
    """Say that ``point`` is reached."""
    if armed is not None:
        armed(point)
