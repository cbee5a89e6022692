"""Waits and child workflows written directly in a flow, without a method (standing nodes)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Never, Unpack

from durable.authoring.nodes.callables import bind_key_or_callable, is_callable
from durable.authoring.nodes.steps import Step
from durable.authoring.parse.wording import place, refuse, refuse_unknown
from durable.authoring.self import asks
from durable.authoring.self.asks import Asking
from durable.authoring.self.context import WorkflowOrName
from durable.authoring.values import UNSET, name_of

Standing = Step[..., Any]


def sleep(duration: timedelta, *, name: str | None = None, **unknown: Never) -> Standing:
    """Wait for ``duration``, then go on."""
    _refuse_unknown("sleep", unknown, ("name",))
    asks.timer(duration).checked()

    def standing_sleep(self: Any, data: Any, *item: Any) -> None:
        self.sleep(duration)

    return _standing(standing_sleep, "sleep", "sleep", name, None)


def wait_for_event(
    event: str,
    *,
    into: str | None = None,
    key: str | Callable[..., str] | None = None,
    timeout: timedelta | datetime | None = None,
    timeout_value: Any = UNSET,
    name: str | None = None,
    **unknown: Never,
) -> Standing:
    """Wait for an event; its payload goes ``into`` the data. ``key`` may be ``data -> text``."""
    _refuse_unknown("wait_for_event", unknown, ("into", "key", "timeout", "timeout_value", "name"))
    asks.event(event, key if isinstance(key, str) else None, timeout, timeout_value).checked()
    if key is not None and not isinstance(key, str) and not is_callable(key):
        refuse(place("flow"), f"wait_for_event(key=) takes a text or a callable, not {key!r}.")

    def standing_event(self: Any, data: Any, *item: Any) -> Any:
        actual = key
        if key is not None and not isinstance(key, str):
            actual = bind_key_or_callable(type(self), key)(self, data, *item)
        payload = self.wait_for_event(
            event, key=actual, timeout=timeout, timeout_value=timeout_value
        )
        return _placed(data, into, payload)

    return _standing(standing_event, "event", event, name, into)


def wait_for_approval(
    approval: str,
    *,
    into: str | None = None,
    quorum: int = 1,
    name: str | None = None,
    **asking: Unpack[Asking],
) -> Standing:
    """Ask people to approve; the ``Decision`` goes ``into`` the data."""
    known = (*Asking.__annotations__, "into", "quorum", "name")
    _refuse_unknown("wait_for_approval", [key for key in asking if key not in known], known)
    asks.question("wait_for_approval", approval, "approval", asking, quorum=quorum).checked()

    def standing_approval(self: Any, data: Any, *item: Any) -> Any:
        decision = self.wait_for_approval(approval, quorum=quorum, **asking)
        return _placed(data, into, decision)

    return _standing(standing_approval, "approval", approval, name, into)


def call_workflow(
    workflow: WorkflowOrName,
    input: str | Callable[..., Mapping[str, Any]] | None = None,
    *,
    into: str | None = None,
    timeout: timedelta | datetime | None = None,
    timeout_value: Any = UNSET,
    ref: str | None = None,
    queue: str | None = None,
    priority: int | None = None,
    tags: Mapping[str, Any] | Callable[..., Mapping[str, Any]] | None = None,
    subject: Any = None,
    keys: Sequence[str] | Callable[..., Sequence[str]] = (),
    name: str | None = None,
    **unknown: Never,
) -> Standing:
    """Run a child workflow; its final data goes ``into`` the data.

    ``input`` is a key of the data (dotted), or a callable with the arguments of a step; without it
    the child gets the whole data. ``tags``, ``subject`` and ``keys`` may be such callables too.
    """
    where = place("flow")
    options = ("queue", "priority", "tags", "subject", "keys")
    known = ("input", "into", "timeout", "timeout_value", "ref", *options, "name")
    _refuse_unknown("call_workflow", unknown, known)
    if input is not None and not isinstance(input, str) and not is_callable(input):
        refuse(where, f"call_workflow(input=) takes a key or a callable, not {input!r}.")
    asks.child(workflow, None, ref, timeout, timeout_value, {}).checked()

    def standing_call(self: Any, data: Any, *item: Any) -> Any:
        def told(option: Any) -> Any:
            if not is_callable(option):
                return option
            return bind_key_or_callable(type(self), option)(self, data, *item)

        value = data
        if input is not None:
            value = bind_key_or_callable(type(self), input)(self, data, *item)
        result = self.call_workflow(
            workflow,
            value,
            timeout=timeout,
            timeout_value=timeout_value,
            ref=ref,
            queue=queue,
            priority=priority,
            tags=told(tags),
            subject=told(subject),
            keys=told(keys),
        )
        return _placed(data, into, result)

    label = ref or asks.workflow_name(workflow)
    return _standing(standing_call, "workflow", label, name, into)


def _refuse_unknown(node: str, unknown: Iterable[str], known: Iterable[str]) -> None:
    refuse_unknown(f"{place('flow')}: {node}", unknown, known)


def _standing(
    function: Callable[..., Any], kind: str, label: str, name: str | None, into: str | None
) -> Standing:
    where = place("flow")
    if name is not None:
        name_of(name, where, "name=")
    if into is not None:
        name_of(into, where, "into=")
    function.__qualname__ = f"flow: {label}"
    given = {"name": name or label.replace("/", "-"), "retry": None, "atomic": True}
    return Step(function, given, kind=kind, fixed_name=name is not None)


def _placed(data: Any, into: str | None, value: Any) -> Any:
    return None if into is None else {**data, into: value}
