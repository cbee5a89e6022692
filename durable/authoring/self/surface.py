"""Everything that ``self`` offers inside a step, in its sync and its async form."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar, Unpack, get_args
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation

from durable.authoring.self import asks
from durable.authoring.self.asks import Asking
from durable.authoring.self.context import ChildOptions, OnCancel, WorkflowOrName
from durable.authoring.self.decision import Decision
from durable.authoring.self.facts import Facts, needed
from durable.authoring.values import UNSET

S = TypeVar("S", bound="Surface")
P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


def blocking(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """The sync form: refused in an ``async def`` step, which has the twin."""

    @functools.wraps(method)
    def sync(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        context = self._context
        if context is not None and context.is_async:
            name = method.__name__
            raise SynchronousOnlyOperation(
                f"self.{name}() can't be used in an async step; write await self.a{name}()."
            )
        return method(self, *args, **kwargs)

    return sync


def twin(
    method: Callable[Concatenate[S, P], R],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, R]]:
    """The async form of a ``blocking`` method; same arguments, same result."""
    body: Callable[Concatenate[S, P], R] = method.__wrapped__  # type: ignore[attr-defined]

    async def asynchronous(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return body(self, *args, **kwargs)

    asynchronous.__name__ = f"a{body.__name__}"
    asynchronous.__qualname__ = f"Surface.a{body.__name__}"
    asynchronous.__doc__ = f"The async twin of ``{body.__name__}``."
    return asynchronous


class Surface(Facts):
    """The running execution as its step uses it. On a bare instance: ``NotInExecution``."""

    # -- waiting -----------------------------------------------------------------------------

    @blocking
    def sleep(self, duration: timedelta) -> None:
        """Go on after ``duration``."""
        needed(self, "sleep()").ask(asks.timer(duration))

    @blocking
    def sleep_until(self, at: datetime) -> None:
        """Go on at an instant (aware); a past one returns at once."""
        needed(self, "sleep_until()").ask(asks.alarm(at))

    @blocking
    def schedule_at(self, at: datetime) -> None:
        """``sleep_until`` under its other name."""
        needed(self, "schedule_at()").ask(asks.alarm(at))

    @blocking
    def wait_for_event(
        self,
        name: str,
        key: str | None = None,
        timeout: timedelta | datetime | None = None,
        timeout_value: Any = UNSET,
    ) -> Any:
        """The payload of the next event ``name``."""
        ask = asks.event(name, key, timeout, timeout_value)
        return needed(self, "wait_for_event()").ask(ask)

    @blocking
    def wait_for_any(
        self,
        names: Iterable[str],
        key: str | None = None,
        timeout: timedelta | datetime | None = None,
        timeout_value: Any = UNSET,
    ) -> Any:
        """``(name, payload)`` of the first of several events."""
        ask = asks.events("any", names, key, timeout, timeout_value)
        return needed(self, "wait_for_any()").ask(ask)

    @blocking
    def wait_for_all(
        self,
        names: Iterable[str],
        key: str | None = None,
        timeout: timedelta | datetime | None = None,
        timeout_value: Any = UNSET,
    ) -> Any:
        """``{name: payload}`` once all of several events are there."""
        ask = asks.events("all", names, key, timeout, timeout_value)
        return needed(self, "wait_for_all()").ask(ask)

    @blocking
    def wait_for_input(
        self,
        name: str,
        type: str = "text",
        *,
        choices: Iterable[Any] | None = None,
        fields: Iterable[Mapping[str, Any]] | None = None,
        form: str | None = None,
        **asking: Unpack[Asking],
    ) -> Any:
        """What a person enters, validated."""
        if type == "text":  # what is asked may say more than the default
            type = "form" if form or fields is not None else "choice" if choices else type
        ask = asks.question(
            "wait_for_input",
            name,
            type,
            asking,
            choices=choices,
            fields=fields,
            form=form,
            forms=self.forms,
        )
        return needed(self, "wait_for_input()").ask(ask)

    @blocking
    def wait_for_approval(
        self, name: str, *, quorum: int = 1, **asking: Unpack[Asking]
    ) -> Decision:
        """A ``Decision``: true only if approved (by ``quorum`` different people)."""
        ask = asks.question("wait_for_approval", name, "approval", asking, quorum=quorum)
        decision: Decision = needed(self, "wait_for_approval()").ask(ask)
        return decision

    @blocking
    def wait_for_choice(
        self,
        name: str,
        choices: Iterable[Any],
        *,
        multiple: bool = False,
        **asking: Unpack[Asking],
    ) -> Any:
        """The chosen value; a list of them if ``multiple``."""
        ask = asks.question(
            "wait_for_choice", name, "choice", asking, choices=choices, multiple=multiple
        )
        return needed(self, "wait_for_choice()").ask(ask)

    @blocking
    def wait_for_text(self, name: str, **asking: Unpack[Asking]) -> Any:
        """A text."""
        return needed(self, "wait_for_text()").ask(
            asks.question("wait_for_text", name, "text", asking)
        )

    @blocking
    def wait_for_form(
        self,
        name: str,
        *,
        fields: Iterable[Mapping[str, Any]] | None = None,
        form: str | None = None,
        **asking: Unpack[Asking],
    ) -> Any:
        """A dict: one value per field, or the ``cleaned_data`` of a form of the class."""
        ask = asks.question(
            "wait_for_form", name, "form", asking, fields=fields, form=form, forms=self.forms
        )
        return needed(self, "wait_for_form()").ask(ask)

    @blocking
    def call_workflow(
        self,
        workflow: WorkflowOrName,
        input: Mapping[str, Any] | None = None,
        timeout: timedelta | datetime | None = None,
        timeout_value: Any = UNSET,
        ref: str | None = None,
        **options: Unpack[ChildOptions],
    ) -> Any:
        """The final data of a child workflow; ``ChildFailed`` if it fails or is cancelled."""
        ask = asks.child(workflow, input, ref, timeout, timeout_value, options)
        return needed(self, "call_workflow()").ask(ask)

    # -- recording -----------------------------------------------------------------------------

    @blocking
    def start_workflow(
        self,
        workflow: WorkflowOrName,
        input: Mapping[str, Any] | None = None,
        ref: str | None = None,
        on_cancel: OnCancel = "leave",
        **options: Unpack[ChildOptions],
    ) -> UUID:
        """Start a workflow that nobody waits for; its id, at once.

        ``on_cancel="cancel"``: it is cancelled with this execution; otherwise it goes on.
        """
        asks.workflow_name(workflow)
        if on_cancel not in get_args(OnCancel):
            raise ValueError(f'on_cancel is "leave" or "cancel", not {on_cancel!r}.')
        asks.started_with("start_workflow", options)
        context = needed(self, "start_workflow()")
        return context.start_workflow(workflow, input, ref, on_cancel, options)

    @blocking
    def run(self, fn: Callable[..., T], *args: Any, name: str | None = None) -> T:
        """``fn(*args)``, run once and remembered (in steps with ``atomic=False``)."""
        result: T = needed(self, "run()").run(fn, args, name)
        return result

    @blocking
    def heartbeat(self, progress: Any = None) -> None:
        """Say that the step is alive, and how far it is (JSON)."""
        needed(self, "heartbeat()").heartbeat(progress)

    @blocking
    def set_tags(self, /, **tags: Any) -> None:
        """Set tags of the execution."""
        needed(self, "set_tags()").set_tags(tags)

    # -- the same for async steps ------------------------------------------------------------------

    asleep = twin(sleep)
    asleep_until = twin(sleep_until)
    aschedule_at = twin(schedule_at)
    await_for_event = twin(wait_for_event)
    await_for_any = twin(wait_for_any)
    await_for_all = twin(wait_for_all)
    await_for_input = twin(wait_for_input)
    await_for_approval = twin(wait_for_approval)
    await_for_choice = twin(wait_for_choice)
    await_for_text = twin(wait_for_text)
    await_for_form = twin(wait_for_form)
    acall_workflow = twin(call_workflow)
    astart_workflow = twin(start_workflow)
    aset_tags = twin(set_tags)

    async def arun(self, fn: Callable[..., Any], *args: Any, name: str | None = None) -> Any:
        """The async twin of ``run``; ``fn`` may be a coroutine function."""
        return await needed(self, "arun()").arun(fn, args, name)

    async def aheartbeat(self, progress: Any = None) -> None:
        """The async twin of ``heartbeat``; what it writes is written in a thread."""
        await sync_to_async(needed(self, "aheartbeat()").heartbeat)(progress)
