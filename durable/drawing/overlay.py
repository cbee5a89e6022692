"""The states that a run gives to the nodes and edges of a drawing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from django.utils.translation import gettext as _

from durable.authoring.nodes.graph import END, JOIN, START

NodeStatus = Literal[
    "pending",  # not reached yet
    "running",
    "waiting",  # for time, an event, a person, a child, or its next attempt
    "paused",
    "blocked",  # no worker, or no code, for it
    "done",
    "failed",
    "cancelled",
    "compensated",  # done, and undone again
    "skipped",  # the run went another way, or ended before
]
NODE_STATUSES: tuple[NodeStatus, ...] = (
    "pending",
    "running",
    "waiting",
    "paused",
    "blocked",
    "done",
    "failed",
    "cancelled",
    "compensated",
    "skipped",
)
NOT_REACHED = frozenset({"pending", "skipped"})


class Progress(NamedTuple):
    """How many of the parts of a block are done; ``37/100, 2 failed``."""

    done: int
    total: int
    failed: int = 0

    def __str__(self) -> str:
        text = f"{self.done}/{self.total}"
        if self.failed:
            text += ", " + _("%(n)d failed") % {"n": self.failed}
        return text


@dataclass(frozen=True)
class NodeState:
    """The state of a node in a run.

    ``attempts``: of the last visit. ``rounds``: how often the node was visited. ``detail``: a few
    words more (the name of a wait, the time of the next attempt). ``here``: the run is at this
    node now.
    """

    status: NodeStatus
    attempts: int = 0
    rounds: int = 1
    progress: Progress | None = None
    detail: str = ""
    here: bool = False

    @property
    def left(self) -> bool:
        """Whether the run (or an item of it) has gone on from here, at least once."""
        some = self.progress is not None and self.progress.done > 0
        return some or self.rounds > 1 or self.status in ("done", "compensated")


@dataclass(frozen=True)
class Overlay:
    """A run: the states of its nodes by path, and the bodies it entered (``decide/approved``).

    ``over``: the run has ended, so that no further node is reached; ``title`` names the run.
    """

    states: Mapping[str, NodeState] = field(default_factory=dict)
    ways: frozenset[str] = frozenset()
    title: str = ""
    begun: bool = True
    completed: bool = False
    over: bool = False

    def state(self, path: str) -> NodeState:
        """The state of a node; start and end have none of their own, it follows from the run's."""
        if path == START:
            return NodeState("done" if self.begun else "pending")
        if path == END:
            return NodeState("done" if self.completed else "skipped" if self.over else "pending")
        known = self.states.get(path)
        if known is None and path.endswith(JOIN):
            return self._join(path.removesuffix(JOIN))
        return known or NodeState("skipped" if self.over else "pending")

    def _join(self, block: str) -> NodeState:
        of_block = self.state(block).status
        if of_block in ("done", "skipped"):
            return NodeState(of_block)
        return NodeState("skipped" if self.over else "pending")

    def taken(self, source: str, target: str, way: str) -> bool:
        """Whether the run went along an edge."""
        if way:
            return way in self.ways
        return self.state(source).left and self.state(target).status not in NOT_REACHED
