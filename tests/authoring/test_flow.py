"""What a flow promises: paths of stable names, validation at definition, matching of cases."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
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
    when,
)
from durable.authoring.nodes.callables import lookup
from durable.authoring.nodes.tree import Branch, Catch, Chain, Foreach, Leaf, Parallel, Repeat, Tree
from durable.errors import DefinitionError


class Steps(Workflow):
    """Steps to build flows of; ``item`` makes them fit into a foreach too."""

    class Meta:
        abstract = True

    @step
    def a(self, data: Any, *item: Any) -> Any: ...
    @step
    def b(self, data: Any, *item: Any) -> Any: ...
    @step
    def c(self, data: Any, *item: Any) -> Any: ...
    @step
    def d(self, data: Any, *item: Any) -> Any: ...

    def pick(self, data: Any) -> Any:
        return ("picked", data)

    @staticmethod
    def still(data: Any) -> Any:
        return ("static", data)


a, b, c, d = Steps.a, Steps.b, Steps.c, Steps.d


def define(flow: Any) -> type[Workflow]:
    """A class with this flow."""
    return type("Sample", (Steps,), {"flow": flow, "__qualname__": "Sample"})


def tree(*nodes: Any) -> Tree:
    return define(chain(*nodes)).definition.tree


def node(*nodes: Any) -> Any:
    """The first node of a flow."""
    return tree(*nodes).root.nodes[0]


def paths(*nodes: Any) -> list[str]:
    return [leaf.path for leaf in tree(*nodes).leaves()]


# -- paths ---------------------------------------------------------------------------------


def test_without_a_flow_steps_run_in_the_order_written() -> None:
    assert [leaf.path for leaf in define(None).definition.tree.leaves()] == ["a", "b", "c", "d"]


def test_a_flow_may_be_one_step_or_one_block() -> None:
    assert [leaf.path for leaf in define(b).definition.tree.leaves()] == ["b"]
    assert [leaf.path for leaf in define("b").definition.tree.leaves()] == ["b"]
    assert [leaf.path for leaf in define(parallel(a, b)).definition.tree.leaves()] == [
        "parallel/a/a",
        "parallel/b/b",
    ]


def test_nested_chains_are_flattened() -> None:
    flow = tree(chain(chain(a, b), c), d)
    assert [child.path for child in flow.root.nodes] == ["a", "b", "c", "d"]
    assert all(isinstance(child, Leaf) for child in flow.root.nodes)


def test_a_text_names_a_step_of_the_class_or_its_bases() -> None:
    assert paths("a", b, "c") == ["a", "b", "c"]


def test_paths_are_stable_names() -> None:
    assert paths(
        a,
        branch("order.status", {"ok": chain(b, c), None: b, True: b, (1, 2): b}, default=d),
        branch(on=Steps.pick, cases={"x": a}),
        branch(on=lambda data: 1, cases={1: a}),
        branch(on="x", cases={"y": a}, name="choice"),
        parallel(a, billing=chain(b, c), name="fetch"),
        foreach("items", chain(c, d)),
        repeat(a, until="done"),
        catch(b, {"declined": c, ValueError: chain(d)}),
    ) == [
        "a",
        "status/ok/b",
        "status/ok/c",
        "status/none/b",
        "status/true/b",
        "status/1+2/b",
        "status/default/d",
        "pick/x/a",
        "branch/1/a",
        "choice/y/a",
        "fetch/a/a",
        "fetch/billing/b",
        "fetch/billing/c",
        "c/do/c",
        "c/do/d",
        "repeat/do/a",
        "catch/do/b",
        "catch/declined/c",
        "catch/ValueError/d",
    ]


def test_case_labels_never_collide() -> None:
    flow = node(
        branch("x", [(True, a), ("true", b), ("default", c), ("a/b", a), ("", b)], default=d)
    )
    assert [case.label for case in flow.cases] == ["true", "true-2", "default-2", "a-b", "empty"]
    assert flow.default.path == "x/default"


def test_no_path_begins_like_those_of_a_rollback() -> None:
    assert paths(branch("~kind", {1: a})) == ["-kind/1/a"]
    assert paths(chain(wait_for_event("~paid"), wait_for_event("-paid"))) == ["-paid", "-paid-2"]
    assert paths(parallel(branch("~kind", {"~x": a}), name="p")) == ["p/-kind/-kind/-x/a"]


def test_predicates_are_labelled_by_name_or_place() -> None:
    def large(value: Any) -> bool:
        return bool(value > 5)

    flow = node(branch("x", [(when(large), a), (when(lambda value: True), b)]))
    assert [case.label for case in flow.cases] == ["large", "when-2"]


def test_found_names_give_way_to_chosen_ones_whatever_the_order() -> None:
    assert [
        child.path for child in tree(branch("a", {1: b}), a, branch("a", {1: b})).root.nodes
    ] == [
        "a-2",
        "a",
        "a-3",
    ]
    assert paths(sleep(timedelta(1)), a, sleep(timedelta(2))) == ["sleep", "a", "sleep-2"]


def test_a_step_may_stand_in_several_blocks_but_twice_in_a_chain_only_renamed() -> None:
    assert paths(parallel(x=a, y=a)) == ["parallel/x/a", "parallel/y/a"]
    assert paths(a, a.named("again")) == ["a", "again"]
    with pytest.raises(DefinitionError, match=r"Sample\.flow.*'a' is used twice.*named"):
        tree(a, b, chain(a))
    with pytest.raises(DefinitionError, match="'again' is used twice"):
        tree(a.named("again"), a.named("again"))
    with pytest.raises(DefinitionError, match="'x' is used twice"):
        tree(branch("k", {1: a}, name="x"), parallel(a, name="x"))


def test_a_renamed_step_is_the_same_step() -> None:
    leaf = tree(a.named("again")).find("again")
    assert isinstance(leaf, Leaf)
    assert (leaf.step.name, leaf.step.function) == ("again", Steps.a.function)
    assert leaf.step.atomic is True


# -- finding the way -----------------------------------------------------------------------


def test_the_tree_knows_every_place() -> None:
    flow = tree(a, branch("x", {"y": chain(b, c)}, default=d), c)
    assert list(flow.nodes) == [
        "",
        "a",
        "x",
        "x/y",
        "x/y/b",
        "x/y/c",
        "x/default",
        "x/default/d",
        "c",
    ]
    assert flow.find("x/y/b") is flow.nodes["x/y/b"]
    assert flow.find("gone") is None
    assert flow.nodes[""] is flow.root


def test_following_stays_in_the_chain() -> None:
    flow = tree(a, branch("x", {"y": chain(b, c)}, default=d), c)

    def after(path: str) -> str | None:
        found = flow.following(path)
        return found.path if found else None

    assert [after(path) for path in ("a", "x", "c")] == ["x", "c", None]
    assert [after(path) for path in ("x/y/b", "x/y/c", "x/default/d")] == ["x/y/c", None, None]
    assert after("x/y") is None  # the body of a case has no sibling
    assert after("") is None
    assert after("gone") is None


def test_the_parent_is_the_container() -> None:
    flow = tree(a, branch("x", {"y": chain(b, c)}), foreach("items", d))
    for path, parent in (
        ("a", ""), ("x", ""), ("x/y", "x"), ("x/y/b", "x/y"), ("d/do", "d"), ("d/do/d", "d/do"),
    ):  # fmt: skip
        found = flow.parent(path)
        assert found is not None
        assert found.path == parent
    assert flow.parent("") is None
    assert isinstance(flow.find("x/y"), Chain)


# -- branch --------------------------------------------------------------------------------


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("case", "value", "matches"),
    [
        ("a", "a", True),
        (1, True, False),
        (True, 1, False),
        (False, 0, False),
        (1, 1.0, True),
        (1, Decimal(1), True),
        (1, "1", False),
        (None, None, True),
        (None, False, False),
        (None, 0, False),
        (None, "", False),
        ("", "", True),
        ("red", Colour.RED, True),
        (Colour.RED, "red", True),
        (("a", None, 2), None, True),
        (("a", None, 2), 2, True),
        (("a", None, 2), True, False),
        (("a", 2), ("a", 2), False),
        (("a", when(lambda v: v == 5)), 5, True),
        ([1, True], [1, True], True),
        ([1, True], [1, 1], False),
        ({"k": [1]}, {"k": [1]}, True),
        ({"k": [1]}, {"k": [True]}, False),
        (when(lambda v: v is not None and v > 5), 6, True),
        (when(lambda v: v is not None and v > 5), 5, False),
    ],
)
def test_a_case_matches_by_value_and_json_type(case: Any, value: Any, matches: bool) -> None:
    flow = node(branch("x", [(case, a)]))
    assert (flow.choose(value) is not None) is matches


def test_cases_are_tried_in_order_then_the_default_then_nothing() -> None:
    flow = node(branch("x", [(when(lambda v: v > 1), a), (5, b)], default=c))
    assert flow.choose(5).body.path == "x/when-1"
    fallback = flow.choose(0)
    assert (fallback.label, fallback.body) == ("default", flow.default)
    assert node(branch("x", {1: a})).choose(2) is None


def test_a_predicate_may_be_a_method_of_the_class() -> None:
    class Sample(Steps):
        limit = 7

        def is_large(self, value: Any) -> bool:
            return bool(value > self.limit)

        flow = branch("x", [(when(is_large), a)])

    flow = Sample.definition.tree.root.nodes[0]
    assert isinstance(flow, Branch)
    assert flow.choose(8, Sample()) is not None
    assert flow.choose(7, Sample()) is None


# -- callables -----------------------------------------------------------------------------


def test_a_key_is_a_dotted_path_and_what_is_missing_is_none() -> None:
    on = node(branch("order.lines.1.sku", {1: a})).on
    assert on(None, {"order": {"lines": [{}, {"sku": "x"}]}}) == "x"
    for data in ({}, {"order": None}, {"order": {"lines": [1]}}, {"order": "text"}):
        assert on(None, data) is None
    assert lookup({"a": {"b": 0}}, "a.b") == 0


def test_a_method_of_the_class_is_called_on_self_any_other_callable_with_the_arguments() -> None:
    sample = define(a)()
    for on, expected in (
        (Steps.pick, "picked"),
        (Steps.__dict__["still"], "static"),
        (Steps.still, "static"),
        (lambda data: ("lambda", data), "lambda"),
        (functools.partial(lambda word, data: (word, data), "partial"), "partial"),
    ):
        assert node(branch(on, {1: a})).on(sample, {"x": 1}) == (expected, {"x": 1})


def test_an_overridden_method_is_the_one_that_is_called() -> None:
    class Sub(Steps):
        def pick(self, data: Any) -> Any:
            return "overridden"

        flow = branch(Steps.pick, {1: a})

    flow = Sub.definition.tree.root.nodes[0]
    assert isinstance(flow, Branch)
    assert flow.on(Sub(), {}) == "overridden"


def test_a_lambda_in_the_class_body_is_a_method_only_if_it_has_a_name_there() -> None:
    class Sample(Steps):
        named = lambda self, data: ("self", type(self).__name__)  # noqa: E731
        flow = chain(branch(named, {1: a}), branch(lambda data: data["k"], {1: a}))

    first, second = Sample.definition.tree.root.nodes
    assert isinstance(first, Branch)
    assert isinstance(second, Branch)
    assert first.on(Sample(), {}) == ("self", "Sample")
    assert second.on(Sample(), {"k": 3}) == 3


# -- the other blocks ------------------------------------------------------------------------


def test_parallel_keeps_its_options() -> None:
    flow = node(parallel(a, b, merge="strict", on_error="complete_all", name="fetch"))
    assert isinstance(flow, Parallel)
    assert (flow.name, flow.merge, flow.on_error) == ("fetch", "strict", "complete_all")
    assert list(flow.branches) == ["a", "b"]
    merged = node(parallel(a, merge=lambda data, results: (data, results)))
    assert merged.merge(None, 1, 2) == (1, 2)


def test_a_branch_is_called_after_its_step_or_its_keyword() -> None:
    flow = node(parallel(chain(a, b), c.named("see"), foreach("items", d), bill="a"))
    assert list(flow.branches) == ["a", "see", "d", "bill"]
    with pytest.raises(DefinitionError, match=r"Sample\.flow.*'a' is used twice.*keyword"):
        tree(parallel(a, chain(a, b)))


def test_foreach_keeps_its_options() -> None:
    flow = node(
        foreach(
            lambda data: data["rows"],
            a,
            concurrency=3,
            on_error="continue",
            collect_as="results",
            batch_size=5,
            max_failures="2.5%",
            name="each",
        )
    )
    assert isinstance(flow, Foreach)
    assert (flow.name, flow.body.path, flow.concurrency, flow.batch_size) == (
        "each",
        "each/do",
        3,
        5,
    )
    assert flow.items(None, {"rows": [1]}) == [1]
    assert flow.collect_as == "results"
    assert [flow.failure_limit(total) for total in (0, 39, 40, 1000)] == [0, 0, 1, 25]
    assert node(foreach("x", a, on_error="continue", max_failures=3)).failure_limit(9) == 3
    assert node(foreach("x", a)).failure_limit(9) is None


def test_repeat_and_catch_keep_their_options() -> None:
    flow = node(repeat(chain(a, b), until=lambda data: data["done"], max_iterations=None))
    assert isinstance(flow, Repeat)
    assert flow.max_iterations is None
    assert flow.until(None, {"done": True}) is True
    assert node(repeat(a, until="x.y")).until(None, {"x": {"y": 1}}) == 1
    caught = node(catch(a, {"declined": b, ValueError: c, Exception: d}, into="problem"))
    assert isinstance(caught, Catch)
    assert caught.into == "problem"

    labels = [(handler.label, handler.error) for handler in caught.handlers]
    assert labels == [
        ("declined", "declined"),
        ("ValueError", ValueError),
        ("Exception", Exception),
    ]


# -- standing nodes --------------------------------------------------------------------------


class Recorder:
    """A stand-in for self that keeps what was called."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, args, kwargs))
            return "answer"

        return call


def performed(standing: Any, data: Any, *item: Any) -> tuple[Any, Any]:
    """What a standing node returns, and what it asked for."""
    leaf = node(standing)
    assert isinstance(leaf, Leaf)
    recorder = Recorder()
    return leaf.step.function(recorder, data, *item), recorder.calls[0]


def test_standing_nodes_wait_and_put_the_answer_into_the_data() -> None:
    result, (name, args, _) = performed(sleep(timedelta(3)), {"x": 1})
    assert (result, name, args) == (None, "sleep", (timedelta(3),))
    result, (name, args, options) = performed(
        wait_for_event("paid", into="payment", key=lambda data: f"order:{data['x']}"), {"x": 1}
    )
    assert (result, name, args) == ({"x": 1, "payment": "answer"}, "wait_for_event", ("paid",))
    assert options["key"] == "order:1"
    result, (name, args, options) = performed(
        wait_for_approval("manager", prompt="ok?", quorum=2, into="decision"), {}
    )
    assert (result, name, args) == ({"decision": "answer"}, "wait_for_approval", ("manager",))
    assert options == {"quorum": 2, "prompt": "ok?"}
    result, (name, args, _) = performed(
        call_workflow("other", "order.x", into="child"), {"order": {"x": {}}}
    )
    assert (name, args) == ("call_workflow", ("other", {}))
    assert result == {"order": {"x": {}}, "child": "answer"}


def test_without_into_the_data_flows_on_and_without_input_a_child_gets_all_of_it() -> None:
    result, (_, args, _) = performed(call_workflow("other"), {"x": 1})
    assert (result, args) == (None, ("other", {"x": 1}))
    assert performed(wait_for_event("paid"), {"x": 1})[0] is None


def test_a_standing_child_in_a_foreach_sees_the_item() -> None:
    standing = call_workflow("ship", input=lambda data, item, index: {"item": item})
    leaf = define(foreach("items", standing)).definition.tree.leaves()[0]
    recorder = Recorder()
    leaf.step.function(recorder, {}, "book", 0)
    assert recorder.calls[0][1] == ("ship", {"item": "book"})


def test_standing_nodes_have_names_kinds_and_no_retry() -> None:
    class Other(Workflow):
        class Meta:
            name = "other"
            retry = 5

        @step
        def go(self, data: Any) -> Any: ...

        flow = chain(
            sleep(timedelta(1)), wait_for_event("paid/now"), wait_for_approval("boss"),
            call_workflow("ship"), sleep(timedelta(1), name="rest"), go,
        )  # fmt: skip

    leaves = Other.definition.tree.leaves()
    assert [(leaf.path, leaf.step.kind) for leaf in leaves] == [
        ("sleep", "sleep"),
        ("paid-now", "event"),
        ("boss", "approval"),
        ("ship", "workflow"),
        ("rest", "sleep"),
        ("go", "step"),
    ]
    assert [leaf.step.retry for leaf in leaves[:5]] == [None] * 5
    assert "call_workflow" in Other.definition.uses
    assert list(Other.definition.steps) == ["go"]
    assert paths(call_workflow(Other)) == ["other"]


# -- refusals --------------------------------------------------------------------------------

naive = datetime(2024, 1, 1)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: chain(), ["chain() is empty"]),
        (lambda: parallel(), ["parallel() is empty"]),
        (lambda: branch("x", {}), ["cases=", "empty"]),
        (lambda: branch("x", [(1, a, b)]), ["pairs"]),  # type: ignore[list-item]
        (lambda: branch("x", {(): a}), ["empty tuple"]),
        (lambda: branch("x", "yes"), ["cases="]),  # type: ignore[arg-type]
        (lambda: branch(cases={1: a}), ["on="]),
        (lambda: branch(5, {1: a}), ["on="]),  # type: ignore[arg-type]
        (lambda: branch("x", case={1: a}), ["'case'", "Did you mean 'cases'"]),  # type: ignore[arg-type]
        (lambda: branch("x", {1: None}), ["branch case 1"]),  # type: ignore[dict-item]
        (lambda: branch("x", {1: a}, name="a/b"), ["'/'"]),
        (lambda: chain(a, len), ["@step"]),  # type: ignore[arg-type]
        (lambda: chain([a, b]), ["chain(…)"]),  # type: ignore[arg-type]
        (lambda: chain(Steps), ["call_workflow"]),  # type: ignore[arg-type]
        (lambda: chain(a.compensate(lambda self, data: None)), ["compensation"]),  # type: ignore[arg-type]
        (lambda: parallel(a, merg="deep", on_eror=5), ["'on_eror'", "Did you mean 'on_error'"]),  # type: ignore[arg-type]
        (lambda: tree(parallel(a, merg="deep")), ["Sample.flow", "Did you mean 'merge'"]),
        (lambda: parallel(a, merge="dep"), ["merge=", "Did you mean 'deep'"]),  # type: ignore[arg-type]
        (lambda: parallel(a, on_error="continue"), ["on_error="]),  # type: ignore[arg-type]
        (lambda: foreach("x", a, concurency=2), ["Did you mean 'concurrency'"]),  # type: ignore[arg-type]
        (lambda: foreach("x", a, concurrency=0), ["concurrency="]),
        (lambda: foreach("x", a, batch_size=True), ["batch_size="]),
        (lambda: foreach("x", a, on_error="complete_all"), ["on_error="]),  # type: ignore[arg-type]
        (lambda: foreach("x", a, max_failures=3), ["max_failures=", "continue"]),
        (lambda: foreach("x", a, on_error="continue", max_failures="x%"), ["max_failures="]),
        (lambda: foreach("x", a, on_error="continue", max_failures=-1), ["max_failures="]),
        (lambda: foreach(5, a), ["foreach(items)"]),  # type: ignore[arg-type]
        (lambda: repeat(a), ["until="]),
        (lambda: repeat(a, until="x", max_iterations=0), ["max_iterations="]),
        (lambda: repeat(a, until="x", max=3), ["'max'"]),  # type: ignore[arg-type]
        (lambda: catch(a, {}), ["catch()"]),
        (lambda: catch(a, {5: b}), ["catch()", "5"]),  # type: ignore[dict-item]
        (lambda: catch(a, {KeyboardInterrupt: b}), ["catch()"]),  # type: ignore[dict-item]
        (lambda: when(5), ["when()"]),  # type: ignore[arg-type]
        (lambda: a.named("x/y"), ["'/'"]),
        (lambda: tree(a.named("~x")), ["Sample.flow", "'~x' begins with '~'"]),
        (lambda: tree(branch("x", {1: a}, name="~x")), ["'~x' begins with '~'"]),
        (lambda: chain(a, name="x"), ["chain", "no option 'name'"]),  # type: ignore[arg-type]
        (lambda: branch("x", {object(): a}), ["would never match", "object"]),
        (lambda: branch("x", {("y", range(3)): a}), ["range(0, 3) would never match"]),
        (lambda: sleep(timedelta(1), nme="x"), ["sleep", "Did you mean 'name'"]),  # type: ignore[arg-type]
        (lambda: wait_for_event("x", timout=None), ["Did you mean 'timeout'"]),  # type: ignore[arg-type]
        (lambda: wait_for_approval("x", assignee="kim"), ["Did you mean 'assignees'"]),  # type: ignore[call-arg]
        (lambda: call_workflow("x", inpt="y"), ["Did you mean 'input'"]),  # type: ignore[arg-type]
        (lambda: tree("aa"), ["Sample.flow", "no step 'aa'"]),
        (lambda: tree(step(lambda self, data: None)), ["Sample.flow", "not a step of this class"]),
        (lambda: wait_for_approval("x", quorum=0), ["quorum"]),
        (lambda: call_workflow("x", input=5), ["input="]),  # type: ignore[arg-type]
    ],
)
def test_what_can_not_work_is_refused_at_definition(make: Any, words: list[str]) -> None:
    with pytest.raises(DefinitionError) as caught:
        make()
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: sleep(5),  # type: ignore[arg-type]
        lambda: wait_for_event("x", timeout=5),  # type: ignore[arg-type]
        lambda: wait_for_event("x", timeout=naive),
        lambda: wait_for_event(""),
        lambda: call_workflow(int),  # type: ignore[arg-type]
    ],
)
def test_standing_nodes_check_their_arguments_like_the_calls_do(make: Any) -> None:
    with pytest.raises(TypeError):
        make()


def test_aware_deadlines_are_fine() -> None:
    assert paths(wait_for_event("x", timeout=datetime(2024, 1, 1, tzinfo=UTC))) == ["x"]


def test_a_refusal_in_a_class_body_names_the_class() -> None:
    with pytest.raises(DefinitionError, match=r"^Shipping\.flow: branch: unknown option 'case'"):

        class Shipping(Workflow):
            @step
            def go(self, data: Any) -> Any: ...

            flow = branch("x", case={1: go})  # type: ignore[arg-type]


def test_a_step_of_another_class_is_refused() -> None:
    class Stranger(Workflow):
        @step
        def a(self, data: Any) -> Any: ...

    with pytest.raises(DefinitionError, match="'a' is not a step of this class"):
        tree(Stranger.a)


def test_a_step_must_take_what_it_is_called_with() -> None:
    with pytest.raises(
        DefinitionError, match=r"Each\.go.*\(self, data, item, index\) in a foreach"
    ):

        class Each(Workflow):
            @step
            def go(self, data: Any) -> Any: ...

            flow = foreach("items", go)

    with pytest.raises(DefinitionError, match=r"Undo\.back.*\(self, data, item, index\)"):

        class Undo(Workflow):
            @step
            def go(self, data: Any, item: Any, index: int) -> Any: ...

            @go.compensate
            def back(self, data: Any) -> Any: ...

            flow = foreach("items", go)
