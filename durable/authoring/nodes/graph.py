"""The graph of a flow, as nodes and edges, for drawings and lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from durable.authoring.nodes.tree import (
    Branch,
    Catch,
    Chain,
    Foreach,
    Leaf,
    Node,
    Parallel,
    Repeat,
    Tree,
)

START, END, JOIN, OTHERWISE = "#start", "#end", "#join", "#otherwise"


@dataclass(frozen=True)
class GraphNode:
    """A node of the drawing. ``path`` is its path in the tree; added ones have a ``#`` in it.

    Added are start, end and joins. ``kind``: start, end, join, branch, parallel, foreach, repeat,
    catch, or a leaf's: step, sleep, event, approval, workflow.
    """

    path: str
    label: str
    kind: str


@dataclass(frozen=True)
class GraphEdge:
    """An edge between two nodes, by their paths; ``label`` is its condition, if any.

    ``way`` is the path of the body that the edge enters (``decide/approved``), if any; the edge of
    a branch past all its cases has ``<branch>#otherwise``.
    """

    source: str
    target: str
    label: str = ""
    way: str = ""


@dataclass(frozen=True)
class Graph:
    """The nodes and edges of a flow, in written order."""

    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]


class OpenEnd(NamedTuple):
    """An edge that still lacks its target."""

    source: str
    label: str = ""
    way: str = ""


Exits = list[OpenEnd]


def graph(source: Tree | type[Any]) -> Graph:
    """The graph of a tree, or of a workflow class."""
    tree = tree_of(source)
    drawing = _Drawing()
    drawing.add(START, "start", "start", [])
    drawing.add(END, "end", "end", drawing.draw(tree.root, [OpenEnd(START)]))
    return Graph(tuple(drawing.nodes), tuple(drawing.edges))


def tree_of(source: Tree | type[Any]) -> Tree:
    """The tree itself, or the tree of a workflow class."""
    tree: Tree = source if isinstance(source, Tree) else source.definition.tree
    return tree


class _Drawing:
    def __init__(self) -> None:
        self.nodes: list[GraphNode] = []
        self.edges: list[GraphEdge] = []
        self.drawers: dict[type[Node], Callable[[Any, Exits], Exits]] = {
            Chain: self.chain,
            Leaf: self.leaf,
            Branch: self.branch,
            Parallel: self.parallel,
            Foreach: self.loop,
            Repeat: self.loop,
            Catch: self.catch,
        }

    def draw(self, node: Node, entries: Exits) -> Exits:
        """Add a node, reached from ``entries``; return its open ends."""
        return self.drawers[type(node)](node, entries)

    def head(self, node: Node, entries: Exits) -> None:
        self.add(node.path, node.label, node.kind, entries)

    def add(self, path: str, label: str, kind: str, entries: Exits) -> None:
        self.nodes.append(GraphNode(path, label, kind))
        self.link(entries, path)

    def link(self, entries: Exits, path: str) -> None:
        self.edges += [GraphEdge(end.source, path, end.label, end.way) for end in entries]

    def chain(self, node: Chain, entries: Exits) -> Exits:
        for child in node.nodes:
            entries = self.draw(child, entries)
        return entries

    def leaf(self, node: Leaf, entries: Exits) -> Exits:
        self.head(node, entries)
        return [OpenEnd(node.path)]

    def branch(self, node: Branch, entries: Exits) -> Exits:
        self.head(node, entries)
        exits: Exits = []
        for case in node.cases:
            exits += self.draw(case.body, [OpenEnd(node.path, case.label, case.body.path)])
        if node.default is None:
            return [*exits, OpenEnd(node.path, "otherwise", node.path + OTHERWISE)]
        return exits + self.draw(node.default, [OpenEnd(node.path, "default", node.default.path)])

    def parallel(self, node: Parallel, entries: Exits) -> Exits:
        self.head(node, entries)
        exits: Exits = []
        for label, body in node.branches.items():
            exits += self.draw(body, [OpenEnd(node.path, label, body.path)])
        join = node.path + JOIN
        self.add(join, "join", "join", exits)
        return [OpenEnd(join)]

    def loop(self, node: Foreach | Repeat, entries: Exits) -> Exits:
        self.head(node, entries)
        inside = self.draw(node.body, [OpenEnd(node.path, node.round, node.body.path)])
        self.link(inside, node.path)
        return [OpenEnd(node.path, "done")]

    def catch(self, node: Catch, entries: Exits) -> Exits:
        self.head(node, entries)
        exits = self.draw(node.body, [OpenEnd(node.path, "", node.body.path)])
        for handler in node.handlers:
            exits += self.draw(handler.body, [OpenEnd(node.path, handler.label, handler.body.path)])
        return exits
