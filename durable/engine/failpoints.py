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

armed: Callable[[str], None] | None = None


def reach(point: str) -> None:
    """Say that ``point`` is reached."""
    if armed is not None:
        armed(point)
