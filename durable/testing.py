"""The testing kit: run workflows in process, move the clock, say what should have happened.

Works in ``django.test.TestCase`` and under pytest, without a worker, and never sleeps.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import unittest
from collections.abc import Callable, Iterator, Mapping
from contextlib import ContextDecorator, contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Min

from durable import clock
from durable.authoring import registry
from durable.authoring.workflow import Workflow
from durable.conf import database
from durable.engine.calendar import deployed
from durable.engine.duties import inline
from durable.engine.start.start import StartOptions, start
from durable.errors import ClockNotFrozen, DurableError
from durable.models import Execution, Schedule, Wait
from durable.states import WaitKind

if TYPE_CHECKING:
    from types import TracebackType

__all__ = [
    "advance",
    "assert_completed",
    "assert_step",
    "assert_waiting_for",
    "describe",
    "drain",
    "isolate_workflows",
    "replace_step",
    "run",
    "time_travel",
    "worker",
]

MAX_STEPS = 10_000

#: when the declared schedules that this process has seen were made (or begun anew) by the kit
_begun: set[datetime] = set()


def run(
    workflow: type[Workflow] | str, input: Mapping[str, Any] | None = None, **options: Any
) -> Execution:
    """Start an execution, work everything that is due, and return it as it is then.

    ``options`` are those of ``durable.start``.
    """
    tags = options.pop("tags", None) or {}
    execution = start(workflow, input, StartOptions(tags=tags, **options))
    drain()
    execution.refresh_from_db()
    return execution


def drain(max_steps: int = MAX_STEPS) -> int:
    """Work what is due, in a fixed order, until nothing is; the number of claims it took.

    ``DurableError`` when ``max_steps`` claims were not enough: a workflow goes round in circles.
    """
    _register_schedules()
    done = inline.work(max_steps)
    if done >= max_steps and inline.work(1):
        raise DurableError(
            f"drain() gave up after {max_steps} claims: a workflow keeps itself busy, or "
            "max_steps is too low"
        )
    return done


def _register_schedules() -> None:
    """Declared schedules begin when a test begins, not when its database was made."""
    deployed.register_declared()
    declared = Schedule.objects.filter(declared=True)
    if deployed.restart(declared.exclude(created_at__in=_begun)):
        _begun.update(declared.values_list("created_at", flat=True))


# -- the clock ------------------------------------------------------------------------------------


class time_travel(ContextDecorator):
    """Stop the engine's clock at ``at`` (or the present); within, ``advance`` moves it.

    A context manager, and a decorator of test functions and ``TestCase`` classes.
    """

    def __init__(self, at: datetime | None = None) -> None:
        if at is not None and (not isinstance(at, datetime) or at.tzinfo is None):
            raise TypeError(f"time_travel takes an aware datetime, not {at!r}")
        self._at = at
        self._before: list[datetime | None] = []

    def __enter__(self) -> time_travel:
        self._before.append(clock.frozen_at())
        clock.set_frozen(self._at or clock.frozen_at() or clock.local_now())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        clock.set_frozen(self._before.pop())

    def __call__(self, decorated: Any) -> Any:
        """Decorate a test, an async test, or every test of a ``TestCase`` class."""
        if inspect.isclass(decorated):
            return self._decorate_class(decorated)
        if inspect.iscoroutinefunction(decorated):

            @functools.wraps(decorated)
            async def travelling(*args: Any, **kwargs: Any) -> Any:
                with time_travel(self._at):
                    return await decorated(*args, **kwargs)

            return travelling
        return super().__call__(decorated)

    def _recreate_cm(self) -> time_travel:
        return time_travel(self._at)

    def _decorate_class(self, cls: type[Any]) -> type[Any]:
        if not issubclass(cls, unittest.TestCase):
            raise TypeError("time_travel decorates functions and TestCase classes")
        set_up, at = cls.setUp, self._at

        @functools.wraps(set_up)
        def setUp(test: Any) -> None:
            travel = time_travel(at)
            travel.__enter__()
            test.addCleanup(travel.__exit__, None, None, None)
            set_up(test)

        cls.setUp = setUp  # type: ignore[assignment, method-assign]
        return cls


def advance(*, work: bool = True, **span: float) -> datetime:
    """Move the clock by ``span`` (the arguments of ``timedelta``) and do what falls due on the way.

    It goes from due time to due time, in order; ``work=False`` only moves the clock, as if no
    worker had been up. Returns the new present; ``ClockNotFrozen`` outside ``time_travel``.
    """
    start_at = clock.frozen_at()
    if start_at is None:
        raise ClockNotFrozen(
            "advance() moves a clock that stands still: use it inside `with time_travel():`"
        )
    delta = timedelta(**span)
    if delta < timedelta(0):
        raise DurableError("advance() only goes forward")
    end = start_at + delta
    if work or not _in_event_loop():
        _register_schedules()
    if work:
        drain()
        while (due := _next_due()) is not None and due <= end:
            clock.set_frozen(max(due, clock.frozen_at() or due))
            if not drain() and _next_due() == due:
                break  # it stays due, whatever it is
    clock.set_frozen(end)
    if work:
        drain()
    return end


def _in_event_loop() -> bool:
    """Whether this is async code, in which only the clock can be moved."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _next_due() -> datetime | None:
    enabled = Schedule.objects.filter(enabled=True)
    found = (
        Execution.objects.aggregate(next=Min("wake_at"))["next"],
        enabled.aggregate(next=Min("next_run_at"))["next"],
        Wait.objects.open().aggregate(next=Min("notice_at"))["next"],
    )
    return min((due for due in found if due is not None), default=None)


# -- standing in ----------------------------------------------------------------------------------


@contextmanager
def replace_step(workflow: type[Workflow], step: str, fake: Callable[..., Any]) -> Iterator[None]:
    """Let ``fake(self, data)`` stand in for a step; its options stay those of the step."""
    definition = workflow.definition
    resolved = definition.steps.get(step)
    if resolved is None:
        raise DurableError(
            f"{definition.name} has no step {step!r}, only {', '.join(definition.steps)}"
        )
    leaves = [leaf for leaf in definition.tree.leaves() if leaf.step.function is resolved.function]
    if inspect.iscoroutinefunction(fake) != resolved.is_async:
        raise DurableError(f"the step {step!r} and its stand-in must both be async, or neither")
    original = resolved.function
    changed = [resolved, *(leaf.step for leaf in leaves)]
    for each in changed:
        object.__setattr__(each, "function", fake)
    try:
        yield
    finally:
        for each in changed:
            object.__setattr__(each, "function", original)


@contextmanager
def isolate_workflows() -> Iterator[None]:
    """Forget, at the end, the workflows that are defined inside: for classes made in tests."""
    with registry.isolate():
        yield


# -- assertions -----------------------------------------------------------------------------------


def assert_completed(execution: Execution) -> None:
    """The execution is completed; if not, the message says where it stands and why."""
    execution.refresh_from_db()
    if execution.status != "completed":
        raise AssertionError(f"expected a completed execution:\n{describe(execution)}")


def assert_waiting_for(
    execution: Execution, *, input: str | None = None, event: str | None = None
) -> None:
    """The execution (or a branch of it) has an open wait for this input, or this event."""
    if (input is None) == (event is None):
        raise TypeError("assert_waiting_for takes input= or event=")
    execution.refresh_from_db()
    waits = Wait.objects.open().filter(root_id=execution.root_id)
    if input is not None:
        found = waits.filter(kind=WaitKind.INPUT, name=input).exists()
    else:
        found = any(event in wait.names for wait in waits.exclude(kind=WaitKind.INPUT))
    if not found:
        wanted = f"input {input!r}" if input is not None else f"event {event!r}"
        raise AssertionError(f"expected a wait for {wanted}:\n{describe(execution)}")


def assert_step(
    execution: Execution, step: str, *, status: str = "completed", attempts: int | None = None
) -> None:
    """The last attempt of ``step`` (a name or a path) has this status, after so many attempts."""
    runs = [run for run in execution.steps.all() if step in (run.name, run.path)]
    if not runs:
        raise AssertionError(f"step {step!r} has not run:\n{describe(execution)}")
    if runs[-1].status != status:
        raise AssertionError(
            f"step {step!r} is {runs[-1].status}, not {status}:\n{describe(execution)}"
        )
    if attempts is not None and len(runs) != attempts:
        raise AssertionError(
            f"step {step!r} took {len(runs)} attempts, not {attempts}:\n{describe(execution)}"
        )


def describe(execution: Execution) -> str:
    """Status, error, steps and open waits of an execution, for a person who reads a failed test."""
    execution.refresh_from_db()
    lines = [f"{execution.workflow} {execution.pk}: {execution.status} at {execution.path or '-'}"]
    if execution.error:
        lines.append(f"  error: {execution.error['type']}: {execution.error['message']}")
        if execution.error.get("traceback"):
            lines += [f"    {line}" for line in execution.error["traceback"].splitlines()[-6:]]
    for step in execution.steps.all():
        failure = f" ({step.error['type']}: {step.error['message']})" if step.error else ""
        lines.append(f"  step {step.path} #{step.attempt}: {step.status}{failure}")
    for wait in Wait.objects.open().filter(root_id=execution.root_id):
        lines.append(
            f"  waits for {wait.kind} {wait.name!r} until {wait.deadline_at or 'answered'}"
        )
    return "\n".join(lines)


@contextmanager
def worker(concurrency: int = 4, queues: list[str] | None = None) -> Iterator[Any]:
    """Run a real worker in threads of this process; for ``TransactionTestCase``.

    ``DurableError`` inside a transaction (``TestCase``): its threads would see nothing of it.
    """
    from django.db import connections

    if connections[database()].in_atomic_block:
        raise DurableError(
            "worker() needs TransactionTestCase: the worker's threads have connections of their "
            "own, which can't see what this test's transaction has not committed"
        )
    from durable.worker.worker import Worker

    running = Worker(queues=dict.fromkeys(queues or ["default"], concurrency))
    running.start()
    try:
        yield running
    finally:
        running.stop()
