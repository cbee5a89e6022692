"""Drawings of flows: the places of nodes and edges, and the picture as SVG, Mermaid, DOT or JSON.

May import: authoring and the vocabulary; it needs no database.
"""

from durable.drawing.dot import to_dot
from durable.drawing.layout import layout
from durable.drawing.mermaid import to_mermaid
from durable.drawing.overlay import NodeState, Overlay, Progress
from durable.drawing.plain import to_plain
from durable.drawing.shapes import Layout
from durable.drawing.svg import STYLESHEET, svg

__all__ = [
    "STYLESHEET",
    "Layout",
    "NodeState",
    "Overlay",
    "Progress",
    "layout",
    "svg",
    "to_dot",
    "to_mermaid",
    "to_plain",
]
