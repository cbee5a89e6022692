"""The states of the nodes inside a foreach, from the counts of its items at each node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from durable.authoring.nodes.tree import Branch, Catch, Chain, Foreach, Leaf, Node, Parallel, Repeat
from durable.drawing.overlay import NodeState, NodeStatus, Progress
from durable.showing.run.items import Crowd
from durable.states import Status

#: if items at a node differ, the first of these statuses is shown
BUSY: tuple[tuple[Status, NodeStatus], ...] = (
    (Status.RUNNING, "running"),
    (Status.BLOCKED, "blocked"),
    (Status.WAITING, "waiting"),
    (Status.PAUSED, "paused"),
    (Status.PENDING, "running"),
)


class CrowdWalk:
    """Turns counts into node states; ``over``: all items of the enclosing foreach have ended."""

    def __init__(self, crowd: Crowd, states: dict[str, NodeState], ways: set[str]) -> None:
        self.crowd, self.states, self.ways = crowd, states, ways
        self.visits: dict[type[Node], Callable[[Any, bool], None]] = {
            Leaf: self.leaf,
            Branch: self.block,
            Parallel: self.block,
            Foreach: self.foreach,
            Repeat: self.block,
            Catch: self.block,
        }

    def progress(self, node: Foreach) -> Progress:
        """The progress of a foreach: items done, in all, and failed."""
        counts = self.crowd.parts[node.path]
        return Progress(counts[Status.COMPLETED], counts.total(), counts[Status.FAILED])

    def items(self, node: Foreach, *, over: bool = False) -> None:
        """The body of a foreach that has items."""
        self.chain(node.body, over or self.crowd.over(node.path))

    def chain(self, chain: Chain, over: bool) -> None:
        """The nodes of a chain."""
        if chain.path in self.crowd.touched:
            self.ways.add(chain.path)
        for node in chain.nodes:
            self.visits[type(node)](node, over)

    def leaf(self, node: Leaf, over: bool) -> None:
        """A step: how many of the items at this step are done."""
        at, done = self.crowd.at.get(node.path, Counter()), self.crowd.completed[node.path]
        undone, failed = self.crowd.undone[node.path], at[Status.FAILED]
        reached = done + at.total()
        if not reached:
            self.states[node.path] = NodeState("skipped" if over else "pending")
            return
        progress = Progress(done, reached, failed)
        status = _busy(at)
        if status is None and undone:
            status, progress = "compensated", Progress(undone, reached, failed)
        if status is None:
            status = _ended(failed, at[Status.CANCELLED], done)
        self.states[node.path] = NodeState(status, progress=progress)

    def block(self, node: Node, over: bool) -> None:
        """A block without items of its own: its state follows from the items inside."""
        self.states[node.path] = self._inside(node, over)
        for child in node.children():
            assert isinstance(child, Chain)
            self.chain(child, over)

    def foreach(self, node: Foreach, over: bool) -> None:
        """A foreach inside of a foreach: the items of all its visits together."""
        state = self._inside(node, over)
        if node.path in self.crowd.parts:
            progress = self.progress(node)
            state = NodeState(state.status, progress=progress)
        self.states[node.path] = state
        self.items(node, over=over)

    def _inside(self, node: Node, over: bool) -> NodeState:
        if node.path not in self.crowd.touched:
            return NodeState("skipped" if over else "pending")
        at: Counter[str] = Counter()
        for path, counts in self.crowd.at.items():
            if f"{path}/".startswith(f"{node.path}/"):
                at.update(counts)
        status = _busy(at)
        if status is None:
            status = _ended(at[Status.FAILED], at[Status.CANCELLED], 1)
        return NodeState("running" if status == "waiting" else status)


def _busy(at: Counter[str]) -> NodeStatus | None:
    return next((status for name, status in BUSY if at[name]), None)


def _ended(failed: int, cancelled: int, done: int) -> NodeStatus:
    """The state of a node at which no item is now; others may still come."""
    if failed:
        return "failed"
    return "done" if done or not cancelled else "cancelled"
