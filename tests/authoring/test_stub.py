"""What self offers: the waits it asks for, on a bare instance, on a stub, in async steps."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import SynchronousOnlyOperation

from durable import clock
from durable.authoring import Decision, Workflow, current, step
from durable.authoring.parse import registry
from durable.authoring.parse.reserved import RESERVED
from durable.authoring.self.context import WaitSpec, enter, leave
from durable.authoring.self.stub import StubContext
from durable.authoring.values import UNSET
from durable.errors import DefinitionError, DurableError, NotInExecution, WaitTimeout

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
naive = datetime(2024, 1, 1)  # noqa: DTZ001


class ContractForm:
    """Stands for a Django form."""


with registry.isolate():

    class Sample(Workflow):
        forms = {"contract": ContractForm}

        @step
        def approve(self, data: Any) -> Any:
            decision = self.wait_for_approval("manager", prompt="ok?")
            return {"approved": bool(decision), "decision": decision}

        @step(atomic=False)
        async def later(self, data: Any) -> Any:
            await self.asleep(DAY)
            decision = await self.await_for_approval("manager")
            total = await self.arun(sum, [1, 2])
            await self.aheartbeat({"done": 1})
            await self.aset_tags(tenant="acme")
            child = await self.astart_workflow("other", {})
            return {"decision": str(decision), "total": total, "child": child}

        @step
        async def wrongly(self, data: Any) -> Any:
            self.sleep(DAY)


def context_of(instance: Workflow) -> StubContext:
    context = instance._context
    assert isinstance(context, StubContext)
    return context


def asked(call: str, *args: Any, **kwargs: Any) -> WaitSpec:
    """The ``Ask`` that a call on self comes down to."""
    stub = Sample.stub(answers={"x": 1, "x|y": 1, "other": {}, "ref": {}, "y": 2})
    getattr(stub, call)(*args, **kwargs)
    return context_of(stub).asked[-1]


# -- what is asked for -----------------------------------------------------------------------


def test_timers_are_asked_for_as_written() -> None:
    assert asked("sleep", DAY) == WaitSpec("timer", "sleep", until=DAY)
    assert asked("sleep_until", NOON) == WaitSpec("timer", "sleep", until=NOON)
    assert asked("schedule_at", NOON) == WaitSpec("timer", "sleep", until=NOON)


def test_events_are_asked_for_by_name_and_key() -> None:
    assert asked("wait_for_event", "x", key="order:1", timeout=DAY, timeout_value=None) == WaitSpec(
        "event", "x", names=("x",), key="order:1", timeout=DAY, timeout_value=None
    )
    assert asked("wait_for_any", ["x", "y"], timeout=NOON) == WaitSpec(
        "any", "x|y", names=("x", "y"), timeout=NOON
    )
    assert asked("wait_for_all", ("x", "y")) == WaitSpec("all", "x|y", names=("x", "y"))
    assert asked("wait_for_event", "x").timeout_value is UNSET


def test_children_are_asked_for_by_ref_or_name() -> None:
    ask = asked("call_workflow", "other", {"a": 1}, timeout=DAY, keys=["k"])
    assert ask.options == {"keys": ["k"]}
    assert (ask.kind, ask.name, ask.workflow, ask.input) == ("child", "other", "other", {"a": 1})
    assert asked("call_workflow", "other", ref="ref").name == "ref"
    named = Sample.stub(answers={"sample": {"ok": 1}})
    assert named.call_workflow(Sample, {}) == {"ok": 1}


def test_questions_carry_what_is_asked_and_who_may_answer() -> None:
    ask = asked(
        "wait_for_approval", "x", prompt="ok?", quorum=2, assignees="group:finance",
        exclude=["user:kim"], due=DAY, remind=DAY, escalate=[(2 * DAY, "group:directors")],
        metadata={"a": 1}, timeout=DAY, timeout_value="auto",
    )  # fmt: skip
    question = ask.question
    assert question is not None
    assert (ask.kind, ask.name, ask.timeout, ask.timeout_value) == ("input", "x", DAY, "auto")
    assert (question.type, question.prompt, question.quorum) == ("approval", "ok?", 2)
    assert question.metadata == {"a": 1}
    people = ask.people
    assert (people.assignees, people.exclude) == (("group:finance",), ("user:kim",))
    assert (people.due, people.remind) == (DAY, DAY)
    assert people.escalate == ((2 * DAY, "group:directors"),)


def test_choices_are_values_or_pairs() -> None:
    question = asked("wait_for_choice", "x", ["a", ("b", "Bee"), 3], multiple=True).question
    assert question is not None
    assert question.choices == (("a", "a"), ("b", "Bee"), (3, "3"))
    assert question.multiple is True


def test_fields_are_completed() -> None:
    question = asked(
        "wait_for_form",
        "x",
        fields=[
            {"name": "due_date", "type": "date"},
            {"name": "c", "type": "choice", "choices": [1]},
        ],
    ).question
    assert question is not None
    assert question.fields[0] == {
        "name": "due_date", "type": "date", "label": "Due date", "required": True,
        "choices": [], "help_text": "",
    }  # fmt: skip
    assert question.fields[1]["choices"] == [[1, "1"]]


def test_input_knows_its_type_from_what_is_given() -> None:
    def type_of(**options: Any) -> str:
        question = asked("wait_for_input", "x", **options).question
        assert question is not None
        return question.type

    assert type_of() == "text"
    assert type_of(type="integer") == "integer"
    assert type_of(choices=[1]) == "choice"
    assert type_of(fields=[{"name": "a"}]) == "form"
    assert type_of(form="contract") == "form"


@pytest.mark.parametrize(
    ("call", "args", "options", "error"),
    [
        ("sleep", (5,), {}, TypeError),
        ("sleep", (NOON,), {}, TypeError),
        ("sleep_until", (naive,), {}, TypeError),
        ("sleep_until", (DAY,), {}, TypeError),
        ("schedule_at", (naive,), {}, TypeError),
        ("wait_for_event", ("x",), {"timeout": 60}, TypeError),
        ("wait_for_event", ("x",), {"timeout": naive}, TypeError),
        ("wait_for_event", ("x",), {"key": 5}, TypeError),
        ("wait_for_event", ("",), {}, TypeError),
        ("wait_for_event", ("x",), {"timeoutvalue": 5}, TypeError),
        ("wait_for_any", ("xy",), {}, TypeError),
        ("wait_for_any", ([],), {}, DefinitionError),
        ("wait_for_all", (["x", "x"],), {}, DefinitionError),
        ("wait_for_choice", ("x", []), {}, DefinitionError),
        ("wait_for_choice", ("x", "ab"), {}, DefinitionError),
        ("wait_for_choice", ("x", [("a", "b", "c")]), {}, DefinitionError),
        ("wait_for_input", ("x",), {"type": "txt"}, DefinitionError),
        ("wait_for_input", ("x", "choice"), {}, DefinitionError),
        ("wait_for_form", ("x",), {}, DefinitionError),
        ("wait_for_form", ("x",), {"fields": []}, DefinitionError),
        ("wait_for_form", ("x",), {"form": "contrat"}, DefinitionError),
        ("wait_for_form", ("x",), {"fields": [{"name": "a", "lable": "A"}]}, DefinitionError),
        ("wait_for_form", ("x",), {"fields": [{"type": "text"}]}, DefinitionError),
        ("wait_for_form", ("x",), {"fields": [{"name": "a", "type": "choice"}]}, DefinitionError),
        ("wait_for_form", ("x",), {"fields": [{"name": "a", "required": 1}]}, DefinitionError),
        ("wait_for_approval", ("x",), {"quorum": 0}, DefinitionError),
        ("wait_for_approval", ("x",), {"assignee": "kim"}, TypeError),
        ("wait_for_approval", ("x",), {"remind": 5}, TypeError),
        ("wait_for_approval", ("x",), {"escalate": ["kim"]}, TypeError),
        ("wait_for_approval", ("x",), {"escalate": [(5, "kim")]}, TypeError),
        ("wait_for_approval", ("x",), {"due": naive}, TypeError),
        ("wait_for_text", ("x",), {"timeout": "1h"}, TypeError),
        ("call_workflow", (5,), {}, TypeError),
        ("start_workflow", (5,), {}, TypeError),
        ("start_workflow", ("other",), {"on_cancel": "maybe"}, ValueError),
        ("start_workflow", ("other",), {"prioritty": 1}, TypeError),
        ("call_workflow", ("other",), {"delay": DAY}, TypeError),
    ],
)
def test_a_wrong_argument_is_refused_when_it_is_used(
    call: str, args: Any, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        asked(call, *args, **options)


def test_refusals_suggest_what_was_meant() -> None:
    with pytest.raises(DefinitionError, match=r"'contrat'.*'contract'"):
        asked("wait_for_form", "x", form="contrat")
    with pytest.raises(TypeError, match=r"'assignee'.*'assignees'"):
        asked("wait_for_approval", "x", assignee="kim")


# -- a bare instance -------------------------------------------------------------------------

ARGUMENTS: Mapping[str, tuple[Any, ...]] = {
    "sleep": (DAY,),
    "sleep_until": (NOON,),
    "schedule_at": (NOON,),
    "wait_for_event": ("x",),
    "wait_for_any": (["x"],),
    "wait_for_all": (["x"],),
    "wait_for_input": ("x",),
    "wait_for_approval": ("x",),
    "wait_for_choice": ("x", [1]),
    "wait_for_text": ("x",),
    "wait_for_form": ("x",),
    "call_workflow": ("other",),
    "start_workflow": ("other",),
    "run": (len, []),
}
CALLS = [name for name in RESERVED if callable(getattr(Workflow, name, None))]
WAITING = [name for name in CALLS if name not in ("stub", "bound", "now")]


@pytest.mark.parametrize(
    "name", [name for name in RESERVED if isinstance(getattr(Workflow, name, None), property)]
)
def test_a_bare_instance_knows_nothing_and_says_so(name: str) -> None:
    if name == "log":
        assert Sample().log.name == "durable.step"
        return
    with pytest.raises(NotInExecution, match=rf"Sample\(\)\.{name}.*stub.*durable\.testing"):
        getattr(Sample(), name)


@pytest.mark.parametrize("name", WAITING)
def test_a_bare_instance_can_not_wait_and_says_so(name: str) -> None:
    sync = name.removeprefix("a") if name.startswith("a") else name
    form = {"form": "contract"} if sync.endswith("form") else {}

    async def call() -> None:
        result = getattr(Sample(), name)(*ARGUMENTS.get(sync, ()), **form)
        if inspect.isawaitable(result):
            await result

    with pytest.raises(NotInExecution, match=rf"Sample\(\)\.a?{sync}"):
        asyncio.run(call())


# -- async -----------------------------------------------------------------------------------


def test_everything_that_waits_or_records_has_an_async_twin() -> None:
    for name in ARGUMENTS.keys() | {"heartbeat", "set_tags"}:
        twin = getattr(Workflow, f"a{name}")
        assert inspect.iscoroutinefunction(twin)
        assert f"a{name}" in RESERVED


def test_in_an_async_step_the_sync_form_is_refused() -> None:
    stub = Sample.stub()
    context_of(stub).is_async = True
    with pytest.raises(SynchronousOnlyOperation, match=r"await self\.asleep\(\)"):
        asyncio.run(stub.wrongly({}))
    for name in ARGUMENTS:
        with pytest.raises(SynchronousOnlyOperation):
            getattr(stub, name)(*ARGUMENTS[name])


def test_the_twins_do_the_same() -> None:
    stub = Sample.stub(answers={"manager": "rejected"})
    result = asyncio.run(stub.later({}))
    context = context_of(stub)
    assert (result["decision"], result["total"]) == ("rejected", 3)
    assert context.asked[0] == WaitSpec("timer", "sleep", until=DAY)
    assert (context.progress, context.tags) == ({"done": 1}, {"tenant": "acme"})
    assert [started.id for started in context.started] == [result["child"]]


# -- the stub --------------------------------------------------------------------------------


def test_a_stub_answers_waits_from_a_dict() -> None:
    result = Sample.stub(answers={"manager": "approved"}).approve({})
    assert result == {"approved": True, "decision": "approved"}
    assert isinstance(result["decision"], Decision)
    assert Sample.stub(answers={"manager": "rejected"}).approve({})["approved"] is False
    given = Decision("approved", by="kim")
    assert Sample.stub(answers={"manager": given}).approve({})["decision"].by == "kim"


def test_a_missing_answer_names_the_wait() -> None:
    with pytest.raises(DurableError, match=r"'manager'.*answers"):
        Sample.stub().approve({})
    with pytest.raises(DurableError, match="'x' or 'y'"):
        Sample.stub().wait_for_any(["x", "y"])


def test_one_answer_answers_every_wait_of_its_name_with_a_copy() -> None:
    stub = Sample.stub(answers={"paid": {"amount": 5}})
    first = stub.wait_for_event("paid")
    first["amount"] = 0
    assert stub.wait_for_event("paid") == {"amount": 5}


def test_a_callable_sees_what_is_asked_and_an_exception_is_raised() -> None:
    stub = Sample.stub(answers={"x": lambda ask: ask.timeout_value, "y": WaitTimeout("late")})
    assert stub.wait_for_event("x", timeout=DAY, timeout_value="late") == "late"
    with pytest.raises(WaitTimeout, match="late"):
        stub.wait_for_event("y")


def test_several_events_are_answered_together() -> None:
    stub = Sample.stub(answers={"failed": {"code": 1}, "paid": None})
    assert stub.wait_for_any(["paid", "failed"]) == ("paid", None)
    assert stub.wait_for_any(["gone", "failed"]) == ("failed", {"code": 1})
    assert stub.wait_for_all(["paid", "failed"]) == {"paid": None, "failed": {"code": 1}}


def test_timers_pass_at_once_and_run_just_calls() -> None:
    stub = Sample.stub()
    stub.sleep(DAY)
    stub.sleep_until(NOON)
    assert stub.run(max, 1, 2, name="m") == 2
    stub.heartbeat({"done": 3})
    stub.set_tags(tenant="acme", self=1)
    context = context_of(stub)
    assert (context.progress, context.tags) == ({"done": 3}, {"tenant": "acme", "self": 1})


def test_started_children_are_recorded_with_ids_that_do_not_change() -> None:
    def ids() -> list[UUID]:
        stub = Sample.stub()
        return [stub.start_workflow("other", {"n": 1}), stub.start_workflow(Sample, ref="r")]

    assert ids() == ids()
    assert len(set(ids())) == 2
    stub = Sample.stub()
    stub.start_workflow("other", {"n": 1}, ref="r", on_cancel="cancel", priority=3)
    started = context_of(stub).started[0]
    assert (started.workflow, started.input, started.ref) == ("other", {"n": 1}, "r")
    assert (started.on_cancel, started.options) == ("cancel", {"priority": 3})


def test_a_stub_knows_what_it_was_given() -> None:
    stub = Sample.stub(input={"a": 1}, now=NOON, attempt=3, error={"type": "x"}, subject="order")
    assert (stub.input, stub.now(), stub.attempt) == ({"a": 1}, NOON, 3)
    assert (stub.error, stub.subject) == ({"type": "x"}, "order")
    assert stub.id == stub.branch_id
    assert (stub.deadline, stub.cancel_requested) == (None, False)
    assert stub.idempotency_key
    with pytest.raises(NotInExecution, match="no execution row"):
        _ = stub.execution


def test_a_stubs_present_follows_a_frozen_clock() -> None:
    with clock.frozen(NOON):
        assert Sample.stub().now() == NOON
    assert Sample.stub().now().utcoffset() == timedelta(0)


def test_current_is_the_running_self() -> None:
    assert current() is None
    stub = Sample.stub()
    token = enter(stub)
    try:
        assert current() is stub
    finally:
        leave(token)
    assert current() is None
