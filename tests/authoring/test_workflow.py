"""What deriving from Workflow promises: names, Meta, inheritance, steps, and clear refusals."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from durable.authoring import (
    Cron,
    OnEvent,
    Retry,
    Workflow,
    WorkflowMeta,
    branch,
    chain,
    foreach,
    parallel,
    step,
)
from durable.authoring.parse import registry
from durable.authoring.parse.advice import workflow_warnings
from durable.authoring.parse.options import snake_case
from durable.authoring.parse.reserved import RESERVED
from durable.errors import DefinitionError, WorkflowNotFound


def meta(**options: Any) -> type[Workflow]:
    """A workflow with one step and these Meta options."""

    class Sample(Workflow):
        Meta = type("Meta", (WorkflowMeta,), options)

        @step
        def only(self, data: Any) -> None: ...

    return Sample


# -- names and options ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ShipOrder", "ship_order"),
        ("HTTPImport", "http_import"),
        ("ImportHTTP", "import_http"),
        ("V2Order", "v2_order"),
        ("Order", "order"),
    ],
)
def test_the_default_name_is_the_class_name_in_snake_case(name: str, expected: str) -> None:
    assert snake_case(name) == expected
    body = {"go": step(lambda self, data: None)}
    assert type(name, (Workflow,), body).definition.name == expected  # type: ignore[attr-defined]


def test_the_kind_is_name_and_version() -> None:
    assert meta(name="orders", version=3).definition.kind == "orders@3"


def test_options_have_the_documented_defaults() -> None:
    options = meta().definition.options
    assert (options.version, options.queue, options.priority) == (1, "default", 0)
    assert (options.timeout, options.retry, options.atomic) == (None, None, True)
    assert (options.max_recoveries, options.on_failure) == (5, "compensate")
    assert (options.schedules, options.triggers, options.permissions) == ((), (), ())


def test_meta_needs_no_base() -> None:
    class Plain(Workflow):
        class Meta:
            queue = "slow"

        @step
        def only(self, data: Any) -> None: ...

    assert Plain.definition.options.queue == "slow"


def test_options_are_normalised() -> None:
    def by_order(input: dict[str, Any]) -> str:
        return str(input["id"])

    options = meta(
        retry=4,
        key=by_order,
        permissions=["shop.run"],
        schedules=[Cron("@daily")],
        triggers=[OnEvent("user.signed_up")],
        subject="shop.Order",
    ).definition.options
    assert options.retry == Retry(max_attempts=4)
    assert callable(options.key)
    assert options.key({"id": 7}) == "7"
    assert options.permissions == ("shop.run",)
    assert options.schedules[0].name == options.name  # one schedule is called after the workflow
    assert options.triggers == (OnEvent("user.signed_up"),)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"queu": "x"}, ["Sample.Meta", "'queu'", "Did you mean 'queue'"]),
        ({"timeout": 60}, ["Sample.Meta.timeout", "timedelta"]),
        ({"timeout": timedelta(0)}, ["Sample.Meta.timeout"]),
        ({"retention": "30d"}, ["Sample.Meta.retention"]),
        ({"version": 0}, ["Sample.Meta.version"]),
        ({"version": True}, ["Sample.Meta.version"]),
        ({"name": "a/b"}, ["Sample.Meta.name", "'/'"]),
        ({"name": "a@2"}, ["Sample.Meta.name", "'@'"]),
        ({"name": ""}, ["Sample.Meta.name"]),
        ({"queue": None}, ["Sample.Meta.queue"]),
        ({"priority": "high"}, ["Sample.Meta.priority"]),
        ({"retry": "5"}, ["Sample.Meta.retry"]),
        ({"retry": 0}, ["max_attempts"]),
        ({"atomic": 1}, ["Sample.Meta.atomic"]),
        ({"on_failure": "holt"}, ["Sample.Meta.on_failure", "Did you mean 'hold'"]),
        ({"max_recoveries": -1}, ["Sample.Meta.max_recoveries"]),
        ({"key": 5}, ["Sample.Meta.key"]),
        ({"permissions": "shop.run"}, ["Sample.Meta.permissions"]),
        ({"schedules": ["@daily"]}, ["Sample.Meta.schedules"]),
        ({"schedules": [Cron("@daily"), Cron("@hourly")]}, ["Sample.Meta.schedules", "name"]),
        ({"triggers": ["user.signed_up"]}, ["Sample.Meta.triggers"]),
        ({"subject": "Order"}, ["Sample.Meta.subject"]),
    ],
)
def test_a_wrong_option_is_refused_with_class_and_attribute(
    options: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(DefinitionError) as caught:
        meta(**options)
    for word in words:
        assert word in str(caught.value)


# -- subclassing ---------------------------------------------------------------------------


with registry.isolate():  # its schedule is not to fire in other tests

    class Base(Workflow):
        class Meta(WorkflowMeta):
            name = "the_base"
            version = 4
            queue = "slow"
            timeout = timedelta(hours=1)
            schedules = [Cron("@daily")]
            triggers = [OnEvent("x")]

        @step(retry=7, timeout=timedelta(minutes=3))
        def first(self, data: Any) -> Any:
            return {"by": "base"}

        @step(name="second_step", atomic=False)
        def second(self, data: Any) -> Any: ...

        @second.compensate(retry=5, always=True)
        def undo_second(self, data: Any) -> Any:
            return "base"


def test_a_subclass_inherits_options_but_not_identity_and_not_what_starts_it() -> None:
    class Sub(Base):
        class Meta(WorkflowMeta):
            queue = "fast"

    options = Sub.definition.options
    assert (options.queue, options.timeout) == ("fast", timedelta(hours=1))
    assert (options.name, options.version) == ("sub", 1)
    assert (options.schedules, options.triggers) == ((), ())


def test_deriving_meta_from_the_bases_meta_inherits_no_more_than_that() -> None:
    class Sub(Base):
        class Meta(Base.Meta):
            priority = 2

    options = Sub.definition.options
    assert (options.name, options.version, options.schedules) == ("sub", 1, ())
    assert (options.queue, options.priority) == ("slow", 2)


def test_a_shared_meta_that_belongs_to_no_workflow_gives_all_of_its_options() -> None:
    class Common(WorkflowMeta):
        version = 2
        queue = "shared"

    class Sub(Workflow):
        class Meta(Common):
            pass

        @step
        def only(self, data: Any) -> None: ...

    assert (Sub.definition.version, Sub.definition.options.queue) == (2, "shared")


def test_an_override_keeps_place_options_and_compensation_of_the_step() -> None:
    class Sub(Base):
        @step
        def third(self, data: Any) -> Any: ...

        @step
        def first(self, data: Any) -> Any:
            return {**super().first(data), "sub": True}

        @step
        def second(self, data: Any) -> Any: ...

    steps = Sub.definition.steps
    assert list(steps) == ["first", "second_step", "third"]
    assert steps["first"].retry == Retry(max_attempts=7)
    assert steps["first"].timeout == timedelta(minutes=3)
    assert steps["second_step"].atomic is False
    assert steps["second_step"].compensation is not None
    assert Sub().first({}) == {"by": "base", "sub": True}
    assert steps["first"].function(Sub(), {}) == {"by": "base", "sub": True}


def test_options_given_by_the_override_win() -> None:
    class Sub(Base):
        @step(retry=2)
        def first(self, data: Any) -> Any: ...

    assert Sub.definition.steps["first"].retry == Retry(max_attempts=2)
    assert Sub.definition.steps["first"].timeout == timedelta(minutes=3)
    assert Base.definition.steps["first"].retry == Retry(max_attempts=7)


def test_a_method_of_its_name_overrides_a_compensation() -> None:
    class Sub(Base):
        def undo_second(self, data: Any) -> Any:
            return "sub"

    undo = Sub.definition.steps["second_step"].compensation
    assert undo is not None
    assert undo.function(Sub(), {}) == "sub"
    assert (undo.retry, undo.always) == (Retry(max_attempts=5), True)
    kept = Base.definition.steps["second_step"].compensation
    assert kept is not None
    assert kept.function(Base(), {}) == "base"


def test_a_compensation_can_be_declared_anew_without_touching_the_base() -> None:
    class Sub(Base):
        @Base.second.compensate(retry=9)
        def undo_differently(self, data: Any) -> Any:
            return "sub"

    undo = Sub.definition.steps["second_step"].compensation
    assert undo is not None
    assert (undo.name, undo.retry) == ("undo_differently", Retry(max_attempts=9))
    assert undo.always is True
    kept = Base.definition.steps["second_step"].compensation
    assert kept is not None
    assert kept.name == "undo_second"


def test_an_inherited_flow_finds_the_override_by_name() -> None:
    class Flowing(Workflow):
        @step
        def a(self, data: Any) -> Any:
            return "base"

        @step
        def b(self, data: Any) -> Any: ...

        flow = chain(b, branch(on="k", cases={"x": a}, default=b), a.named("again"))

    class Sub(Flowing):
        @step
        def a(self, data: Any) -> Any:
            return "sub"

    leaves = {leaf.path: leaf.step for leaf in Sub.definition.tree.leaves()}
    assert list(leaves) == ["b", "k/x/a", "k/default/b", "again"]
    assert leaves["k/x/a"].function(Sub(), {}) == "sub"
    assert leaves["again"].function(Sub(), {}) == "sub"


def test_a_subclass_may_have_a_flow_of_its_own_with_steps_of_its_base() -> None:
    class Sub(Base):
        @step
        def third(self, data: Any) -> Any: ...

        flow = chain("second_step", third, Base.first)

    assert [leaf.path for leaf in Sub.definition.tree.leaves()] == ["second_step", "third", "first"]


def test_an_abstract_base_is_not_registered_and_its_flow_may_name_what_comes_later() -> None:
    class Abstract(Workflow):
        class Meta(WorkflowMeta):
            abstract = True
            queue = "slow"

        @step
        def a(self, data: Any) -> Any: ...

        flow = chain(a, "b")

    class Concrete(Abstract):
        @step
        def b(self, data: Any) -> Any: ...

    assert Abstract not in registry.all()
    assert not hasattr(Abstract, "definition")
    assert not hasattr(Workflow, "definition")
    for unknown in (Abstract, "abstract"):
        with pytest.raises(WorkflowNotFound):
            registry.resolve(unknown)
    assert Concrete.definition.options.queue == "slow"
    assert [leaf.name for leaf in Concrete.definition.tree.leaves()] == ["a", "b"]


def test_steps_may_come_from_a_plain_mixin() -> None:
    class Audited:
        @step
        def audit(self, data: Any) -> Any: ...

    class Order(Audited, Workflow):
        @step
        def ship(self, data: Any) -> Any: ...

    assert list(Order.definition.steps) == ["audit", "ship"]


# -- steps ---------------------------------------------------------------------------------


def test_class_defaults_are_resolved_in_the_definition_only() -> None:
    class Sample(Workflow):
        class Meta(WorkflowMeta):
            retry = 4
            atomic = False

        @step
        def plain(self, data: Any) -> Any: ...

        @step(retry=None, atomic=True)
        def own(self, data: Any) -> Any: ...

        @step
        async def later(self, data: Any) -> Any: ...

    steps = Sample.definition.steps
    assert (steps["plain"].retry, steps["plain"].atomic) == (Retry(max_attempts=4), False)
    assert (steps["own"].retry, steps["own"].atomic) == (None, True)
    assert (steps["later"].is_async, steps["later"].atomic) == (True, False)
    assert (Sample.plain.retry, Sample.plain.atomic) == (None, None)
    derived = type("Derived", (Sample,), {}).definition.steps  # type: ignore[attr-defined]
    assert derived["plain"].retry == Retry(max_attempts=4)


def test_async_implies_not_atomic() -> None:
    class Sample(Workflow):
        @step
        async def later(self, data: Any) -> Any: ...

    assert Sample.definition.steps["later"].atomic is False


def test_a_compensation_takes_atomic_from_its_step_and_retry_from_the_class() -> None:
    class Sample(Workflow):
        class Meta(WorkflowMeta):
            retry = 4

        @step(atomic=False)
        def book(self, data: Any) -> Any: ...

        @book.compensate
        def cancel(self, data: Any) -> Any: ...

        @step
        def charge(self, data: Any) -> Any: ...

        @charge.compensate(retry=9, timeout=timedelta(seconds=5), atomic=False)
        async def refund(self, data: Any) -> Any: ...

    cancel = Sample.definition.steps["book"].compensation
    refund = Sample.definition.steps["charge"].compensation
    assert cancel is not None
    assert refund is not None
    assert (cancel.atomic, cancel.retry, cancel.always) == (False, Retry(max_attempts=4), False)
    assert cancel.name == "cancel"
    assert (refund.retry, refund.timeout) == (Retry(max_attempts=9), timedelta(seconds=5))
    assert refund.is_async


def test_a_step_of_an_instance_is_a_plain_method() -> None:
    class Sample(Workflow):
        @step
        def total(self, data: Any) -> Any:
            return {"total": sum(data["prices"])}

        @step
        def twice(self, data: Any) -> Any:
            return {"twice": 2 * self.total(data)["total"]}

        @twice.compensate
        def undo(self, data: Any) -> Any:
            return "undone"

    assert Sample().total({"prices": [1, 2]}) == {"total": 3}
    assert Sample().twice({"prices": [1, 2]}) == {"twice": 6}
    assert Sample().undo({}) == "undone"
    assert Sample.total.name == "total"


def test_nothing_can_be_assigned_to_an_instance() -> None:
    sample = meta()()
    with pytest.raises(AttributeError, match="data"):
        sample.total = 3
    with pytest.raises(AttributeError, match="deleted"):
        del sample.flow


def body(**attributes: Any) -> type[Any]:
    """A workflow class with these attributes."""
    return type("Sample", (Workflow,), {"__qualname__": "Sample", **attributes})


def noop(self: Any, data: Any) -> Any: ...


async def anoop(self: Any, data: Any) -> Any: ...


@pytest.mark.parametrize("name", RESERVED)
def test_a_step_named_like_something_that_self_offers_is_refused(name: str) -> None:
    if name not in ("flow", "Meta", "forms"):  # as an attribute these are something else
        with pytest.raises(DefinitionError, match=name):
            body(**{name: step(noop)})
    with pytest.raises(DefinitionError, match=name):
        body(fine=step(name=name)(noop))


def test_all_that_self_offers_is_reserved() -> None:
    offered = {name for name in dir(Workflow) if not name.startswith("_")}
    assert offered | {"Meta", "definition"} == set(RESERVED)


def test_a_compensation_may_not_be_named_so_either() -> None:
    go = step(noop)
    with pytest.raises(DefinitionError, match="run"):
        body(go=go, run=go.compensate(noop))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: step(timeout=60)(noop), ["noop", "timeout", "timedelta"]),  # type: ignore[call-overload]
        (lambda: step(timeout=-timedelta(1))(noop), ["timeout"]),
        (lambda: step(atomic=True)(anoop), ["anoop", "async", "atomic=False"]),
        (lambda: step(name="a/b")(noop), ["'/'"]),
        (lambda: step(retry="3")(noop), ["retry"]),  # type: ignore[call-overload]
        (lambda: step(queue="")(noop), ["queue"]),
        (lambda: step(retires=3)(noop), ["'retires'", "Did you mean 'retry'"]),  # type: ignore[call-overload]
        (lambda: step(5), ["keyword"]),  # type: ignore[call-overload]
        (lambda: step(noop).compensate(allways=True)(noop), ["Did you mean 'always'"]),  # type: ignore[call-overload]
        (lambda: step(noop).compensate(atomic=True)(anoop), ["async"]),
        (lambda: step(staticmethod(noop)), ["plain method"]),
        (lambda: Workflow.__init_subclass__.__class__ and body(), ["Sample", "no steps"]),
        (lambda: body(go=step(noop), Meta=5), ["Sample.Meta", "class"]),
        (lambda: body(go=step(noop), forms=[]), ["Sample.forms"]),
        (lambda: body(go=step(lambda self: None)), ["Sample", "(self, data)"]),
        (lambda: body(a=step(name="x")(noop), b=step(name="x")(noop)), ["Sample.b", "'x'"]),
        (lambda: type("Sub", (Base,), {"first": noop}), ["Sub.first", "@step"]),
        (lambda: type("Sub", (Base,), {"undo_second": 5}), ["Sub.undo_second"]),
        (lambda: type("Sub", (Base,), {"other": Base.first}), ["Sub.other", "named"]),
    ],
)
def test_a_wrong_step_is_refused_in_words(make: Any, words: list[str]) -> None:
    with pytest.raises(DefinitionError) as caught:
        make()
    for word in words:
        assert word in str(caught.value)


def test_a_generator_is_no_step() -> None:
    def stream(self: Any, data: Any) -> Iterator[Any]:
        yield data

    with pytest.raises(DefinitionError, match="generator"):
        step(stream)


def test_a_step_has_one_compensation_and_none_is_lost_by_a_reused_name() -> None:
    with pytest.raises(DefinitionError, match="two compensations"):

        class Twice(Workflow):
            @step
            def a(self, data: Any) -> Any: ...

            @a.compensate
            def undo(self, data: Any) -> Any: ...

            @a.compensate
            def undo_again(self, data: Any) -> Any: ...

    with pytest.raises(DefinitionError, match="overwritten"):

        class Lost(Workflow):
            @step
            def a(self, data: Any) -> Any: ...

            @a.compensate
            def undo(self, data: Any) -> Any: ...

            @step
            def b(self, data: Any) -> Any: ...

            @b.compensate  # type: ignore[no-redef]
            def undo(self, data: Any) -> Any: ...  # noqa: F811


def test_a_step_called_flow_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"Sample\.flow.*Rename"):

        class Sample(Workflow):
            @step
            def flow(self, data: Any) -> Any: ...


# -- the registry --------------------------------------------------------------------------


def test_a_taken_name_and_version_is_refused_but_reloading_replaces() -> None:
    body(go=step(noop))
    again = body(go=step(noop))
    assert registry.get("sample", 1) is again
    with pytest.raises(DefinitionError, match=r"Other\.Meta\.name.*sample.*version"):

        class Other(Workflow):
            class Meta(WorkflowMeta):
                name = "sample"

            @step
            def go(self, data: Any) -> Any: ...


def test_the_highest_version_is_the_latest_and_every_version_is_found() -> None:
    one = type("One", (Workflow,), {"go": step(noop), "Meta": type("Meta", (), {"name": "w"})})
    two = type(
        "Two",
        (Workflow,),
        {"go": step(noop), "Meta": type("Meta", (), {"name": "w", "version": 2})},
    )
    assert registry.latest("w") is two
    assert registry.resolve("w") is two
    assert registry.resolve("w", 1) is one
    assert registry.resolve(one) is one
    assert registry.resolve(one, 2) is two
    assert {"w@1", "w@2"} <= registry.kinds()
    with pytest.raises(WorkflowNotFound, match=r"version 3.*1, 2"):
        registry.resolve("w", 3)


def test_an_unknown_workflow_is_named_with_a_suggestion() -> None:
    body(go=step(noop))
    with pytest.raises(WorkflowNotFound, match=r"'sampel'.*'sample'"):
        registry.latest("sampel")
    with pytest.raises(WorkflowNotFound):
        registry.resolve(Workflow)


def test_isolation_forgets_what_was_defined_inside() -> None:
    before = registry.all()
    with registry.isolate():
        body(go=step(noop))
        assert registry.get("sample", 1) is not None
    assert registry.all() == before


# -- the whole -----------------------------------------------------------------------------


def test_the_definition_says_which_features_it_uses() -> None:
    assert Base.definition.uses == {"compensation", "schedules", "triggers"}
    assert meta().definition.uses == frozenset()
    assert meta(on_failure="hold").definition.uses == {"on_failure"}

    class Blocks(Workflow):
        @step
        def a(self, data: Any) -> Any: ...

        @step
        def b(self, data: Any, item: Any = None, index: int = 0) -> Any: ...

        flow = chain(branch(on="x", cases={1: parallel(a, b)}), foreach("items", b))

    assert Blocks.definition.uses == {"parallel", "foreach"}


def test_check_warns_of_branches_without_default_and_of_unused_steps() -> None:
    class Gaps(Workflow):
        @step
        def a(self, data: Any) -> Any: ...

        @step
        def forgotten(self, data: Any) -> Any: ...

        flow = chain(branch(on="x", cases={1: a}), a.named("last"))

    found = workflow_warnings(Gaps)
    assert [warning.id for warning in found] == ["durable.W101", "durable.W102"]
    assert "'x'" in found[0].message
    assert "Gaps.forgotten" in found[1].message
    assert workflow_warnings(Base) == []


def test_authoring_is_importable_without_settings_and_before_apps_are_ready() -> None:
    code = (
        "import durable.authoring; from django.apps import apps; from django.conf import settings; "
        "assert not settings.configured and not apps.apps_ready"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": "."})
