"""Where an execution goes next: a walk over the tree of its definition, by paths."""

from __future__ import annotations

from typing import Any

from durable.authoring.tree import Branch, Chain, Leaf, Node, Tree
from durable.errors import ControlFlow


class ChoiceFailed(Exception):
    """The ``on`` of a branch raised; ``path`` is the branch's, ``__cause__`` the error."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(path)


def first(tree: Tree) -> str:
    """The path at which an execution starts: a leaf, or a branch whose choice is still open."""
    return _enter(tree.root)


def following(tree: Tree, path: str) -> str:
    """The path after ``path`` in the flow; empty at its end."""
    node = tree.following(path)
    if node is not None:
        return _enter(node)
    container = tree.parent(path)
    while isinstance(container, Chain):  # a chain is over: so is the block that it belongs to
        if container is tree.root:
            return ""
        owner = tree.parent(container.path)
        if isinstance(owner, Branch):
            return following(tree, owner.path)
        container = owner
    return ""


def settle(tree: Tree, path: str, instance: Any, data: Any) -> str:
    """Make the choices of branches, from ``path`` on, until a leaf is reached (or the end).

    ``data`` is a callable that gives a fresh copy of the data to each choice.
    ``ChoiceFailed`` if one raises.
    """
    node = tree.find(path) if path else None
    while isinstance(node, Branch):
        try:
            case = node.choose(node.on(instance, data()), instance)
        except ControlFlow:
            raise
        except BaseException as error:  # SystemExit and the like: a worker never dies of it
            raise ChoiceFailed(node.path) from error
        path = _enter(case.body) if case is not None else following(tree, node.path)
        node = tree.find(path) if path else None
    return path


def _enter(node: Node) -> str:
    while isinstance(node, Chain):
        node = node.nodes[0]
    return node.path


__all__ = ["ChoiceFailed", "Leaf", "first", "following", "settle"]
