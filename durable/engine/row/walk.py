"""Where an execution goes next: a walk over the tree of its definition, by paths."""

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

#: what is kept beside the data carries what its limits have let pass already
KEPT_BYTES = 1 << 40


class ChoiceFailed(Exception):
    """A callable of the flow raised; the walk stands at its node, ``__cause__`` is the error."""


@dataclass
class Walk:
    """A position on the move. After each method it stands at a step, a block, or the end.

    ``path`` is empty at the end. ``visit`` counts the rounds of loops, so that a path is visited
    once for each value. ``frames`` keep what loops and catches need to know, by their paths.
    ``arguments`` gives what a callable of the flow gets, made anew for each.
    """

    tree: Tree
    instance: Any
    arguments: Callable[[], tuple[Any, ...]]
    data: str
    path: str = ""
    visit: int = 1
    frames: Frames = field(default_factory=dict)

    def enter(self, node: Node) -> None:
        """Go to the first step of ``node``, making the choices on the way."""
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
        """Go on behind the node at ``path``."""
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
        """Stand at a branch or loop whose callable has not answered yet: ask it."""
        node = self.tree.find(self.path)
        if isinstance(node, Repeat):
            if self._another_round(node):
                self.enter(node.body)
            else:
                self.leave(node.path)
        elif node is not None:
            self.enter(node)

    def _owner(self, path: str) -> Node | None:
        """The block whose chain the node at ``path`` stands in."""
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
        """What a callable of the flow answers."""
        try:
            return apart(function, self.instance, *self.arguments())
        except ControlFlow:
            raise
        except BaseException as error:  # SystemExit and the like: a worker never dies of it
            raise ChoiceFailed(node.path) from error


def start_of(node: Node, data: str | None) -> tuple[str, Frames]:
    """Where a flow (or the body of a block) begins: at a step, or a block that must decide."""
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
