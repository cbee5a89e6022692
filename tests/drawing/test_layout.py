"""The layout of a flow: nothing overlaps, edges lead from node to node and through none."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings

from durable.authoring import branch, catch, chain, foreach, parallel, repeat
from durable.authoring.nodes.graph import GraphNode, graph
from durable.authoring.nodes.tree import Catch, Foreach, Repeat, Tree
from durable.drawing import Layout, layout
from durable.drawing.shapes import Box, PlacedEdge, Point
from tests import flows

APART = 12  # pixels between any two nodes; half of it between an edge and a node not its own
MARKS = ("start", "end", "join")


class Segment(NamedTuple):
    """A straight piece of an edge."""

    start: Point
    end: Point

    @property
    def box(self) -> Box:
        """The (flat) rectangle that it takes."""
        (x1, x2), (y1, y2) = sorted((self.start.x, self.end.x)), sorted((self.start.y, self.end.y))
        return Box(x1, y1, x2 - x1, y2 - y1)


def segments(edge: PlacedEdge) -> Iterator[Segment]:
    for start, end in pairwise(edge.points):
        yield Segment(start, end)


def overlap(one: Box, other: Box) -> bool:
    """Whether the insides of two rectangles (which may be flat) have a point in common."""
    return (
        one.x < other.right
        and other.x < one.right
        and one.y < other.bottom
        and other.y < one.bottom
    )


def grown(box: Box, by: float) -> Box:
    """A rectangle with a margin."""
    return Box(box.x - by, box.y - by, box.w + 2 * by, box.h + 2 * by)


def inside(inner: Box, outer: Box) -> bool:
    return (
        outer.x <= inner.x
        and inner.right <= outer.right
        and outer.y <= inner.y
        and inner.bottom <= outer.bottom
    )


def on_border(point: Point, box: Box) -> bool:
    on_side = point.x in (box.x, box.right) and box.y <= point.y <= box.bottom
    return on_side or (point.y in (box.y, box.bottom) and box.x <= point.x <= box.right)


def crossing(one: Segment, other: Segment) -> bool:
    """Whether two pieces cross in the middle of both; to meet at an end is no crossing."""
    a, b = one.box, other.box
    if (a.w == 0) == (b.w == 0):
        return False
    flat, tall = (a, b) if a.h == 0 else (b, a)
    return flat.x < tall.x < flat.right and tall.y < flat.y < tall.bottom


def check(source: Tree) -> Layout:
    """Everything that is promised of a layout."""
    drawn, written = layout(source), graph(source)
    check_boxes(drawn)
    check_frames(drawn, source)
    check_edges(drawn)
    check_labels(drawn)
    nodes = [GraphNode(node.path, node.label, node.kind) for node in drawn.nodes]
    assert nodes == list(written.nodes)
    found = sorted((edge.source, edge.target, edge.label, edge.way) for edge in drawn.edges)
    assert found == sorted((e.source, e.target, e.label, e.way) for e in written.edges)
    return drawn


def check_boxes(drawn: Layout) -> None:
    paper = Box(0, 0, drawn.width, drawn.height)
    for node in drawn.nodes:
        assert inside(node.box, paper), node
    for one, other in combinations(drawn.nodes, 2):
        assert not overlap(grown(one.box, APART), other.box), (one.path, other.path)


def check_frames(drawn: Layout, tree: Tree) -> None:
    paper = Box(0, 0, drawn.width, drawn.height)
    for frame in drawn.frames:
        assert inside(frame.box, paper)
        owner = tree.find(frame.path)
        assert isinstance(owner, Foreach | Repeat | Catch)
        for node in drawn.nodes:
            belongs = node.path == owner.path or node.path.startswith(f"{owner.body.path}/")
            assert inside(node.box, frame.box) == belongs, (frame.path, node.path)
            assert belongs or not overlap(node.box, frame.box), (frame.path, node.path)
    for one, other in combinations(drawn.frames, 2):
        assert inside(other.box, one.box) or not overlap(one.box, other.box)


def check_edges(drawn: Layout) -> None:
    boxes = {node.path: node.box for node in drawn.nodes}
    frames = {frame.path: frame.box for frame in drawn.frames}
    paper = Box(0, 0, drawn.width, drawn.height)
    for edge in drawn.edges:
        first, last = edge.points[0], edge.points[-1]
        starts = [boxes[edge.source], *([frames[edge.source]] if edge.source in frames else [])]
        assert any(on_border(first, box) for box in starts), edge
        assert on_border(last, boxes[edge.target]), edge
        *_, into = segments(edge)
        assert into.box.w + into.box.h >= 10, f"no room for the head of {edge}"
        for piece in segments(edge):
            assert (piece.start.x == piece.end.x) != (piece.start.y == piece.end.y), edge
            assert inside(piece.box, paper)
            for path, box in boxes.items():
                margin = 0 if path in (edge.source, edge.target) else APART / 2
                assert not overlap(piece.box, grown(box, margin)), f"{edge} passes through {path}"
            for path, box in frames.items():
                ends = path in (edge.source, edge.target) or any(
                    inside(boxes[end], box) for end in (edge.source, edge.target)
                )
                assert ends or not overlap(piece.box, box), f"{edge} passes through {path}"
                if edge.kind == "back" and path == edge.target:
                    assert inside(piece.box, grown(box, -APART / 2)), f"{edge} leaves its frame"
    for one, other in combinations(drawn.edges, 2):
        for a in segments(one):
            for b in segments(other):
                assert not crossing(a, b), f"{one} and {other} cross"


def check_labels(drawn: Layout) -> None:
    shown = [(edge, edge.shown.box) for edge in drawn.edges if edge.shown is not None]
    paper = Box(0, 0, drawn.width, drawn.height)
    for edge, box in shown:
        assert inside(box, paper), edge
        assert any(overlap(piece.box, box) for piece in segments(edge)), f"{edge} is not labelled"
        for node in drawn.nodes:
            assert not overlap(box, node.box), (edge.label, node.path)
        for other in drawn.edges:
            for piece in segments(other):
                assert other is edge or not overlap(piece.box, box), f"{other} crosses {edge.label}"
    for (_, one), (_, other_box) in combinations(shown, 2):
        assert not overlap(one, other_box)


@settings(max_examples=80)
@given(flows.trees())
def test_random_flows_are_drawn_without_overlaps_and_crossings(tree: Tree) -> None:
    check(tree)


@pytest.mark.parametrize("seed", range(12))
def test_large_random_flows_too(seed: int) -> None:
    check(flows.large_tree(Random(seed), 60))


@settings(max_examples=30)
@given(flows.trees(names=flows.NAMES))
def test_names_in_any_script_fit_into_their_boxes(tree: Tree) -> None:
    drawn = check(tree)
    for node in drawn.nodes:
        assert 1 <= len(node.lines) <= 2
        assert node.box.h == {1: 44, 2: 60}[len(node.lines)] or node.kind in MARKS


@pytest.mark.parametrize("name", sorted(flows.SEED))
def test_the_seed_workflows_are_drawn(name: str) -> None:
    drawn = check(flows.seed()[name].definition.tree)
    assert drawn.width <= 660
    assert drawn.height <= 600


def test_forty_nodes_of_all_kinds_fit_on_a_wide_page_of_readable_size() -> None:
    drawn = check(flows.everything().definition.tree)
    parts = [node for node in drawn.nodes if node.kind not in MARKS]
    assert 40 <= len(parts) <= 50
    assert {node.kind for node in parts} == {
        "step", "sleep", "event", "approval", "workflow", "branch", "parallel", "foreach",
        "repeat", "catch",
    }  # fmt: skip
    assert drawn.width <= 1200
    assert drawn.height <= 2800


def test_several_hundred_nodes_are_drawn() -> None:
    def hundreds(one: flows.AnyStep) -> Any:
        column = chain(*(one.named(f"s{n}") for n in range(12)))
        return parallel(
            **{
                f"b{n}": chain(
                    branch("x", {1: column, 2: column}, name="case"),
                    foreach("items", column, name="items"),
                )
                for n in range(8)
            }
        )

    drawn = layout(flows.of(hundreds))
    assert len(drawn.nodes) == 8 * (3 * 12 + 2) + 4
    check_boxes(drawn)


def test_one_node_is_drawn_between_start_and_end() -> None:
    drawn = check(flows.of(lambda one: one))
    assert [node.path for node in drawn.nodes] == ["#start", "one", "#end"]
    axis = {node.box.middle.x for node in drawn.nodes}
    assert len(axis) == 1
    assert [edge.points[0].x == edge.points[-1].x for edge in drawn.edges] == [True, True]


def test_the_main_way_of_a_flow_is_straight() -> None:
    tree = flows.of(
        lambda one: chain(
            one, branch("late", {True: one.named("remind")}), catch(one.named("pay"), {"no": one})
        )
    )
    boxes = {node.path: node.box for node in check(tree).nodes}
    main = ("#start", "one", "late", "late/true/remind", "catch", "catch/do/pay", "#end")
    assert len({boxes[path].middle.x for path in main}) == 1
    assert boxes["catch/no/one"].x > boxes["catch/do/pay"].right


def test_the_ways_of_a_branch_stand_side_by_side_and_loops_lead_back_beside_their_body() -> None:
    tree = flows.of(
        lambda one: chain(
            branch("x", {1: one, 2: one, 3: one}, default=one), repeat(one, until="done")
        )
    )
    drawn = check(tree)
    boxes = {node.path: node.box for node in drawn.nodes}
    cases = [boxes[f"x/{case}/one"] for case in ("1", "2", "3", "default")]
    assert len({box.y for box in cases}) == 1
    assert sorted(cases, key=lambda box: box.x) == cases
    (back,) = [edge for edge in drawn.edges if edge.kind == "back"]
    assert (back.source, back.target) == ("repeat/do/one", "repeat")
    assert max(point.x for point in back.points) > boxes["repeat/do/one"].right


def test_errors_lead_out_of_the_frame_of_their_catch() -> None:
    drawn = check(flows.of(lambda one: catch(one, {"declined": one, "timeout": one})))
    (frame,) = drawn.frames
    errors = [edge for edge in drawn.edges if edge.kind == "error"]
    assert [edge.label for edge in errors] == ["declined", "timeout"]
    assert {edge.points[0].x for edge in errors} == {frame.box.right}


def test_a_long_name_takes_two_lines_and_ends_with_an_ellipsis() -> None:
    tree = flows.of(lambda one: one.named("a_name_of_several_words_that_takes_more_than_one_line"))
    (node,) = [node for node in check(tree).nodes if node.kind == "step"]
    assert len(node.lines) == 2
    assert node.lines[0] == "a_name_of_several_"
    assert node.lines[1].endswith("…")
    assert node.box.h > layout(flows.of(lambda one: one)).nodes[1].box.h


def test_the_label_of_a_branch_that_repeats_its_step_is_left_out() -> None:
    shown = {
        edge.label: edge.shown is not None
        for edge in check(flows.of(lambda one: parallel(one, other=one))).edges
    }
    assert shown["one"] is False
    assert shown["other"] is True
