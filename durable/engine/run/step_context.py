"""The engine's side of ``self`` in a running step: waits, records, children, progress, tags."""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.utils.functional import SimpleLazyObject

from durable import clock, codec
from durable.authoring.self.asks import workflow_name
from durable.authoring.self.context import ChildOptions, OnCancel, WaitSpec
from durable.authoring.self.decision import Decision
from durable.authoring.values import UNSET
from durable.engine.row.journal import Journal, Place
from durable.engine.start import children
from durable.engine.start.children import Child
from durable.engine.undo.work import Work
from durable.errors import (
    Blocked,
    ChildFailed,
    ClaimLost,
    JournalMismatch,
    NotAllowedHere,
    Suspend,
    SuspendSwallowed,
    WaitTimeout,
)
from durable.models import Execution, Record, RecordKind, Wait
from durable.models.fields import Stored
from durable.people.question import Question
from durable.states import WaitKind, WaitStatus
from durable.storage import sizes
from durable.storage.reconnect import persistent
from durable.storage.transaction import in_transaction

if TYPE_CHECKING:
    from durable.engine.run.session import Session


@dataclass(frozen=True)
class Request:
    """A wait requested by a body, with its question or child in storable form."""

    ask: WaitSpec
    place: Place
    question: Question | None = None
    child: Child | None = None

    @classmethod
    def of(cls, ask: WaitSpec, place: Place) -> Request:
        """Check the arguments of a wait inside the body, so that errors are raised there."""
        if ask.kind == WaitKind.CHILD:
            return cls(ask, place, child=Child.of(ask.workflow, ask.input, ask.options))
        if ask.question is None:
            return cls(ask, place)
        question = Question.asked(ask.question, ask.people)
        codec.dumps(question.stored(), path=f"question({ask.name!r})")
        return cls(ask, place, question)


class StepContext:
    """The engine's side of ``self`` in one run of a step's body."""

    def __init__(
        self,
        work: Work,
        session: Session,
        journal: Journal,
        *,
        name: str = "",  # the node whose callables run; ``work`` has no body then
    ) -> None:
        claim, body = work.claim, work.body
        self._claim, self._session, self._journal = claim, session, journal
        self._name = name or body.name
        self._atomic = body is None or bool(body.atomic)
        self.is_async = body is not None and body.is_async
        self.choosing = False  # the flow's own callables run: no waits, no effects
        self.id = work.root_id
        self.attempt = claim.at.tried
        self.branch_id = work.identity.execution_id
        self._identity = work.identity
        self.deadline = claim.deadline_at
        self.error = work.error
        self.children: list[Callable[[], object]] = []
        self.left = False  # the body was told to leave, for a wait or because it is blocked
        self.asked: Request | None = None  # the wait for which it leaves
        self.new_tags: dict[str, Any] = {}
        self.new_progress: Any = UNSET
        self._execution: Any = None

    # -- facts of the execution ------------------------------------------------------------

    @cached_property
    def idempotency_key(self) -> str:
        """The same for each attempt, another for each visit and item."""
        return self._identity.key

    @cached_property
    def log(self) -> logging.Logger:
        """The logger of this step."""
        return logging.getLogger(f"durable.step.{self._claim.workflow}.{self._name}")

    @property
    def execution(self) -> Any:
        """The row of the addressable execution, read on first use."""
        if self._execution is None:
            self._execution = SimpleLazyObject(lambda: Execution.objects.get(pk=self.id))
        return self._execution

    @property
    def input(self) -> Any:
        """The start input of the addressable execution, a fresh copy."""
        if not hasattr(self, "_input"):
            self._input = Execution.objects.values_list("input", flat=True).get(pk=self.id)
        return copy.deepcopy(self._input)

    @property
    def subject(self) -> Any:
        """The model instance that the execution is about."""
        return self.execution.subject

    @property
    def cancel_requested(self) -> bool:
        """Whether a cancellation of the execution is requested."""
        return self._session.cancel_requested(self._claim)

    def now(self) -> datetime:
        """The engine's present time."""
        return self._claim.now()

    # -- waits ----------------------------------------------------------------------------

    def ask(self, ask: WaitSpec) -> Any:
        """Return the recorded answer, or raise ``Suspend`` to wait for it."""
        self._in_a_step()
        self._not_leaving()
        place = self._journal.place(ask.kind, ask.name)
        wait = self._journal.wait(place)
        if wait is None:
            _check_new(ask)
            if ask.kind == WaitKind.TIMER and self._is_past(ask.until):
                return None
            self._fits(place)
        elif wait.status == WaitStatus.ANSWERED:
            return _answer(ask, wait)
        elif wait.status == WaitStatus.TIMED_OUT:
            return _timed_out(ask, wait)
        request = Request.of(ask, place) if wait is None else Request(ask, place)
        self.left, self.asked = True, request
        raise Suspend

    def _not_leaving(self) -> None:
        if self.left:
            raise SuspendSwallowed(
                f"step {self._name!r} was told to leave and wait, and goes on asking: a bare "
                "except: (or a finally:) around a wait must not wait or run anything itself"
            )

    def _is_past(self, until: timedelta | datetime | None) -> bool:
        if isinstance(until, timedelta):
            return until <= timedelta(0)
        return until is not None and until <= self.now()

    def _fits(self, place: Place, *, among_gathered: bool = False) -> None:
        try:
            self._journal.check_new(place, among_gathered=among_gathered)
        except JournalMismatch as error:
            self.left = True
            raise Blocked(error) from None

    # -- records --------------------------------------------------------------------------

    def start_workflow(
        self,
        workflow: Any,
        input: Any,
        ref: str | None,
        on_cancel: OnCancel,
        options: ChildOptions,
    ) -> UUID:
        """Start a child that is not awaited, in the transaction that ends this visit."""
        self._in_a_step()
        place = self._journal.place(RecordKind.START, ref or workflow_name(workflow))
        record = self._journal.record(place)
        if record is not None:
            return UUID(str(record.value))
        sizes.text("the name of a child workflow", place[1])
        asked = Child.of(workflow, input, options, with_parent=on_cancel == "cancel")
        self._fits(place)
        self.children.append(lambda: children.remember(self._claim, place, asked))
        return children.child_id(self._claim, place)

    def _in_a_step(self) -> None:
        if self.choosing:
            raise NotAllowedHere(
                f"a callable of the flow (after step {self._name!r}) can't wait or start anything: "
                "it only looks at the data; wait in a step"
            )

    def choose(self) -> None:
        """From now on only callables of the flow run: they may not wait or start anything."""
        self.choosing = True

    def run(self, fn: Callable[..., Any], args: tuple[Any, ...], name: str | None) -> Any:
        """Call ``fn(*args)`` once per visit and record its result for later attempts."""
        place, record = self._remembered(fn, name)
        if record is not None:
            return record.value
        return self._remember(place, _checked(place, fn(*args)))

    async def arun(self, fn: Callable[..., Any], args: tuple[Any, ...], name: str | None) -> Any:
        """``run`` for an async step; ``fn`` may be a coroutine function."""
        place, record = self._remembered(fn, name)
        if record is not None:
            return record.value
        result = fn(*args)
        if inspect.isawaitable(result):
            result = await result
        return await sync_to_async(self._remember)(place, _checked(place, result))

    def _remembered(self, fn: Callable[..., Any], name: str | None) -> tuple[Place, Record | None]:
        if self._atomic and not self.is_async:
            raise NotAllowedHere(
                f"step {self._name!r} is atomic, so self.run() can't remember anything "
                "before the step ends: declare it @step(atomic=False)"
            )
        self._not_leaving()
        called: str = name or getattr(fn, "__name__", None) or type(fn).__name__
        place = self._journal.place(RecordKind.RUN, sizes.text("the name of a run()", called))
        record = self._journal.record(place)
        if record is None:
            self._fits(place, among_gathered=self.is_async)
        return place, record

    @persistent
    @in_transaction
    def _remember(self, place: Place, result: Stored) -> Any:
        """Store a result under the fence, and return it as read from storage."""
        kind, name, ordinal = place
        if not self._claim.row().update(journaled=True):
            raise ClaimLost
        record = Record(
            execution_id=self._claim.execution_id,
            path=self._claim.at.path,
            visit=self._claim.at.visit,
            kind=kind,
            name=name,
            ordinal=ordinal,
            value=result,
            created_at=clock.now(),
        )
        # the only conflict there can be is with this very record: a commit without an answer
        Record.objects.bulk_create([record], ignore_conflicts=True)
        self._claim.at = self._claim.at.with_records()
        return codec.loads(result)

    # -- progress and tags -------------------------------------------------------------------

    def heartbeat(self, progress: Any) -> None:
        """Show the step's progress: at once where the session can, else with the checkpoint."""
        if progress is None:
            return  # alive, nothing new to show
        codec.dumps(progress, path="progress")
        self.new_progress = progress
        self._session.show_progress(self._claim, progress)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags, written by the transaction that ends the visit."""
        self.new_tags.update(sizes.tags(tags))


def _check_new(ask: WaitSpec) -> None:
    """Refuse a new wait that can't be opened; a recorded wait is not checked again."""
    ask.checked()
    sizes.wait(ask)
    if ask.timeout_value is not UNSET:
        codec.dumps(ask.timeout_value, path="timeout_value")


def _checked(place: Place, result: Any) -> Stored:
    return Stored(codec.dumps(result, path=f"run({place[1]!r})"))


def _answer(ask: WaitSpec, wait: Wait) -> Any:
    """A recorded answer, as the call in the step returns it."""
    if wait.kind == WaitKind.CHILD and wait.received:
        error = wait.received["error"]
        raise ChildFailed(
            f"child workflow {wait.name!r} is {wait.received['status']}: "
            f"{error.get('type', '')} {error.get('message', '')}".rstrip(": "),
            error=error,
            known_as=wait.received.get("known_as", ()),
        )
    if ask.is_approval:
        return Decision(wait.answer, by=wait.by_name, comment=wait.comment, at=wait.resolved_at)
    return wait.answer


def _timed_out(ask: WaitSpec, wait: Wait) -> Any:
    if ask.timeout_value is UNSET:
        received = wait.received or {}
        raise WaitTimeout(
            f"nothing answered {wait.kind} {wait.name!r} before {wait.deadline_at}",
            received=received,
        )
    value = ask.timeout_value
    if ask.is_approval and isinstance(value, str):
        return Decision(value, at=wait.resolved_at)
    return value
