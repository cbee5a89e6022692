"""The outlines of nodes and the lines of edges, as the data of SVG paths."""

from __future__ import annotations

from collections.abc import Sequence

from durable.drawing.shapes import Box, Point

ROUND = 8  # the radius of corners
HEAD_LENGTH, HEAD_HALF = 8, 4.5
TIP = 12  # how far the ends of a branch's head point outwards

#: kinds that wait: their outline has round ends
WAITS = frozenset({"sleep", "event", "approval", "start", "end", "join"})
#: kinds run by another execution: their outline has a second line inside
RIMMED = frozenset({"workflow"})


def card(kind: str, box: Box) -> str:
    """The outline of a node: kinds differ in shape, not only in icon and colour."""
    if kind == "branch":
        return _hexagon(box)
    return _rectangle(box, box.h / 2 if kind in WAITS else ROUND)


def rim(box: Box) -> str:
    """A second line inside the outline."""
    return _rectangle(Box(box.x + 3, box.y + 3, box.w - 6, box.h - 6), ROUND - 2)


def rounded(points: Sequence[Point]) -> str:
    """A line along the points, with rounded corners; it ends at the base of the arrowhead."""
    end = _towards(points[-1], points[-2], HEAD_LENGTH - 1)
    path = [*points[:-1], end]
    found = [f"M{_xy(path[0])}"]
    for before, corner, after in zip(path, path[1:], path[2:], strict=False):
        radius = min(ROUND, _length(before, corner) / 2, _length(corner, after) / 2)
        found.append(f"L{_xy(_towards(corner, before, radius))}")
        found.append(f"Q{_xy(corner)} {_xy(_towards(corner, after, radius))}")
    return "".join([*found, f"L{_xy(end)}"])


def arrowhead(points: Sequence[Point]) -> str:
    """The triangle at the end of a line."""
    tip, before = points[-1], points[-2]
    base = _towards(tip, before, HEAD_LENGTH)
    across, along = (HEAD_HALF, 0.0) if tip.x == before.x else (0.0, HEAD_HALF)
    one, other = Point(base.x - across, base.y - along), Point(base.x + across, base.y + along)
    return f"M{_xy(tip)}L{_xy(one)}L{_xy(other)}Z"


def _rectangle(box: Box, radius: float) -> str:
    r = min(radius, box.h / 2, box.w / 2)
    arc = f"a{_n(r)} {_n(r)} 0 0 1 "
    across, down = _n(box.w - 2 * r), _n(box.h - 2 * r)
    return (
        f"M{_n(box.x + r)} {_n(box.y)}h{across}{arc}{_n(r)} {_n(r)}v{down}{arc}{_n(-r)} {_n(r)}"
        f"h-{across}{arc}{_n(-r)} {_n(-r)}v-{down}{arc}{_n(r)} {_n(-r)}z"
    )


def _hexagon(box: Box) -> str:
    middle, tip = _n(box.middle.y), TIP / 2
    return (
        f"M{_n(box.x + tip)} {_n(box.y)}H{_n(box.right - tip)}L{_n(box.right + tip)} {middle}"
        f"L{_n(box.right - tip)} {_n(box.bottom)}H{_n(box.x + tip)}L{_n(box.x - tip)} {middle}z"
    )


def _towards(start: Point, end: Point, distance: float) -> Point:
    length = _length(start, end)
    share = min(distance / length, 1) if length else 0
    return Point(start.x + (end.x - start.x) * share, start.y + (end.y - start.y) * share)


def _length(one: Point, other: Point) -> float:
    return abs(one.x - other.x) + abs(one.y - other.y)  # lines run along the axes


def _xy(point: Point) -> str:
    return f"{_n(point.x)} {_n(point.y)}"


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
