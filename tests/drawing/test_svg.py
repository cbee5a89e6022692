"""The drawing as SVG: for everybody's eyes, ears and keyboards, whatever the names contain."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from django.utils import translation
from django.utils.html import conditional_escape
from hypothesis import given, settings
from hypothesis import strategies as st

import durable
from durable.authoring import branch, catch, chain, foreach
from durable.authoring.nodes.tree import Tree
from durable.drawing import NodeState, Overlay, Progress, layout, svg
from durable.drawing.overlay import NODE_STATUSES
from durable.showing.characters import drawable
from tests import flows

SVG = "{http://www.w3.org/2000/svg}"
STYLESHEET = Path(durable.__file__).parent / "static/durable/graph.css"


def parsed(tree: Tree, **options: Any) -> ElementTree.Element:
    return ElementTree.fromstring(svg(layout(tree), title="drawn", **options))


def items(picture: ElementTree.Element) -> list[ElementTree.Element]:
    """The nodes, in order."""
    (found,) = [one for one in picture.iter(f"{SVG}g") if one.get("role") == "list"]
    return list(found)


def sentences(picture: ElementTree.Element) -> list[str]:
    """What is said about the nodes."""
    return [str(item.get("aria-label")) for item in items(picture)]


def classes(item: ElementTree.Element) -> set[str]:
    return set(str(item.get("class")).split())


def texts(item: ElementTree.Element) -> list[str]:
    return [str(text.text) for text in item.iter(f"{SVG}text")]


def simple(one: flows.AnyStep) -> Any:
    return chain(one, branch("late", {True: one.named("remind")}))


STATES = st.builds(
    NodeState,
    status=st.sampled_from(NODE_STATUSES),
    attempts=st.integers(0, 9),
    rounds=st.integers(0, 9),
    progress=st.none() | st.builds(Progress, st.integers(0, 9), st.integers(0, 9)),
    detail=st.text(max_size=30),
    here=st.booleans(),
)


@settings(max_examples=60)
@given(flows.trees(names=flows.NAMES), st.data())
def test_any_flow_in_any_state_is_well_formed_and_complete(tree: Tree, data: st.DataObject) -> None:
    drawn = layout(tree)
    states = {node.path: data.draw(STATES) for node in drawn.nodes}
    for overlay in (None, Overlay(states)):
        for standalone in (False, True):
            picture = parsed(tree, overlay=overlay, standalone=standalone)
            assert [drawable(node.label) in said for node, said in zip(
                drawn.nodes, sentences(picture), strict=True
            )] == [True] * len(drawn.nodes)  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        "\"' onload=alert(1) x='",
        "]]>",
        "&amp;",
        "a\x00b\x1b",
        "\ud800",
    ],
)
def test_a_name_can_not_break_out(name: str) -> None:
    tree = flows.planned(("branch", [name], None))
    text = svg(
        layout(tree),
        title=name,
        href=lambda path: f"?path={name}",
        id=name,
        overlay=Overlay({"x/when-1/s0": NodeState("failed", detail=name)}, title=name),
    )
    picture = ElementTree.fromstring(text)
    tags = {one.tag.removeprefix(SVG) for one in picture.iter()}
    assert tags <= {"svg", "title", "desc", "g", "a", "rect", "path", "text", "circle"}
    for one in picture.iter():
        assert not [attribute for attribute in one.attrib if attribute.startswith("on")]
    assert drawable(name) in "".join(picture.itertext())


def test_a_page_with_a_strict_policy_shows_it() -> None:
    text = svg(layout(flows.everything().definition.tree), title="flow", overlay=Overlay())
    assert "style" not in text
    assert "url(" not in text
    assert set(re.findall(r"https?://[^\"]*", text)) == {"http://www.w3.org/2000/svg"}


def test_it_can_be_put_into_a_template_as_it_is() -> None:
    text = svg(layout(flows.of(simple)), title="a & b")
    assert conditional_escape(text) == text
    assert "a &amp; b" in text
    assert not text.startswith("<?xml")


def test_a_file_brings_its_style_and_its_paper() -> None:
    text = svg(layout(flows.of(simple)), title="flow", standalone=True)
    assert text.startswith("<?xml")
    picture = ElementTree.fromstring(text)
    (style,) = picture.iter(f"{SVG}style")
    assert style.text == STYLESHEET.read_text()
    assert any("dg-paper" in classes(one) for one in picture.iter(f"{SVG}rect"))


def test_the_picture_and_each_node_are_named_and_in_order() -> None:
    picture = parsed(flows.of(simple), id="one")
    assert picture.get("role") == "group"
    named = {one.get("id"): one.text for one in picture if one.get("id")}
    assert picture.get("aria-labelledby") in named
    assert picture.get("aria-describedby") in named
    assert named["one-title"] == "drawn"
    assert named["one-desc"] == "A flow of 3 nodes, from start to end."
    assert sentences(picture) == [
        "start. Leads to one",
        "step one. Leads to late",
        "branch late: 2 ways. Leads to remind (true), end (otherwise)",
        "step remind (late/true/remind). Leads to end",
        "end",
    ]


def test_all_nodes_can_be_reached_by_keyboard() -> None:
    for item in items(parsed(flows.of(simple))):
        assert item.get("tabindex") == "0"
        assert item.get("role") == "listitem"
        (title,) = item.findall(f"{SVG}title")
        assert title.text == item.get("aria-label")


def test_nodes_lead_to_pages_where_there_are_any() -> None:
    pages = {"one": "/steps/?path=one&x=1"}
    found = items(parsed(flows.of(simple), href=pages.get))
    assert [item.get("role") for item in found] == ["listitem"] * 5
    links = [link for item in found for link in item.findall(f"{SVG}a")]
    assert [link.get("href") for link in links] == ["/steps/?path=one&x=1"]
    title = links[0].findtext(f"{SVG}title")  # which names it
    assert str(title).startswith("step one")
    assert found[1].get("tabindex") is None


def test_a_state_is_said_in_words_sign_and_class() -> None:
    for status in NODE_STATUSES:
        overlay = Overlay({"one": NodeState(status, here=True)})
        node = items(parsed(flows.of(simple), overlay=overlay))[1]
        assert f"dg-is-{status}" in classes(node)
        word = {"compensated": "undone"}.get(status, status)
        assert texts(node)[1] == word
        assert f": {word}. " in str(node.get("aria-label"))
        signs = [one for one in node.iter(f"{SVG}g") if "dg-badge" in str(one.get("class"))]
        assert len(signs) == (status != "pending")


def test_signs_of_states_differ() -> None:
    from durable.drawing import icons

    assert len(set(icons.STATUSES.values())) == len(NODE_STATUSES) - 1
    assert set(icons.STATUSES) == set(NODE_STATUSES) - {"pending"}


def test_attempts_rounds_and_details_are_said() -> None:
    def said(state: NodeState) -> str:
        return texts(items(parsed(flows.of(simple), overlay=Overlay({"one": state})))[1])[1]

    assert said(NodeState("done", 1)) == "done"
    assert said(NodeState("done", 3)) == "done · 3 attempts"
    assert said(NodeState("done", 1, 4)) == "done · ×4"
    assert said(NodeState("failed", 1, detail="Fail")) == "failed · Fail"
    assert said(NodeState("running", 2)) == "running · attempt 2"
    assert said(NodeState("waiting", 2, detail="retry 5 May 12:00")) == "retry 5 May 12:00"
    assert said(NodeState("failed", 3, detail="card_declined")) == "card_declined"
    assert said(NodeState("running", progress=Progress(37, 100, 2))) == "37/100, 2 failed"
    whole = parsed(
        flows.of(simple), overlay=Overlay({"one": NodeState("running", detail="x" * 50)})
    )
    assert texts(items(whole)[1])[1].endswith("…")
    assert f"step one: running · {'x' * 50}. " in sentences(whole)[1]


def test_the_progress_of_a_foreach_is_a_bar_too() -> None:
    tree = flows.of(lambda one: foreach("items", one, name="each"))

    def bars(done: int, failed: int) -> dict[str, float]:
        state = NodeState("running", progress=Progress(done, 100, failed))
        node = items(parsed(tree, overlay=Overlay({"each": state})))[1]
        found = [one for one in node.iter(f"{SVG}rect") if "dg-bar" in str(one.get("class"))]
        return {str(one.get("class")): float(one.get("width", 0)) for one in found}

    some = bars(30, 10)
    assert some["dg-bar-done"] == pytest.approx(some["dg-bar"] * 0.3, abs=0.1)
    assert some["dg-bar-failed"] == pytest.approx(some["dg-bar"] * 0.1, abs=0.1)
    assert set(bars(0, 0)) == {"dg-bar"}
    assert bars(100, 0) == {}


def test_edges_that_were_taken_are_marked_and_lie_above_the_others() -> None:
    overlay = Overlay(
        {
            "one": NodeState("done"),
            "late": NodeState("done"),
            "late/true/remind": NodeState("skipped"),
        },
        frozenset({"late#otherwise"}),
        completed=True,
        over=True,
    )
    picture = parsed(flows.of(simple), overlay=overlay)
    lines = [one for one in picture.iter(f"{SVG}path") if "dg-edge" in classes(one)]
    assert ["dg-taken" in classes(one) for one in lines] == [False, False, True, True, True]
    (tag,) = [one for one in picture.iter(f"{SVG}g") if {"dg-tag", "dg-taken"} <= classes(one)]
    assert texts(tag) == ["otherwise"]


def test_errors_loops_and_frames_are_told_apart() -> None:
    tree = flows.of(lambda one: catch(foreach("items", one), {"declined": one}))
    text = svg(layout(tree), title="flow")
    for name in ("dg-edge dg-error", "dg-edge dg-back", "dg-frame dg-catch", "dg-frame dg-foreach"):
        assert name in text


def test_kinds_differ_in_shape_or_sign() -> None:
    from durable.drawing import icons, outline
    from durable.drawing.shapes import Box

    kinds = ("step", "sleep", "event", "approval", "workflow", "branch", "parallel", "foreach",
             "repeat", "catch")  # fmt: skip
    assert len({icons.KINDS[kind] for kind in kinds}) == len(kinds)
    shapes = {kind: outline.card(kind, Box(0, 0, 200, 44)) for kind in kinds}
    assert len({shapes["step"], shapes["event"], shapes["branch"]}) == 3


def test_words_are_translated_when_it_is_drawn() -> None:
    with translation.override("de"):
        picture = parsed(flows.of(simple), overlay=Overlay({"one": NodeState("done")}))
    assert sentences(picture)  # no catalogue is needed for it to work


# -- the stylesheet -------------------------------------------------------------------------------


def test_the_stylesheet_has_a_look_for_every_state() -> None:
    text = STYLESHEET.read_text()
    for status in set(NODE_STATUSES) - {"pending"}:
        assert f".dg-is-{status} .dg-card" in text, status


def test_dark_by_preference_and_dark_by_theme_are_the_same() -> None:
    text = STYLESHEET.read_text()
    light, preferred, chosen = (
        re.findall(r"(--dg-[a-z-]+):\s*([^;]+);", block)
        for block in re.split(
            r"@media \(prefers-color-scheme: dark\)|\[data-theme=\"dark\"\],", text
        )[:3]
    )
    assert preferred == chosen
    assert len(preferred) >= 20
    assert {name for name, _ in preferred} <= {name for name, _ in light}


def test_the_stylesheet_loads_nothing() -> None:
    text = STYLESHEET.read_text()
    assert "url(" not in text
    assert "@import" not in text
