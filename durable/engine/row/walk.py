"""Find an execution's next step: a walk over the tree of its definition, by paths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from durable.authoring.nodes.tree import (
    Branch,
    Catch,
    Chain,
    Leaf,
    Node,
    Repeat,
    Tree,
)
from durable.authoring.self.context import apart
from durable.engine.row.position import Frames
from durable.errors import ControlFlow, Fail

#: bytes; no limit in practice: texts beside the data hold only values already within its limits
KEPT_BYTES = 1 << 40


class ChoiceFailed(Exception):
    """A callable of the flow raised; the walk stands at its node, ``__cause__`` is the error."""


@dataclass
class Walk:
    """A moving position. After each method it stands at a step, at a block, or at the end.

    ``path`` is empty at the end. ``visit`` goes up with each round of a loop, so each path is
    visited once per value. ``frames`` hold the state of loops and catches, by their paths.
    ``arguments`` makes fresh arguments for each callable of the flow.
    """

    tree: Tree
    instance: Any
    arguments: Callable[[], tuple[Any, ...]]
    data: str
    path: str = ""
    visit: int = 1
    frames: Frames = field(default_factory=dict)

    def enter(self, node: Node) -> None:
        """Go to the first step of ``node``; on the way, ask the branches which case applies."""
        while True:
            self.path = node.path
            match node:
                case Chain():
                    node = node.nodes[0]
                case Branch():
                    case = self._choice(node)
                    if case is None:
                        return self.leave(node.path)
                    node = case.body
                case Repeat():
                    self.frames[node.path] = {"round": 1}
                    node = node.body
                case Catch():
                    self.frames[node.path] = {"data": self.data, "visit": self.visit}
                    node = node.body
                case _:
                    return None

    def leave(self, path: str) -> None:
        """Go on to the node that follows the one at ``path``."""
        while True:
            following = self.tree.following(path)
            if following is not None:
                return self.enter(following)
            owner = self._owner(path)
            match owner:
                case Branch():
                    path = owner.path
                case Catch():
                    self.frames.pop(owner.path, None)
                    path = owner.path
                case Repeat():
                    if self._another_round(owner):
                        return self.enter(owner.body)
                    path = owner.path
                case _:  # the end of the flow, of a branch or of an item
                    self.path = ""
                    return None

    def decide(self) -> None:
        """Ask the callable of the branch or loop at which the walk stands, then move on."""
        node = self.tree.find(self.path)
        if isinstance(node, Repeat):
            if self._another_round(node):
                self.enter(node.body)
            else:
                self.leave(node.path)
        elif node is not None:
            self.enter(node)

    def _owner(self, path: str) -> Node | None:
        """The block in whose chain the node at ``path`` stands."""
        chain = self.tree.parent(path)
        return None if chain is None else self.tree.parent(chain.path)

    def _choice(self, node: Branch) -> Any:
        return self._asked(node, lambda *of: node.choose(node.on(*of), self.instance))

    def _another_round(self, node: Repeat) -> bool:
        self.path = node.path
        if self._asked(node, node.until):
            self.frames.pop(node.path, None)
            return False
        frame = self.frames.setdefault(node.path, {"round": 1})
        if node.max_iterations is not None and frame["round"] >= node.max_iterations:
            limit = Fail(
                f"{node.path!r} is not done after max_iterations={node.max_iterations} rounds",
                type="TooManyIterations",
            )
            raise ChoiceFailed(node.path) from limit
        self.frames[node.path] = {"round": frame["round"] + 1}
        self.visit += 1
        return True

    def _asked(self, node: Node, function: Callable[..., Any]) -> Any:
        """Call a callable of the flow; ``ChoiceFailed`` if it raises."""
        try:
            return apart(function, self.instance, *self.arguments())
        except ControlFlow:
            raise
        except BaseException as error:  # SystemExit and the like: a worker never dies of it
            raise ChoiceFailed(node.path) from error


def start_of(node: Node, data: str | None) -> tuple[str, Frames]:
    """The path and frames at which a flow or a block's body begins: at a step or a block."""
    frames: Frames = {}
    while True:
        match node:
            case Chain():
                node = node.nodes[0]
            case Repeat():
                frames[node.path] = {"round": 1}
                node = node.body
            case Catch():
                frames[node.path] = {"data": data, "visit": 1}
                node = node.body
            case _:
                return node.path, frames


def enclosing(tree: Tree, path: str) -> list[Node]:
    """The blocks around ``path``, innermost first, up to the end of its branch or item."""
    found: list[Node] = []
    node: Node | None = tree.parent(path)
    while node is not None and not node.has_parts:
        if not isinstance(node, Chain | Leaf):
            found.append(node)
        node = tree.parent(node.path)
    return found
