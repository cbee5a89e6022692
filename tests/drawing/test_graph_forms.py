"""The graph as text for Mermaid and Graphviz and as JSON, with and without a run."""

from __future__ import annotations

import json
import re

import pytest

from durable.authoring import branch, chain
from durable.authoring.nodes.graph import Graph, GraphEdge, GraphNode, graph
from durable.drawing import NodeState, Overlay, Progress, to_dot, to_mermaid, to_plain
from durable.drawing.dot import LOOKS
from durable.drawing.mermaid import CLASSES
from durable.drawing.overlay import NODE_STATUSES
from tests import flows

TREE = flows.of(lambda one: chain(one, branch("late", {True: one.named("remind")})))
RUN = Overlay(
    {
        "one": NodeState("done", 2),
        "late": NodeState("done"),
        "late/true/remind": NodeState("failed", 1, progress=Progress(3, 10, 1), detail="Fail"),
    },
    frozenset({"late/true"}),
)
WEIRD = [
    '"]; click n0 href "javascript:alert(1)"',
    "<script>alert(1)</script>",
    "a\nb --> c",
    "`x`",
    "\\",
    'x\\"] n9 [label="y',
    "]]",
]


def test_mermaid_shows_states_by_class_and_word_and_the_ways_taken() -> None:
    lines = to_mermaid(graph(TREE), RUN).splitlines()
    assert '    n1["one<br/>done #183; 2 attempts"]:::done' in lines
    assert '    n3["remind<br/>failed #183; 3#47;10, 1 failed #183; Fail"]:::failed' in lines
    assert '    n4(["end"]):::pending' in lines
    assert [line.split()[1] for line in lines if "classDef" in line] == [
        "pending",
        "done",
        "failed",
    ]
    edges = [line for line in lines if "-->" in line]
    (style,) = [line for line in lines if "linkStyle" in line]
    taken = [edges[int(number)].split()[-1] for number in style.split()[1].split(",")]
    assert taken == ["n1", "n2", "n3"]


def test_mermaid_without_a_run_has_no_styles() -> None:
    text = to_mermaid(graph(TREE))
    assert "class" not in text
    assert "Style" not in text


def test_every_state_has_a_look_in_every_form() -> None:
    assert set(CLASSES) == set(LOOKS) == set(NODE_STATUSES)


def test_dot_has_all_nodes_and_edges() -> None:
    lines = to_dot(graph(TREE), name="late@1").splitlines()
    assert lines[0] == 'digraph "late@1" {'
    assert lines[-1] == "}"
    assert '    n2 [label="late", shape=hexagon]' in lines
    assert '    n2 -> n3 [label="true"]' in lines
    assert sum(" -> " in line for line in lines) == 5


def test_dot_shows_states_and_the_ways_taken() -> None:
    text = to_dot(graph(TREE), RUN)
    assert r'n3 [label="remind\nfailed · 3/10, 1 failed · Fail", color="#cf222e"' in text
    assert 'n2 -> n3 [label="true", color="#1a7f37", penwidth=2.5]' in text
    assert 'n2 -> n4 [label="otherwise"]' in text


@pytest.mark.parametrize("label", WEIRD)
def test_a_label_can_not_break_out_of_dot(label: str) -> None:
    weird = Graph(
        (GraphNode("a", label, "step"), GraphNode("b", "b", "end")), (GraphEdge("a", "b", label),)
    )
    lines = to_dot(weird, name=label).splitlines()
    assert len(lines) == 8
    string = r'"(?:[^"\\]|\\["\\])*"'
    assert re.fullmatch(f"digraph {string} {{", lines[0])
    assert re.fullmatch(f"    n0 \\[label={string}\\]", lines[4])
    assert re.fullmatch(f"    n0 -> n1 \\[label={string}\\]", lines[6])


def test_json_has_nodes_and_edges_and_nothing_of_a_run_without_one() -> None:
    found = json.loads(json.dumps(to_plain(graph(TREE))))
    assert set(found) == {"nodes", "edges"}
    assert found["nodes"][2] == {"path": "late", "label": "late", "kind": "branch"}
    assert found["edges"][2] == {"source": "late", "target": "late/true/remind", "label": "true"}


def test_json_says_how_far_a_run_is() -> None:
    found = json.loads(json.dumps(to_plain(graph(TREE), RUN)))
    states = {node["path"]: node["state"]["status"] for node in found["nodes"]}
    assert states == {
        "#start": "done",
        "one": "done",
        "late": "done",
        "late/true/remind": "failed",
        "#end": "pending",
    }
    assert found["nodes"][3]["state"] == {
        "status": "failed",
        "attempts": 1,
        "rounds": 1,
        "progress": {"done": 3, "total": 10, "failed": 1},
        "detail": "Fail",
        "here": False,
    }
    assert [edge["taken"] for edge in found["edges"]] == [True, True, True, False, False]
