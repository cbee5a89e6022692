"""The calls of ``self`` in a step: waits, children, ``run``, progress; sync, with async twins."""

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
    """The sync form of a call: refused in an ``async def`` step, which has the twin."""

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
    """The calls of a running step. On a bare instance they raise ``NotInExecution``."""

    # -- waiting -----------------------------------------------------------------------------

    @blocking
    def sleep(self, duration: timedelta) -> None:
        """Wait for ``duration``."""
        needed(self, "sleep()").ask(asks.timer(duration))

    @blocking
    def sleep_until(self, at: datetime) -> None:
        """Wait until an instant (aware); a past one returns at once."""
        needed(self, "sleep_until()").ask(asks.alarm(at))

    @blocking
    def schedule_at(self, at: datetime) -> None:
        """Another name of ``sleep_until``."""
        needed(self, "schedule_at()").ask(asks.alarm(at))

    @blocking
    def wait_for_event(
        self,
        name: str,
        key: str | None = None,
        timeout: timedelta | datetime | None = None,
        timeout_value: Any = UNSET,
    ) -> Any:
        """Wait for the next event ``name``; return its payload."""
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
        """Wait for the first of several events; return ``(name, payload)``."""
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
        """Wait for all of several events; return ``{name: payload}``."""
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
        """Ask people for a value; return it validated."""
        if type == "text":  # the default: the other arguments may imply another type
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
        """Ask people to approve; the ``Decision`` is true if approved (by ``quorum`` people)."""
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
        """Ask people to choose; return the value, or a list of values if ``multiple``."""
        ask = asks.question(
            "wait_for_choice", name, "choice", asking, choices=choices, multiple=multiple
        )
        return needed(self, "wait_for_choice()").ask(ask)

    @blocking
    def wait_for_text(self, name: str, **asking: Unpack[Asking]) -> Any:
        """Ask people for a text."""
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
        """Ask people to fill in a form; return a dict.

        It has a value per field, or is the ``cleaned_data`` of a form of the class.
        """
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
        """Run a child workflow, return its final data; ``ChildFailed`` if it did not complete."""
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
        """Start a workflow that is not awaited; return its id at once.

        ``on_cancel="cancel"``: the child is cancelled with this execution; otherwise it goes on.
        """
        asks.workflow_name(workflow)
        if on_cancel not in get_args(OnCancel):
            raise ValueError(f'on_cancel is "leave" or "cancel", not {on_cancel!r}.')
        asks.started_with("start_workflow", options)
        context = needed(self, "start_workflow()")
        return context.start_workflow(workflow, input, ref, on_cancel, options)

    @blocking
    def run(self, fn: Callable[..., T], *args: Any, name: str | None = None) -> T:
        """Call ``fn(*args)`` once and record its result (in steps with ``atomic=False``)."""
        result: T = needed(self, "run()").run(fn, args, name)
        return result

    @blocking
    def heartbeat(self, progress: Any = None) -> None:
        """Report that the step is alive, with its progress (JSON)."""
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
        """The async twin of ``heartbeat``; its writes happen in a thread."""
        await sync_to_async(needed(self, "aheartbeat()").heartbeat)(progress)
