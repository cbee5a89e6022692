"""What a flow looks like as a graph, and that its Mermaid text can't be broken by a label."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from durable.authoring import (
    Workflow,
    branch,
    call_workflow,
    catch,
    chain,
    foreach,
    parallel,
    repeat,
    sleep,
    step,
    wait_for_approval,
    wait_for_event,
)
from durable.authoring.nodes.graph import Graph, GraphEdge, GraphNode, graph
from durable.drawing import to_mermaid


class Steps(Workflow):
    class Meta:
        abstract = True

    @step
    def a(self, data: Any, *item: Any) -> Any: ...
    @step(verbose_name="Bill the customer")
    def b(self, data: Any, *item: Any) -> Any: ...
    @step
    def c(self, data: Any, *item: Any) -> Any: ...


a, b, c = Steps.a, Steps.b, Steps.c


def drawn(*nodes: Any) -> Graph:
    return graph(type("Sample", (Steps,), {"flow": chain(*nodes)}))


def edges(*nodes: Any) -> set[tuple[str, str, str]]:
    return {(edge.source, edge.target, edge.label) for edge in drawn(*nodes).edges}


def test_a_chain_is_a_line_from_start_to_end() -> None:
    found = drawn(a, b)
    assert found.nodes == (
        GraphNode("#start", "start", "start"),
        GraphNode("a", "a", "step"),
        GraphNode("b", "Bill the customer", "step"),
        GraphNode("#end", "end", "end"),
    )
    assert found.edges == (
        GraphEdge("#start", "a"),
        GraphEdge("a", "b"),
        GraphEdge("b", "#end"),
    )


def test_a_branch_leads_to_its_cases_and_on_from_each() -> None:
    assert edges(branch("x", {"ok": a}, default=b), c) == {
        ("#start", "x", ""),
        ("x", "x/ok/a", "ok"),
        ("x", "x/default/b", "default"),
        ("x/ok/a", "c", ""),
        ("x/default/b", "c", ""),
        ("c", "#end", ""),
    }
    assert ("x", "c", "otherwise") in edges(branch("x", {"ok": a}), c)


def test_parallel_branches_meet_in_a_join() -> None:
    assert edges(parallel(a, bill=chain(b, c))) == {
        ("#start", "parallel", ""),
        ("parallel", "parallel/a/a", "a"),
        ("parallel", "parallel/bill/b", "bill"),
        ("parallel/bill/b", "parallel/bill/c", ""),
        ("parallel/a/a", "parallel#join", ""),
        ("parallel/bill/c", "parallel#join", ""),
        ("parallel#join", "#end", ""),
    }


def test_loops_lead_back() -> None:
    assert edges(foreach("items", a)) == {
        ("#start", "a", ""),
        ("a", "a/do/a", "each item"),
        ("a/do/a", "a", ""),
        ("a", "#end", "done"),
    }
    assert ("repeat/do/a", "repeat", "") in edges(repeat(a, until="x"))


def test_handlers_hang_on_their_catch() -> None:
    assert edges(catch(a, {"declined": b})) == {
        ("#start", "catch", ""),
        ("catch", "catch/do/a", ""),
        ("catch", "catch/declined/b", "declined"),
        ("catch/do/a", "#end", ""),
        ("catch/declined/b", "#end", ""),
    }


def test_every_path_of_a_block_or_step_is_a_node_and_no_edge_dangles() -> None:
    nodes = (
        a,
        branch("x", {1: parallel(a, b)}, default=foreach("items", c, name="each")),
        repeat(catch(b, {"declined": c}), until="x"),
        sleep(timedelta(1)),
        wait_for_event("paid"),
        wait_for_approval("boss"),
        call_workflow("ship"),
    )
    found = drawn(*nodes)
    known = {node.path for node in found.nodes}
    assert len(known) == len(found.nodes)
    assert {edge.source for edge in found.edges} | {edge.target for edge in found.edges} == known
    kinds = {node.kind for node in found.nodes}
    assert kinds == {
        "start", "end", "join", "step", "branch", "parallel", "foreach", "repeat", "catch",
        "sleep", "event", "approval", "workflow",
    }  # fmt: skip
    text = to_mermaid(found)
    assert text.startswith("flowchart TD\n")
    assert text.count("-->") == len(found.edges)


@pytest.mark.parametrize(
    "label",
    [
        '"]; click n0 href "javascript:alert(1)"',
        "<script>alert(1)</script>",
        "a\nb --> c",
        "`x`",
        "#quot;",
        "]]",
    ],
)
def test_a_label_can_not_break_out(label: str) -> None:
    text = to_mermaid(
        Graph(
            (GraphNode("a", label, "step"), GraphNode("b", "b", "end")),
            (GraphEdge("a", "b", label),),
        )
    )
    lines = text.splitlines()
    assert len(lines) == 4
    inside = lines[1].removeprefix('    n0["').removesuffix('"]')
    assert not set(inside) & set('"<>[]{}|`\n')
    assert lines[3].startswith('    n0 -->|"')
    assert lines[3].endswith('"| n1')


def test_labels_stay_readable_in_any_language() -> None:
    assert '"Genehmigung (über 100)"' in to_mermaid(
        Graph((GraphNode("a", "Genehmigung (über 100)", "step"),), ())
    )
