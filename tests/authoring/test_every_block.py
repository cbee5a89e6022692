"""Every kind of node is known wherever each kind has an entry of its own (decision 0016)."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from durable.authoring.nodes.flow import Block
from durable.authoring.nodes.graph import _Drawing
from durable.authoring.nodes.tree import Chain, Leaf, Node, Tree
from durable.authoring.parse.build import _Builder
from durable.drawing import icons, words
from durable.drawing.dot import SHAPES as DOT_SHAPES
from durable.drawing.layout import _Placing
from durable.drawing.measure import Measure
from durable.drawing.mermaid import SHAPES as MERMAID_SHAPES
from durable.showing.run.items import Crowd
from durable.showing.run.overlay import _Walk

EMPTY = Tree(Chain("", "", ()))
NODES = {cls for cls in Node.__subclasses__() if cls.__module__ == Node.__module__}
INSIDE_CHAINS = NODES - {Chain}
BLOCKS = {cls.__name__.lower() for cls in NODES - {Chain, Leaf}}


def test_there_are_blocks() -> None:
    assert {"branch", "parallel", "foreach", "repeat", "catch"} <= BLOCKS


def test_every_block_that_can_be_written_is_built() -> None:
    written = {cls for cls in Block.__subclasses__() if cls.__module__ == Block.__module__}
    built = {cls.__name__ for cls in _Builder(object, {}).builders}
    assert {cls.__name__ for cls in written} == built | {"ChainBlock"}
    assert built == {f"{cls.__name__}Block" for cls in NODES - {Chain, Leaf}}


@pytest.mark.parametrize(
    ("known", "nodes"),
    [
        pytest.param(_Drawing().drawers, NODES, id="graph"),
        pytest.param(Measure(EMPTY).of_kind, NODES, id="measure"),
        pytest.param(_Placing(Measure(EMPTY)).placers, NODES, id="layout"),
        pytest.param(_Walk(EMPTY, Crowd()).visits, INSIDE_CHAINS, id="run"),
        pytest.param(_Walk(EMPTY, Crowd()).crowd.visits, INSIDE_CHAINS, id="items"),
    ],
)
def test_every_kind_of_node_has_a_place_in_the_drawings(
    known: Collection[type[Node]], nodes: set[type[Node]]
) -> None:
    assert set(known) == nodes


@pytest.mark.parametrize("known", [words.KINDS, icons.KINDS, DOT_SHAPES, MERMAID_SHAPES])
def test_every_kind_of_block_has_a_word_a_sign_and_a_shape(known: Collection[str]) -> None:
    assert set(known) >= BLOCKS
