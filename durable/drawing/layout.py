"""Place a flow from top to bottom: columns side by side, frames around loops and catches.

Each part of a flow has one way in and one way out, so it gets a box of its own: no parts overlap,
and edges run between the boxes. Sizes are measured from the inside out (``measure.py``), then
parts are placed from the outside in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from durable.authoring.nodes.graph import END, JOIN, OTHERWISE, START, tree_of
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
from durable.drawing import measure, words
from durable.drawing.measure import (
    BETWEEN,
    GAP,
    JOIN_SIZE,
    PAD,
    PILL_H,
    PILL_W,
    RAIL,
    TAG_H,
    Column,
    Columns,
    Measure,
)
from durable.drawing.shapes import Box, EdgeLabel, Frame, Layout, PlacedEdge, PlacedNode, Point

MARGIN = 16


@dataclass(frozen=True)
class _End:
    """An unfinished edge: its points so far lead to the end of its part."""

    source: str
    points: tuple[Point, ...]
    label: str = ""
    way: str = ""
    kind: str = "flow"
    shown: EdgeLabel | None = None

    def to(self, *points: Point) -> _End:
        """The same edge with more points."""
        return replace(self, points=(*self.points, *points))


Ends = list[_End]


def layout(source: Tree | type[Any]) -> Layout:
    """The drawing of a tree, or of a workflow class."""
    tree = tree_of(source)
    sizes = Measure(tree)
    root = sizes.size(tree.root)
    left, right = max(root.left, PILL_W / 2), max(root.right, PILL_W / 2)
    placing = _Placing(sizes)
    placing.whole(tree, MARGIN + left, MARGIN)
    height = 2 * MARGIN + 2 * (PILL_H + GAP) + root.height
    return Layout(
        2 * MARGIN + left + right,
        height,
        tuple(placing.nodes),
        tuple(placing.edges),
        tuple(placing.frames),
    )


class _Placing:
    """Places nodes, edges and frames, in the same walk as ``graph``."""

    def __init__(self, sizes: Measure) -> None:
        self.sizes = sizes
        self.nodes: list[PlacedNode] = []
        self.edges: list[PlacedEdge] = []
        self.frames: list[Frame] = []
        self.placers: dict[type[Node], Callable[[Any, float, float, Ends], Ends]] = {
            Chain: self.chain,
            Leaf: self.leaf,
            Branch: self.branch,
            Parallel: self.parallel,
            Foreach: self.loop,
            Repeat: self.loop,
            Catch: self.catch,
        }

    def whole(self, tree: Tree, x: float, y: float) -> None:
        """Place the whole flow between start and end, on the axis ``x``."""
        pill = Box(x - PILL_W / 2, y, PILL_W, PILL_H)
        self.add(START, "start", pill)
        begin = [_End(START, (Point(x, pill.bottom),))]
        ends = self.part(tree.root, x, pill.bottom + GAP, begin)
        y = pill.bottom + GAP + self.sizes.size(tree.root).height + GAP
        self.add(END, "end", Box(x - PILL_W / 2, y, PILL_W, PILL_H))
        self.arrive(ends, END, Point(x, y))

    def part(self, node: Node, x: float, y: float, ends: Ends) -> Ends:
        """Place a part with its axis at ``x``, reached by ``ends`` at its top ``y``.

        Returns the edges that leave it, at the lower end of its axis.
        """
        return self.placers[type(node)](node, x, y, ends)

    def add(self, path: str, name: str, box: Box) -> None:
        """Add a start, end or join: its kind is its name."""
        self.nodes.append(PlacedNode(path, name, name, "", (name,), box))

    def card(self, node: Node, x: float, y: float, ends: Ends) -> Box:
        """Add a node on the axis, and the edges that end at the node; returns the box."""
        width = self.sizes.card
        box = Box(x - width / 2, y, width, self.sizes.card_height(node))
        lines = tuple(self.sizes.lines(node))
        note = words.note(node)
        self.nodes.append(PlacedNode(node.path, node.label, node.kind, note, lines, box))
        self.arrive(ends, node.path, Point(x, y))
        return box

    def arrive(self, ends: Ends, target: str, *points: Point) -> None:
        """Finish edges at their target."""
        for end in ends:
            way = _straightened(end.to(*points).points)
            self.edges.append(
                PlacedEdge(end.source, target, end.label, end.way, end.kind, way, end.shown)
            )

    # -- parts -------------------------------------------------------------------------------

    def chain(self, node: Chain, x: float, y: float, ends: Ends) -> Ends:
        for child in node.nodes:
            ends = self.part(child, x, y, ends)
            y += self.sizes.size(child).height + GAP
        return ends

    def leaf(self, node: Leaf, x: float, y: float, ends: Ends) -> Ends:
        box = self.card(node, x, y, ends)
        return [_End(node.path, (Point(x, box.bottom),))]

    def branch(self, node: Branch, x: float, y: float, ends: Ends) -> Ends:
        head = self.card(node, x, y, ends)
        return self.forked(node, measure.columns_of_branch(node), x, head)

    def parallel(self, node: Parallel, x: float, y: float, ends: Ends) -> Ends:
        head = self.card(node, x, y, ends)
        ends = self.forked(node, measure.columns_of_parallel(node), x, head)
        y += self.sizes.size(node).height - JOIN_SIZE
        join = node.path + JOIN
        self.add(join, "join", Box(x - JOIN_SIZE / 2, y, JOIN_SIZE, JOIN_SIZE))
        self.arrive(ends, join, Point(x, y))
        return [_End(join, (Point(x, y + JOIN_SIZE),))]

    def forked(self, node: Node, columns: list[Column], x: float, head: Box) -> Ends:
        """Place the columns below a node; their ends meet again on its axis."""
        found = self.sizes.columns(columns)
        first = x - self.sizes.axis(columns, found)
        rail = head.bottom + RAIL
        start = _End(node.path, (Point(x, head.bottom), Point(x, rail)))
        ends = self.side_by_side(columns, found, first, rail, start)
        meet = head.bottom + found.head + found.height + RAIL
        return [end.to(Point(end.points[-1].x, meet), Point(x, meet)) for end in ends]

    def side_by_side(
        self, columns: list[Column], found: Columns, first: float, rail: float, start: _End
    ) -> Ends:
        """Place columns from the left side ``first`` on, reached along a rail."""
        ends: Ends = []
        top = rail - RAIL + found.head
        for column, axis in zip(columns, found.axes, strict=True):
            at = Point(first + axis, rail)
            body = column.body
            way = start.source + OTHERWISE if body is None else body.path
            end = replace(start.to(at), label=column.label, way=way, shown=_tag(column.tag, at))
            ends += [end] if body is None else self.part(body, at.x, top, [end])
        return ends

    def loop(self, node: Foreach | Repeat, x: float, y: float, ends: Ends) -> Ends:
        size, body = self.sizes.size(node), self.sizes.size(node.body)
        frame = Box(x - size.left, y, size.left + size.right, size.height)
        self.frames.append(Frame(node.path, node.kind, frame))
        head = self.card(node, x, y + PAD, ends)
        top = head.bottom + self.sizes.loop_head()
        at = Point(x, head.bottom)
        tag = _tag(node.round, at)
        inside = [_End(node.path, (at,), node.round, node.body.path, shown=tag)]
        inside = [replace(end, kind="back") for end in self.part(node.body, x, top, inside)]
        low, lane = top + body.height + RAIL, frame.right - PAD
        middle = head.middle.y
        back = (Point(x, low), Point(lane, low), Point(lane, middle), Point(head.right, middle))
        self.arrive(inside, node.path, *back)
        return [_End(node.path, (Point(x, frame.bottom),), "done")]

    def catch(self, node: Catch, x: float, y: float, ends: Ends) -> Ends:
        size = self.sizes.catch_frame(node)
        frame = Box(x - size.left, y, size.left + size.right, size.height)
        self.frames.append(Frame(node.path, node.kind, frame))
        head = self.card(node, x, y + PAD, ends)
        inside = [_End(node.path, (Point(x, head.bottom),), way=node.body.path)]
        done = self.part(node.body, x, head.bottom + GAP, inside)
        columns = measure.columns_of_catch(node)
        found = self.sizes.columns(columns)
        rail = head.middle.y
        start = _End(node.path, (Point(frame.right, rail),), kind="error")
        handled = self.side_by_side(columns, found, frame.right + BETWEEN, rail, start)
        meet = y + self.sizes.size(node).height
        done = [end.to(Point(x, meet)) for end in done]
        return done + [end.to(Point(end.points[-1].x, meet), Point(x, meet)) for end in handled]


def _tag(tag: str, at: Point) -> EdgeLabel | None:
    """A label on the straight piece below a point; none without a text."""
    if not tag:
        return None
    width = measure.tag_width(tag)
    return EdgeLabel(tag, Box(at.x - width / 2, at.y + 4, width, TAG_H))


def _straightened(points: tuple[Point, ...]) -> tuple[Point, ...]:
    """The points without repetitions and without those in the middle of a straight line."""
    found: list[Point] = []
    for point in points:
        if found and point == found[-1]:
            continue
        if len(found) > 1 and _in_line(found[-2], found[-1], point):
            found[-1] = point
        else:
            found.append(point)
    return tuple(found)


def _in_line(a: Point, b: Point, c: Point) -> bool:
    return a.x == b.x == c.x or a.y == b.y == c.y
