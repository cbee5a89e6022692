"""Measure the room of each part of a flow, from the inside out."""

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
    walk,
)
from durable.drawing import text, words
from durable.showing.characters import drawable

LABEL, NOTE, TAG = 13, 12, 11.5  # font sizes: names, notes, labels of edges
LINE = 16  # from one line of a name to the next

CARD = 44  # the height of a node with a name of one line
NARROWEST, WIDEST = 188, 228
TEXT_AT, TEXT_END = 42, 14  # the space left and right of a card's text

PILL_W, PILL_H = 72, 28  # start and end
JOIN_SIZE = 16

GAP = 24  # between one node and the next below it
BETWEEN = 28  # between columns
RAIL = 12  # from a node down to its fork, from the lowest column to where the ways meet
TAG_H = 18  # the height of the label of an edge
TAG_PAD = 7
TAG_WIDEST = 150  # no wider than a card, padding included
ARROW = 14  # a straight piece before each arrowhead
PAD = 14  # from a frame to its content
LANE = 18  # from the body of a loop to the line back


class Size(NamedTuple):
    """The room of a part around its axis; the flow enters at the top and leaves at the bottom."""

    left: float
    right: float
    height: float


class Column(NamedTuple):
    """One of several ways side by side, with its label ``tag``; no ``body``: past all others."""

    body: Chain | None
    label: str
    tag: str


@dataclass(frozen=True)
class Columns:
    """Columns side by side: the places of their axes (from the left side of the first), and their
    room together. ``head`` is the height of the rails and tags above them.
    """

    axes: tuple[float, ...]
    width: float
    height: float
    head: float


class Measure:
    """The sizes of all parts of one tree; ``card`` is the width of its nodes."""

    def __init__(self, tree: Tree) -> None:
        self.card = self._card_width(tree)
        self.sizes: dict[int, Size] = {}
        self.of_kind: dict[type[Node], Callable[[Any], Size]] = {
            Chain: self._chain,
            Leaf: self._leaf,
            Branch: self._branch,
            Parallel: self._parallel,
            Foreach: self._loop,
            Repeat: self._loop,
            Catch: self._catch,
        }

    def size(self, node: Node) -> Size:
        """The room of a part."""
        known = self.sizes.get(id(node))
        if known is None:
            known = self.sizes[id(node)] = self.of_kind[type(node)](node)
        return known

    # -- single nodes ------------------------------------------------------------------------

    def _card_width(self, tree: Tree) -> float:
        """One width for all nodes: enough for the longest name, within limits."""
        widest = 0.0
        for node in walk(tree.root):
            if isinstance(node, Chain):
                continue
            widest = max(
                widest,
                text.width(drawable(node.label), LABEL, bold=True),
                text.width(words.note(node), NOTE),
            )
        width = min(max(widest + TEXT_AT + TEXT_END, NARROWEST), WIDEST)
        return 2 * -(-width // 2)

    @property
    def room(self) -> float:
        """The width of the text in a node."""
        return self.card - TEXT_AT - TEXT_END

    def lines(self, node: Node) -> list[str]:
        """The name of a node in one or two lines, cut if it is longer."""
        label = drawable(node.label)
        return text.wrap(label, self.room, LABEL, lines=2, bold=True)

    def card_height(self, node: Node) -> float:
        """The height of a node's box: a long name takes two lines."""
        return CARD + LINE * (len(self.lines(node)) - 1)

    # -- parts -------------------------------------------------------------------------------

    def _leaf(self, node: Leaf) -> Size:
        return Size(self.card / 2, self.card / 2, self.card_height(node))

    def _chain(self, node: Chain) -> Size:
        sizes = [self.size(child) for child in node.nodes]
        return Size(
            max(size.left for size in sizes),
            max(size.right for size in sizes),
            sum(size.height for size in sizes) + GAP * (len(sizes) - 1),
        )

    def _branch(self, node: Branch) -> Size:
        return self._forked(node, columns_of_branch(node), RAIL)

    def _parallel(self, node: Parallel) -> Size:
        return self._forked(node, columns_of_parallel(node), RAIL + ARROW + JOIN_SIZE)

    def _forked(self, node: Node, columns: list[Column], foot: float) -> Size:
        found = self.columns(columns)
        left, right = around(found, self.axis(columns, found))
        height = self.card_height(node) + found.head + found.height + foot
        return Size(max(left, self.card / 2), max(right, self.card / 2), height)

    def _loop(self, node: Foreach | Repeat) -> Size:
        body = self.size(node.body)
        height = PAD + self.card_height(node) + self.loop_head() + body.height + RAIL + PAD
        side = PAD + max(body.right, self.card / 2) + LANE
        return Size(PAD + max(body.left, self.card / 2), side, height)

    def _catch(self, node: Catch) -> Size:
        frame = self.catch_frame(node)
        found = self.columns(columns_of_catch(node))
        below = PAD + self.card_height(node) / 2 + found.head - RAIL + found.height
        right = frame.right + BETWEEN + found.width
        return Size(frame.left, right, max(frame.height, below) + RAIL)

    def catch_frame(self, node: Catch) -> Size:
        """The frame of a catch, without its handlers."""
        body = self.size(node.body)
        return Size(
            PAD + max(body.left, self.card / 2),
            PAD + max(body.right, self.card / 2),
            PAD + self.card_height(node) + GAP + body.height + PAD,
        )

    def loop_head(self) -> float:
        """The height from the head of a loop to its body: room for the edge's label."""
        return 4 + TAG_H + ARROW

    # -- columns -----------------------------------------------------------------------------

    def columns(self, columns: list[Column]) -> Columns:
        """Put columns side by side."""
        axes, at, tallest = [], 0.0, 0.0
        for number, column in enumerate(columns):
            half = tag_width(column.tag) / 2
            size = Size(half, half, 0) if column.body is None else self.size(column.body)
            at += size.left + (BETWEEN if number else 0)
            axes.append(at)
            at += size.right
            tallest = max(tallest, size.height)
        tagged = any(column.tag for column in columns)
        head = RAIL + (4 + TAG_H if tagged else 0) + ARROW
        return Columns(tuple(axes), at, tallest, head)

    def axis(self, columns: list[Column], found: Columns) -> float:
        """The place of a fork's axis: the middle of its columns; of a single case, the case's."""
        if len(columns) == 2 and columns[1].body is None:
            return found.axes[0]
        return round((found.axes[0] + found.axes[-1]) / 2)


def around(found: Columns, axis: float) -> tuple[float, float]:
    """How far columns reach to the left and right of an axis."""
    return axis, found.width - axis


def columns_of_branch(node: Branch) -> list[Column]:
    """The cases, then the default or the way past them."""
    cases = [_column(case.body, case.label) for case in node.cases]
    if node.default is None:
        return [*cases, _column(None, "otherwise")]
    return [*cases, _column(node.default, "default")]


def columns_of_parallel(node: Parallel) -> list[Column]:
    """The branches; no tag if a branch has the same name as its first node."""
    found = []
    for label, body in node.branches.items():
        repeated = label == body.nodes[0].label
        found.append(Column(body, label, "") if repeated else _column(body, label))
    return found


def columns_of_catch(node: Catch) -> list[Column]:
    """The handlers."""
    return [_column(handler.body, handler.label) for handler in node.handlers]


def _column(body: Chain | None, label: str) -> Column:
    return Column(body, label, text.cut(drawable(label), TAG_WIDEST, TAG, bold=True))


def tag_width(tag: str) -> float:
    """The width of an edge's label with its padding, in whole pixels."""
    return 2 * -(-(text.width(tag, TAG, bold=True) + 2 * TAG_PAD) // 2) if tag else 0
