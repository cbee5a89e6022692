"""A flow as nodes and edges, to be drawn; and as a Mermaid flowchart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from durable.authoring.tree import (
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

START, END, JOIN = "#start", "#end", "#join"


@dataclass(frozen=True)
class GraphNode:
    """``path`` is the node's in the tree; start, end and joins have one with a ``#``.

    ``kind``: start, end, join, branch, parallel, foreach, repeat, catch, or a leaf's: step,
    sleep, event, approval, workflow.
    """

    path: str
    label: str
    kind: str


@dataclass(frozen=True)
class GraphEdge:
    """A way from one node (by path) to another; ``label`` says when it is taken, if it matters."""

    source: str
    target: str
    label: str = ""


@dataclass(frozen=True)
class Graph:
    """What there is to draw, in written order."""

    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]


Exits = list[tuple[str, str]]
"""Open ends: the path of a node, and the label of the edge that will leave it."""


def graph(source: Tree | type[Any]) -> Graph:
    """The graph of a tree, or of a workflow class."""
    tree: Tree = source if isinstance(source, Tree) else source.definition.tree
    drawing = _Drawing()
    drawing.add(START, "start", "start", [])
    drawing.add(END, "end", "end", drawing.draw(tree.root, [(START, "")]))
    return Graph(tuple(drawing.nodes), tuple(drawing.edges))


class _Drawing:
    def __init__(self) -> None:
        self.nodes: list[GraphNode] = []
        self.edges: list[GraphEdge] = []
        self.drawers: dict[type[Node], Callable[[Any, Exits], Exits]] = {
            Chain: self.chain,
            Leaf: self.leaf,
            Branch: self.branch,
            Parallel: self.parallel,
            Foreach: self.foreach,
            Repeat: self.repeat,
            Catch: self.catch,
        }

    def draw(self, node: Node, entries: Exits) -> Exits:
        """Add a node, reached from ``entries``; returns its open ends."""
        return self.drawers[type(node)](node, entries)

    def add(self, path: str, label: str, kind: str, entries: Exits) -> None:
        self.nodes.append(GraphNode(path, label, kind))
        self.link(entries, path)

    def link(self, entries: Exits, path: str) -> None:
        self.edges += [GraphEdge(source, path, label) for source, label in entries]

    def chain(self, node: Chain, entries: Exits) -> Exits:
        for child in node.nodes:
            entries = self.draw(child, entries)
        return entries

    def leaf(self, node: Leaf, entries: Exits) -> Exits:
        self.add(node.path, str(node.step.verbose_name or node.name), node.step.kind, entries)
        return [(node.path, "")]

    def branch(self, node: Branch, entries: Exits) -> Exits:
        self.add(node.path, node.name, "branch", entries)
        exits: Exits = []
        for case in node.cases:
            exits += self.draw(case.body, [(node.path, case.label)])
        if node.default is None:
            return [*exits, (node.path, "otherwise")]
        return exits + self.draw(node.default, [(node.path, "default")])

    def parallel(self, node: Parallel, entries: Exits) -> Exits:
        self.add(node.path, node.name, "parallel", entries)
        exits: Exits = []
        for label, body in node.branches.items():
            exits += self.draw(body, [(node.path, label)])
        join = node.path + JOIN
        self.add(join, "join", "join", exits)
        return [(join, "")]

    def foreach(self, node: Foreach, entries: Exits) -> Exits:
        self.add(node.path, node.name, "foreach", entries)
        self.link(self.draw(node.body, [(node.path, "each item")]), node.path)
        return [(node.path, "done")]

    def repeat(self, node: Repeat, entries: Exits) -> Exits:
        self.add(node.path, node.name, "repeat", entries)
        self.link(self.draw(node.body, [(node.path, "again")]), node.path)
        return [(node.path, "done")]

    def catch(self, node: Catch, entries: Exits) -> Exits:
        self.add(node.path, node.name, "catch", entries)
        exits = self.draw(node.body, [(node.path, "")])
        for handler in node.handlers:
            exits += self.draw(handler.body, [(node.path, handler.label)])
        return exits


SHAPES = {
    "start": ("([", "])"),
    "end": ("([", "])"),
    "join": ("((", "))"),
    "branch": ("{", "}"),
    "parallel": ("[[", "]]"),
    "foreach": ("[/", "/]"),
    "repeat": ("{{", "}}"),
    "catch": (">", "]"),
    "sleep": ("(", ")"),
    "event": ("(", ")"),
    "approval": ("(", ")"),
    "workflow": ("[[", "]]"),
}


def to_mermaid(graph: Graph) -> str:
    """The graph as text for Mermaid (``flowchart TD``); labels can't break out of it."""
    ids = {node.path: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["flowchart TD"]
    for node in graph.nodes:
        opening, closing = SHAPES.get(node.kind, ("[", "]"))
        lines.append(f'    {ids[node.path]}{opening}"{_escaped(node.label)}"{closing}')
    for edge in graph.edges:
        label = f'|"{_escaped(edge.label)}"|' if edge.label else ""
        lines.append(f"    {ids[edge.source]} -->{label} {ids[edge.target]}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """Letters, digits and harmless marks as they are; the rest as Mermaid's numeric entities."""
    return "".join(
        char if char.isalnum() or char in " _-.,:+()?!" else f"#{ord(char)};"
        for char in " ".join(text.split())
    )
