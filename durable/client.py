"""The client functions (``start``, ``cancel``, …): one engine call each, with an async twin."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar
from uuid import UUID

from asgiref.sync import sync_to_async

from durable.authoring.calendar.cron import Cron
from durable.authoring.self.context import WorkflowOrName
from durable.engine.calendar import fire as _fire
from durable.engine.calendar import schedules as _schedules
from durable.engine.operators import control as _control
from durable.engine.operators import listing as _listing
from durable.engine.run import result as _result
from durable.engine.start import rerun as _rerun
from durable.engine.start import send as _send
from durable.engine.start import start as _start
from durable.models import Event, Execution, Schedule
from durable.people import answer as _answer
from durable.storage import lookup as _lookup

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser
    from django.db.models import Model

    from durable.models.execution import ExecutionQuerySet
    from durable.models.schedule import ScheduleQuerySet

P = ParamSpec("P")
R = TypeVar("R")

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

    Called again with the same ``idempotency_key`` it returns the first execution, with
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
    """The execution with this id, or with the only id that begins so; ``ExecutionNotFound``."""
    return _lookup.find(execution_id)


def list_executions(
    workflow: WorkflowOrName | None = None,
    status: str | Iterable[str] | None = None,
    *,
    queue: str | None = None,
    tags: Mapping[str, Any] | None = None,
    subject: Model | None = None,
) -> ExecutionQuerySet:
    """Executions (not their branches and items), newest first, as a QuerySet.

    ``WorkflowNotFound`` for a name that neither this code nor any execution has, ``DurableError``
    for an unknown status.
    """
    return _listing.listed(workflow, status, queue=queue, tags=tags, subject=subject)


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
    """Send an event to one execution; the same ``event_id`` again returns the first event."""
    return _send.send_event(execution_id, name, payload, event_id=event_id, by=by)


def publish_event(
    name: str,
    payload: Any = None,
    *,
    key: str | None = None,
    event_id: str | None = None,
    keep: timedelta | None = None,
    by: AbstractBaseUser | None = None,
) -> Event:
    """Publish an event to every unfinished execution that carries ``key``.

    If there is none, the event starts the workflows that it triggers; ``DurableError`` if its
    payload can't be the input of any of them. Events that no execution received are kept, and their
    ``event_id`` known, for ``keep`` (default ``DURABLE["KEEP_EVENTS"]``).
    """
    return _send.publish_event(name, payload, key=key, event_id=event_id, keep=keep, by=by)


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

    ``InvalidInput`` has a message per field; ``NotAllowed``: this person may not answer;
    ``WaitNotFound``: no question of this name was asked; ``FormMissing``: this code lacks the form.
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
    """Replace the assignees (users, groups, ``"group:x"`` …) of an open question."""
    return _answer.reassign(execution_id, name, to=to, by=by, branch=branch)


def pause(execution_id: Id, *, by: AbstractBaseUser | None = None) -> Execution:
    """Pause an execution at its next checkpoint."""
    return _control.pause(execution_id, by=by)


def resume(execution_id: Id, *, by: AbstractBaseUser | None = None) -> Execution:
    """Resume a paused execution."""
    return _control.resume(execution_id, by=by)


def retry(
    execution_id: Id, *, restart_step: bool = False, by: AbstractBaseUser | None = None
) -> Execution:
    """Continue a failed or blocked execution at its step, with fresh attempts.

    ``restart_step=True`` forgets the step's recorded waits and results of ``run``.
    """
    return _control.retry(execution_id, restart_step=restart_step, by=by)


def compensate(execution_id: Id, *, by: AbstractBaseUser | None = None) -> Execution:
    """Run the held-back compensations of a failed execution (``Meta.on_failure = "hold"``)."""
    return _control.compensate(execution_id, by=by)


def rerun(
    execution_id: Id, *, from_step: str | None = None, by: AbstractBaseUser | None = None
) -> Execution:
    """Start a new execution from the input, or from the recorded data before a step."""
    return _rerun.rerun(execution_id, from_step, by=by)


def wait_for_result(execution_id: Id, *, timeout: timedelta | None = None) -> Any:
    """Block until the execution is finished; return its final data.

    ``ExecutionFailed`` if it ended otherwise, ``ResultTimeout`` when ``timeout`` is over,
    ``InTransaction`` inside a transaction; ``DurableError`` if ``timeout`` is no ``timedelta``.
    """
    return _result.wait_for_result(execution_id, timeout)


def schedule(
    workflow: WorkflowOrName,
    cron: str,
    *,
    name: str,
    timezone: str | None = None,
    input: Mapping[str, Any] | None = None,
    catch_up: Literal["latest", "all", "none"] = "latest",
    overlap: Literal["allow", "skip", "queue"] = "allow",
    jitter: timedelta | None = None,
    by: AbstractBaseUser | None = None,
) -> Schedule:
    """Create or change the schedule ``name``; ``timezone`` defaults to Django's.

    ``DefinitionError`` for an expression that isn't standard cron, ``WorkflowNotFound``,
    ``NotSerializable``; ``DurableError`` if a class declares a schedule of this name.
    """
    options: dict[str, Any] = {"timezone": timezone, "catch_up": catch_up, "overlap": overlap}
    made = Cron(cron, input=input or {}, name=name, jitter=jitter, **options)
    return _schedules.schedule(workflow, made, by=by)


def unschedule(name: str, *, by: AbstractBaseUser | None = None) -> None:
    """Remove a schedule that was made with ``schedule``; its executions stay.

    ``ScheduleNotFound``; ``DurableError`` if a class declares it.
    """
    _schedules.unschedule(name, by=by)


def schedules() -> ScheduleQuerySet:
    """All schedules, by name, as a QuerySet."""
    found: ScheduleQuerySet = Schedule.objects.order_by("name")
    return found


def enable_schedule(name: str, *, by: AbstractBaseUser | None = None) -> Schedule:
    """Enable a schedule, from its next slot on; ``ScheduleNotFound``."""
    return _schedules.switch(name, on=True, by=by)


def disable_schedule(name: str, *, by: AbstractBaseUser | None = None) -> Schedule:
    """Disable a schedule until it is enabled again, also over deploys; ``ScheduleNotFound``."""
    return _schedules.switch(name, on=False, by=by)


def trigger_schedule(name: str, *, by: AbstractBaseUser | None = None) -> Execution:
    """Start an execution of a schedule now, apart from its slots; ``ScheduleNotFound``."""
    return _fire.trigger(name, by=by)


def _twin(function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """The async twin of a client function."""

    @functools.wraps(function)
    async def twin(*args: P.args, **kwargs: P.kwargs) -> R:
        return await sync_to_async(function)(*args, **kwargs)

    twin.__name__ = twin.__qualname__ = f"a{function.__name__}"
    return twin


async def await_for_result(
    execution_id: Id,
    *,
    timeout: timedelta | None = None,  # noqa: ASYNC109 - the same signature as its twin's
) -> Any:
    """``wait_for_result`` for async code; the event loop stays free meanwhile."""
    return await _result.await_for_result(execution_id, timeout)


astart = _twin(start)
astart_many = _twin(start_many)
aget_execution = _twin(get_execution)
alist_executions = _twin(list_executions)
acancel = _twin(cancel)
acompensate = _twin(compensate)
asend_event = _twin(send_event)
apublish_event = _twin(publish_event)
aprovide_input = _twin(provide_input)
areassign = _twin(reassign)
apause = _twin(pause)
aresume = _twin(resume)
aretry = _twin(retry)
arerun = _twin(rerun)
aschedule = _twin(schedule)
aunschedule = _twin(unschedule)
aschedules = _twin(schedules)
aenable_schedule = _twin(enable_schedule)
adisable_schedule = _twin(disable_schedule)
atrigger_schedule = _twin(trigger_schedule)

__all__ = [
    "acancel",
    "acompensate",
    "adisable_schedule",
    "aenable_schedule",
    "aget_execution",
    "alist_executions",
    "apause",
    "aprovide_input",
    "apublish_event",
    "areassign",
    "arerun",
    "aresume",
    "aretry",
    "aschedule",
    "aschedules",
    "asend_event",
    "astart",
    "astart_many",
    "atrigger_schedule",
    "aunschedule",
    "await_for_result",
    "cancel",
    "compensate",
    "disable_schedule",
    "enable_schedule",
    "get_execution",
    "list_executions",
    "pause",
    "provide_input",
    "publish_event",
    "reassign",
    "rerun",
    "resume",
    "retry",
    "schedule",
    "schedules",
    "send_event",
    "start",
    "start_many",
    "trigger_schedule",
    "unschedule",
    "wait_for_result",
]
