"""The graph as text for Mermaid, with the colours of the node states."""

from __future__ import annotations

from durable.authoring.nodes.graph import Graph
from durable.drawing import words
from durable.drawing.overlay import NODE_STATUSES, Overlay
from durable.showing.characters import drawable

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

#: the colours of the node states, readable on light and on dark pages
CLASSES = {
    "pending": "fill:#f6f8fa,stroke:#8c959f,color:#1f2328",
    "running": "fill:#ddf4ff,stroke:#0969da,color:#0a3069,stroke-width:2px",
    "waiting": "fill:#fff8c5,stroke:#9a6700,color:#3b2300,stroke-width:2px,stroke-dasharray:6 3",
    "paused": "fill:#eaeef2,stroke:#59636e,color:#1f2328,stroke-width:2px,stroke-dasharray:6 3",
    "blocked": "fill:#fff1e5,stroke:#bc4c00,color:#471700,stroke-width:2px",
    "done": "fill:#dafbe1,stroke:#1a7f37,color:#04260f",
    "failed": "fill:#ffebe9,stroke:#cf222e,color:#4c0014,stroke-width:2px",
    "cancelled": "fill:#eaeef2,stroke:#59636e,color:#59636e,stroke-dasharray:2 3",
    "compensated": "fill:#fbefff,stroke:#8250df,color:#2e1461",
    "skipped": "fill:#ffffff,stroke:#d1d9e0,color:#6e7781,stroke-dasharray:2 3",
}
TAKEN = "stroke:#1a7f37,stroke-width:3px"


def to_mermaid(graph: Graph, overlay: Overlay | None = None) -> str:
    """The graph as a ``flowchart TD``; labels can't break out of it."""
    ids = {node.path: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["flowchart TD"]
    for node in graph.nodes:
        opening, closing = SHAPES.get(node.kind, ("[", "]"))
        label, suffix = _escaped(node.label), ""
        if overlay is not None:
            state = overlay.state(node.path)
            suffix = f":::{state.status}"
            if node.kind not in ("start", "end", "join"):
                label += f"<br/>{_escaped(words.about(state))}"
        lines.append(f'    {ids[node.path]}{opening}"{label}"{closing}{suffix}')
    for edge in graph.edges:
        label = f'|"{_escaped(edge.label)}"|' if edge.label else ""
        lines.append(f"    {ids[edge.source]} -->{label} {ids[edge.target]}")
    if overlay is not None:
        lines += _styles(graph, overlay)
    return "\n".join(lines) + "\n"


def _styles(graph: Graph, overlay: Overlay) -> list[str]:
    taken = [
        str(number)
        for number, edge in enumerate(graph.edges)
        if overlay.taken(edge.source, edge.target, edge.way)
    ]
    used = {overlay.state(node.path).status for node in graph.nodes}
    lines = [f"    classDef {name} {CLASSES[name]}" for name in NODE_STATUSES if name in used]
    return lines + ([f"    linkStyle {','.join(taken)} {TAKEN}"] if taken else [])


def _escaped(text: str) -> str:
    """Letters, digits and harmless marks as they are; the rest as Mermaid's numeric entities."""
    return "".join(
        char if char.isalnum() or char in " _-.,:+()?!" else f"#{ord(char)};"
        for char in drawable(text)
    )
