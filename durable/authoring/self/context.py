"""``Context``: the interface that the engine implements for a step's ``self``; ``current()``."""

from __future__ import annotations

import decimal
import logging
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeAlias, TypedDict, TypeVar
from uuid import UUID

from django.utils import timezone, translation

from durable.authoring.parse.wording import refuse
from durable.authoring.values import UNSET, beyond
from durable.errors import DefinitionError

if TYPE_CHECKING:
    from durable.authoring.workflow import Workflow

T = TypeVar("T")

Data = dict[str, Any]

WorkflowOrName: TypeAlias = "type[Workflow] | str"
"""A workflow class, or the name under which one is registered."""


@dataclass(frozen=True)
class People:
    """The people of a question, and their reminders, as the author wrote them."""

    assignees: tuple[Any, ...] = ()
    exclude: tuple[Any, ...] = ()
    due: timedelta | datetime | None = None
    remind: timedelta | None = None
    escalate: tuple[tuple[timedelta, Any], ...] = ()


@dataclass(frozen=True)
class QuestionSpec:
    """The form of a question. ``type``: approval, choice, text, form, or a field type."""

    type: str = ""
    prompt: str = ""
    choices: tuple[tuple[Any, str], ...] = ()
    multiple: bool = False
    fields: tuple[Mapping[str, Any], ...] = ()
    form: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    quorum: int = 1


class ChildOptions(TypedDict, total=False):
    """The options of a child's start; priority, tags and subject default to the parent's."""

    queue: str | None
    priority: int | None
    tags: Mapping[str, Any] | None
    subject: Any
    keys: Sequence[str]


OnCancel = Literal["leave", "cancel"]
"""The fate of a started child when its parent is cancelled."""


@dataclass(frozen=True)
class WaitSpec:
    """A wait requested by a step; ``kind`` is a value of ``states.WaitKind``."""

    kind: str
    name: str
    names: tuple[str, ...] = ()  # event, any, all: the names of the events
    key: str | None = None  # event, any, all: the correlation key
    until: timedelta | datetime | None = None  # timer
    timeout: timedelta | datetime | None = None
    timeout_value: Any = UNSET
    question: QuestionSpec | None = None  # input
    people: People = People()  # input
    workflow: WorkflowOrName | None = None  # child
    input: Mapping[str, Any] | None = None  # child
    ref: str | None = None  # child
    options: ChildOptions = field(default_factory=ChildOptions)  # child
    refused: DefinitionError | None = None  # input: why the question can't be asked anew

    def checked(self) -> Self:
        """This wait, checked before it is opened; a recorded wait needs no check."""
        if self.refused is not None:
            raise self.refused
        times = {
            "a sleep": self.until,
            "timeout": self.timeout,
            "due": self.people.due,
            "remind": self.people.remind,
            "escalate": max((after for after, _ in self.people.escalate), default=None),
        }
        for what, when in times.items():
            if when is not None and (why := beyond(when)):
                refuse(f"{self.kind} {self.name!r}", f"{what} {why}.")
        return self

    @property
    def is_approval(self) -> bool:
        """Whether the answer is a ``Decision``."""
        return self.question is not None and self.question.type == "approval"


class Context(Protocol):
    """The interface behind a step's ``self``, implemented by the engine or by a stub."""

    id: UUID
    branch_id: UUID
    attempt: int
    deadline: datetime | None
    error: Mapping[str, Any] | None
    is_async: bool

    @property
    def idempotency_key(self) -> str:
        """The same for each attempt, another for each visit and item."""

    @property
    def log(self) -> logging.Logger:
        """The logger of the step."""

    @property
    def input(self) -> Data:
        """The start input."""

    @property
    def execution(self) -> Any:
        """The row of the addressable execution (a lazy model instance)."""

    @property
    def subject(self) -> Any:
        """The model instance that the execution is about, or ``None``."""

    @property
    def cancel_requested(self) -> bool:
        """Whether a cancellation of the execution is requested."""

    def now(self) -> datetime:
        """The engine's present time."""

    def ask(self, ask: WaitSpec) -> Any:
        """Return the recorded answer, or leave the step to wait for it (``Suspend``)."""

    def start_workflow(
        self,
        workflow: WorkflowOrName,
        input: Mapping[str, Any] | None,
        ref: str | None,
        on_cancel: OnCancel,
        options: ChildOptions,
    ) -> UUID:
        """Start a child that is not awaited; return its id."""

    def run(self, fn: Callable[..., Any], args: tuple[Any, ...], name: str | None) -> Any:
        """Call ``fn(*args)`` once per visit and record its result for later attempts."""

    async def arun(self, fn: Callable[..., Any], args: tuple[Any, ...], name: str | None) -> Any:
        """``run`` for async steps; ``fn`` may be a coroutine function."""

    def heartbeat(self, progress: Any) -> None:
        """Report that the step is alive, with its progress."""

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags of the execution, written with the checkpoint."""


_current: ContextVar[Any] = ContextVar("durable_current", default=None)


def current() -> Any:
    """The ``self`` of the step running here, or ``None`` outside of a step."""
    return _current.get()


def enter(instance: Any) -> Any:
    """Make ``instance`` the current one; returns the token for ``leave``."""
    return _current.set(instance)


def leave(token: Any) -> None:
    """Undo ``enter``."""
    _current.reset(token)


def apart(function: Callable[..., T], *args: Any) -> T:
    """Call ``function(*args)`` with Django's default time zone and language, in a copied context.

    Time zones, languages and context variables that it sets are reset when it returns or raises.
    """
    return copy_context().run(_by_default, function, *args)


def apart_again(function: Callable[..., T], *args: Any) -> T:
    """``apart`` for a caller that itself runs apart, and changes neither time zone nor language."""
    return copy_context().run(_with_decimals, function, *args)


def _by_default(function: Callable[..., T], *args: Any) -> T:
    timezone.deactivate()
    translation.deactivate()
    return _with_decimals(function, *args)


def _with_decimals(function: Callable[..., T], *args: Any) -> T:
    decimal.setcontext(decimal.getcontext().copy())  # the only variable changed in place
    return function(*args)
