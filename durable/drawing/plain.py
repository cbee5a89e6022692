"""The graph as plain values, for JSON."""

from __future__ import annotations

from typing import Any

from durable.authoring.nodes.graph import Graph
from durable.drawing.overlay import NodeState, Overlay


def to_plain(graph: Graph, overlay: Overlay | None = None) -> dict[str, Any]:
    """``{"nodes": […], "edges": […]}``; with a run, the ``state`` of nodes, the edges ``taken``."""
    nodes: list[dict[str, Any]] = []
    for node in graph.nodes:
        value: dict[str, Any] = {"path": node.path, "label": node.label, "kind": node.kind}
        if overlay is not None:
            value["state"] = _of_state(overlay.state(node.path))
        nodes.append(value)
    edges: list[dict[str, Any]] = []
    for edge in graph.edges:
        value = {"source": edge.source, "target": edge.target, "label": edge.label}
        if overlay is not None:
            value["taken"] = overlay.taken(edge.source, edge.target, edge.way)
        edges.append(value)
    return {"nodes": nodes, "edges": edges}


def _of_state(state: NodeState) -> dict[str, Any]:
    return {
        "status": state.status,
        "attempts": state.attempts,
        "rounds": state.rounds,
        "progress": None if state.progress is None else state.progress._asdict(),
        "detail": state.detail,
        "here": state.here,
    }
