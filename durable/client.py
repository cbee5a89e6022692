"""What a program does with executions: one call of the engine each, each with an async twin."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from uuid import UUID

from asgiref.sync import sync_to_async

from durable.authoring.workflow import Workflow
from durable.engine import answer as _answer
from durable.engine import control as _control
from durable.engine import lookup as _lookup
from durable.engine import rerun as _rerun
from durable.engine import result as _result
from durable.engine import send as _send
from durable.engine import start as _start
from durable.errors import DurableError
from durable.models import Event, Execution
from durable.states import Status

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser
    from django.db.models import Model

    from durable.models.execution import ExecutionQuerySet

P = ParamSpec("P")
R = TypeVar("R")

WorkflowOrName = type[Workflow] | str
Id = UUID | str


def start(
    workflow: WorkflowOrName,
    input: Mapping[str, Any] | None = None,
    *,
    queue: str | None = None,
    priority: int | None = None,
    scheduled_at: datetime | None = None,
    delay: timedelta | None = None,
    by: AbstractBaseUser | None = None,
    idempotency_key: str | None = None,
    keys: Sequence[str] = (),
    subject: Model | None = None,
    tags: Mapping[str, Any] | None = None,
) -> Execution:
    """Start an execution, in the caller's transaction.

    Started again with the same ``idempotency_key`` it returns the first execution, with
    ``.created`` False; ``IdempotencyConflict`` if the input differs. ``NotSerializable`` if the
    input can't be stored, ``WorkflowNotFound`` for an unknown name.
    """
    options = _start.StartOptions(
        queue=queue,
        priority=priority,
        scheduled_at=scheduled_at,
        delay=delay,
        by=by,
        idempotency_key=idempotency_key,
        keys=keys,
        subject=subject,
        tags=tags or {},
    )
    return _start.start(workflow, input, options)


def start_many(
    workflow: WorkflowOrName,
    inputs: Iterable[Mapping[str, Any] | None],
    *,
    queue: str | None = None,
    priority: int | None = None,
    scheduled_at: datetime | None = None,
    delay: timedelta | None = None,
    by: AbstractBaseUser | None = None,
    tags: Mapping[str, Any] | None = None,
) -> list[Execution]:
    """Start one execution for each input, all or none, in few statements."""
    options = _start.StartOptions(
        queue=queue,
        priority=priority,
        scheduled_at=scheduled_at,
        delay=delay,
        by=by,
        tags=tags or {},
    )
    return _start.start_many(workflow, inputs, options)


def get_execution(execution_id: Id) -> Execution:
    """The execution with this id; ``ExecutionNotFound``."""
    return _lookup.get(execution_id)


def list_executions(
    workflow: WorkflowOrName | None = None,
    status: str | None = None,
    *,
    queue: str | None = None,
    tags: Mapping[str, Any] | None = None,
    subject: Model | None = None,
) -> ExecutionQuerySet:
    """Executions (not their branches and items), newest first, as a QuerySet."""
    found: ExecutionQuerySet = Execution.objects.roots().order_by("-created_at", "-id")
    if workflow is not None:
        name = workflow if isinstance(workflow, str) else workflow.definition.name
        found = found.filter(workflow=name)
    if status is not None:
        if status not in Status.values:
            raise DurableError(f"there is no status {status!r}: one of {', '.join(Status.values)}")
        found = found.filter(status=status)
    if queue is not None:
        found = found.filter(queue=queue)
    if tags:
        found = found.with_tags(dict(tags))
    if subject is not None:
        found = found.filter(subject_type=subject._meta.label_lower, subject_id=str(subject.pk))
    return found


def cancel(
    execution_id: Id,
    reason: str = "",
    *,
    compensate: bool = False,
    by: AbstractBaseUser | None = None,
) -> Execution:
    """Cancel an execution; ``InvalidTransition`` if it is finished already."""
    return _control.cancel(execution_id, reason, compensate=compensate, by=by)


def send_event(
    execution_id: Id,
    name: str,
    payload: Any = None,
    *,
    event_id: str | None = None,
    by: AbstractBaseUser | None = None,
) -> Event:
    """Send an event to one execution; sent again with the same ``event_id`` it is the first."""
    return _send.send_event(execution_id, name, payload, event_id=event_id, by=by)


def publish_event(
    name: str,
    payload: Any = None,
    *,
    key: str | None = None,
    event_id: str | None = None,
    by: AbstractBaseUser | None = None,
) -> Event:
    """Publish an event to every unfinished execution that carries ``key``."""
    return _send.publish_event(name, payload, key=key, event_id=event_id, by=by)


def provide_input(
    execution_id: Id,
    name: str,
    answer: Any,
    *,
    by: AbstractBaseUser | None = None,
    comment: str = "",
    branch: Id | None = None,
) -> Execution:
    """Answer a question. The first answer wins: ``AlreadyAnswered`` says who was first.

    ``InvalidInput`` has a message per field; ``NotAllowed``: this person may not;
    ``WaitNotFound``: nothing of this name was asked.
    """
    return _answer.provide_input(execution_id, name, answer, by=by, comment=comment, branch=branch)


def reassign(
    execution_id: Id,
    name: str,
    to: Any,
    *,
    by: AbstractBaseUser | None = None,
    branch: Id | None = None,
) -> Execution:
    """Put other people (users, groups, ``"group:x"`` …) in charge of an open question."""
    return _answer.reassign(execution_id, name, to=to, by=by, branch=branch)


def pause(execution_id: Id, *, by: AbstractBaseUser | None = None) -> Execution:
    """Stop an execution at its next checkpoint."""
    return _control.pause(execution_id, by=by)


def resume(execution_id: Id, *, by: AbstractBaseUser | None = None) -> Execution:
    """Let a paused execution go on."""
    return _control.resume(execution_id, by=by)


def retry(
    execution_id: Id, *, restart_step: bool = False, by: AbstractBaseUser | None = None
) -> Execution:
    """Continue a failed or blocked execution at its step, with fresh attempts.

    ``restart_step=True`` forgets what the step has on record (waits, results of ``run``).
    """
    return _control.retry(execution_id, restart_step=restart_step, by=by)


def rerun(
    execution_id: Id, *, from_step: str | None = None, by: AbstractBaseUser | None = None
) -> Execution:
    """Start a new execution from the input, or from the recorded data before a step."""
    return _rerun.rerun(execution_id, from_step, by=by)


def wait_for_result(execution_id: Id, *, timeout: timedelta | None = None) -> Any:
    """Block until the execution is finished; its final data.

    ``ExecutionFailed`` if it ended otherwise, ``ResultTimeout`` when ``timeout`` is over,
    ``InTransaction`` inside a transaction.
    """
    return _result.wait_for_result(execution_id, timeout)


def _twin(function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """The same call for async code."""

    @functools.wraps(function)
    async def twin(*args: P.args, **kwargs: P.kwargs) -> R:
        return await sync_to_async(function)(*args, **kwargs)

    twin.__name__ = twin.__qualname__ = f"a{function.__name__}"
    return twin


astart = _twin(start)
astart_many = _twin(start_many)
aget_execution = _twin(get_execution)
alist_executions = _twin(list_executions)
acancel = _twin(cancel)
asend_event = _twin(send_event)
apublish_event = _twin(publish_event)
aprovide_input = _twin(provide_input)
areassign = _twin(reassign)
apause = _twin(pause)
aresume = _twin(resume)
aretry = _twin(retry)
arerun = _twin(rerun)
await_for_result = _twin(wait_for_result)

__all__ = [
    "acancel",
    "aget_execution",
    "alist_executions",
    "apause",
    "aprovide_input",
    "apublish_event",
    "areassign",
    "arerun",
    "aresume",
    "aretry",
    "asend_event",
    "astart",
    "astart_many",
    "await_for_result",
    "cancel",
    "get_execution",
    "list_executions",
    "pause",
    "provide_input",
    "publish_event",
    "reassign",
    "rerun",
    "resume",
    "retry",
    "send_event",
    "start",
    "start_many",
    "wait_for_result",
]
