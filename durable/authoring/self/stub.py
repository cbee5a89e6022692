"""A stub of the engine for unit tests of single steps; it answers waits from a dict."""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from durable.authoring.self.asks import workflow_name
from durable.authoring.self.context import ChildOptions, Data, OnCancel, WaitSpec, WorkflowOrName
from durable.authoring.self.decision import Decision
from durable.errors import NotInExecution

STUB_ID = uuid5(NAMESPACE_OID, "durable.stub")


@dataclass
class Started:
    """A child that the step started with ``start_workflow``."""

    workflow: WorkflowOrName
    input: Mapping[str, Any] | None
    ref: str | None
    id: UUID
    on_cancel: OnCancel = "leave"
    options: ChildOptions = field(default_factory=ChildOptions)


@dataclass
class StubContext:
    """A ``Context`` without an engine. Its attributes hold the calls of the step.

    ``answers`` maps names of waits to answers. A callable is called with the ``WaitSpec``; an
    exception is raised; any other value answers every wait of that name.
    """

    input: Data
    answers: Mapping[str, Any]
    present: datetime | None = None
    attempt: int = 1
    error: Mapping[str, Any] | None = None
    subject: Any = None
    id: UUID = STUB_ID
    branch_id: UUID = STUB_ID
    idempotency_key: str = "stub"
    deadline: datetime | None = None
    cancel_requested: bool = False
    is_async: bool = False
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("durable.step"))
    asked: list[WaitSpec] = field(default_factory=list)
    started: list[Started] = field(default_factory=list)
    progress: Any = None
    tags: dict[str, Any] = field(default_factory=dict)

    @property
    def execution(self) -> Any:
        """Raises ``NotInExecution``: a stub has no row."""
        raise NotInExecution("A stub has no execution row; use durable.testing.run() instead.")

    def now(self) -> datetime:
        """The given time, or the present (a test's frozen clock included)."""
        if self.present is not None:
            return self.present
        from durable import clock  # it imports the ORM, which authoring must not

        return clock.frozen_at() or clock.local_now()

    def ask(self, ask: WaitSpec) -> Any:
        """Answer a wait at once, from ``answers``."""
        self.asked.append(ask.checked())
        if ask.kind == "timer":
            return None
        if ask.kind == "any":
            name = next((name for name in ask.names if name in self.answers), None)
            if name is None and ask.name not in self.answers:
                raise _unanswered(ask, ask.names)
            return self._answer(ask, ask.name) if name is None else (name, self._answer(ask, name))
        if ask.kind == "all":
            if ask.name in self.answers:
                return self._answer(ask, ask.name)
            return {name: self._answer(ask, name) for name in ask.names}
        if ask.kind == "child" and ask.workflow is not None and ask.name not in self.answers:
            return self._answer(ask, workflow_name(ask.workflow))
        answer = self._answer(ask, ask.name)
        if ask.is_approval and isinstance(answer, str) and not isinstance(answer, Decision):
            return Decision(answer)
        return answer

    def _answer(self, ask: WaitSpec, name: str) -> Any:
        if name not in self.answers:
            raise _unanswered(ask, (name,))
        answer = self.answers[name]
        if isinstance(answer, BaseException) or (
            isinstance(answer, type) and issubclass(answer, BaseException)
        ):
            raise answer
        return answer(ask) if callable(answer) else copy.deepcopy(answer)

    def start_workflow(
        self,
        workflow: WorkflowOrName,
        input: Mapping[str, Any] | None,
        ref: str | None,
        on_cancel: OnCancel,
        options: ChildOptions,
    ) -> UUID:
        """Record the start; return an id that is the same in each run of the test."""
        name = f"{ref or workflow_name(workflow)}:{len(self.started)}"
        id = uuid5(self.id, name)
        self.started.append(Started(workflow, input, ref, id, on_cancel, options))
        return id

    def run(self, fn: Callable[..., Any], args: tuple[Any, ...], name: str | None) -> Any:
        """Call ``fn(*args)``."""
        return fn(*args)

    async def arun(self, fn: Callable[..., Any], args: tuple[Any, ...], name: str | None) -> Any:
        """Call ``fn(*args)``, and await the result if needed."""
        result = fn(*args)
        return await result if inspect.isawaitable(result) else result

    def heartbeat(self, progress: Any) -> None:
        """Store the progress for assertions."""
        self.progress = progress

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Store the tags for assertions."""
        self.tags.update(tags)


def _unanswered(ask: WaitSpec, names: tuple[str, ...]) -> NotInExecution:
    wanted = " or ".join(repr(name) for name in names)
    return NotInExecution(
        f"The step waits ({ask.kind}) for {wanted}, and the stub has no answer. "
        f"Pass it: stub(answers={{{names[0]!r}: …}})."
    )
