"""Named points of the protocol at which a test may kill, raise or block; unarmed in production."""

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

#: points reached only by trees: blocks that open and close, batches, reports, and the commits
#: around compensations
TREE_POINTS = _around("fan_out", "batch", "report", "join", "rollback")

#: points reached only by schedules
CALENDAR_POINTS = _around("fire")

ALL = (*POINTS, *TREE_POINTS, *CALENDAR_POINTS)

armed: Callable[[str], None] | None = None


def reach(point: str) -> None:
    """Call the armed test, if any, with the name of the point reached."""
    if armed is not None:
        armed(point)
