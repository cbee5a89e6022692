"""The elements of a laid-out drawing: boxes, edges and frames with their places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

#: nodes that the drawing adds to the flow as written
MARKS = frozenset({"start", "end", "join"})


class Point(NamedTuple):
    """A place; ``y`` grows downwards."""

    x: float
    y: float


class Box(NamedTuple):
    """A rectangle by its upper left corner and its size."""

    x: float
    y: float
    w: float
    h: float

    @property
    def right(self) -> float:
        """The x of the right side."""
        return self.x + self.w

    @property
    def bottom(self) -> float:
        """The y of the lower side."""
        return self.y + self.h

    @property
    def middle(self) -> Point:
        """The centre."""
        return Point(self.x + self.w / 2, self.y + self.h / 2)


@dataclass(frozen=True)
class PlacedNode:
    """A node in its box; ``lines`` is its label in lines, ``note`` the text below the label."""

    path: str
    label: str
    kind: str
    note: str
    lines: tuple[str, ...]
    box: Box


@dataclass(frozen=True)
class EdgeLabel:
    """The label of an edge, cut to fit, in its box on the edge."""

    text: str
    box: Box


@dataclass(frozen=True)
class PlacedEdge:
    """An edge along its points, from a node (or the node's frame) to a node.

    ``kind``: ``flow``, ``back`` (into the next round of a loop) or ``error`` (into a handler).
    ``label`` and ``way`` are those of the ``GraphEdge``; ``shown`` is the label as drawn.
    """

    source: str
    target: str
    label: str
    way: str
    kind: str
    points: tuple[Point, ...]
    shown: EdgeLabel | None = None


@dataclass(frozen=True)
class Frame:
    """The background of a foreach, a repeat or a catch with its content."""

    path: str
    kind: str
    box: Box


@dataclass(frozen=True)
class Layout:
    """A drawing with its places: nodes in written order, outer frames before inner ones."""

    width: float
    height: float
    nodes: tuple[PlacedNode, ...]
    edges: tuple[PlacedEdge, ...]
    frames: tuple[Frame, ...]
