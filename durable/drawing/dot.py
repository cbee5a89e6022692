"""The graph as DOT text for Graphviz, with the colours of the node states."""

from __future__ import annotations

from durable.authoring.nodes.graph import Graph, GraphNode
from durable.drawing import words
from durable.drawing.overlay import NOT_REACHED, NodeStatus, Overlay
from durable.showing.characters import drawable

SHAPES = {
    "start": "oval",
    "end": "oval",
    "join": "circle",
    "branch": "hexagon",
    "parallel": "parallelogram",
    "foreach": "box3d",
    "repeat": "octagon",
    "catch": "house",
    "sleep": "oval",
    "event": "oval",
    "approval": "oval",
    "workflow": "component",
}

#: of each state: the colour of the line, the colour of the filling, the style
LOOKS: dict[NodeStatus, tuple[str, str, str]] = {
    "pending": ("#8c959f", "#ffffff", "filled"),
    "running": ("#0969da", "#ddf4ff", "filled,bold"),
    "waiting": ("#9a6700", "#fff8c5", "filled,dashed"),
    "paused": ("#59636e", "#eaeef2", "filled,dashed"),
    "blocked": ("#bc4c00", "#fff1e5", "filled,bold"),
    "done": ("#1a7f37", "#dafbe1", "filled"),
    "failed": ("#cf222e", "#ffebe9", "filled,bold"),
    "cancelled": ("#59636e", "#eaeef2", "filled,dotted"),
    "compensated": ("#8250df", "#fbefff", "filled"),
    "skipped": ("#afb8c1", "#ffffff", "filled,dotted"),
}


def to_dot(graph: Graph, overlay: Overlay | None = None, *, name: str = "flow") -> str:
    """The graph as a ``digraph``; labels can't break out of it."""
    ids = {node.path: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = [
        f"digraph {_quoted(name)} {{",
        '    graph [rankdir=TB, fontname="Helvetica"]',
        '    node [shape=box, fontname="Helvetica", fontsize=12]',
        '    edge [fontname="Helvetica", fontsize=10, color="#59636e"]',
    ]
    for node in graph.nodes:
        lines.append(f"    {ids[node.path]} [{_attributes(_of_node(node, overlay))}]")
    for edge in graph.edges:
        given = {"label": _quoted(edge.label)} if edge.label else {}
        if overlay is not None and overlay.taken(edge.source, edge.target, edge.way):
            given |= {"color": '"#1a7f37"', "penwidth": "2.5"}
        attributes = f" [{_attributes(given)}]" if given else ""
        lines.append(f"    {ids[edge.source]} -> {ids[edge.target]}{attributes}")
    return "\n".join([*lines, "}"]) + "\n"


def _of_node(node: GraphNode, overlay: Overlay | None) -> dict[str, str]:
    label, given = drawable(node.label), {}
    if node.kind in SHAPES:
        given["shape"] = SHAPES[node.kind]
    if overlay is not None:
        state = overlay.state(node.path)
        line, filling, style = LOOKS[state.status]
        given |= {"color": f'"{line}"', "fillcolor": f'"{filling}"', "style": f'"{style}"'}
        if state.status in NOT_REACHED:
            given["fontcolor"] = '"#59636e"'
        if node.kind not in ("start", "end", "join"):
            return {"label": _quoted(label, words.about(state)), **given}
    return {"label": _quoted(label), **given}


def _attributes(given: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in given.items())


def _quoted(*lines: str) -> str:
    r"""A quoted string; ``\`` and ``"`` stand for themselves in it."""
    escaped = (drawable(line).replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(escaped) + '"'
