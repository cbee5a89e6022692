"""Freeze the clock of a test (``time_travel``), and move it to due times (``advance``)."""

from __future__ import annotations

import asyncio
import functools
import inspect
import unittest
from collections.abc import Iterable
from contextlib import ContextDecorator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Min

from durable import clock
from durable.engine.duties.pulse import pulse
from durable.errors import ClockNotFrozen, DurableError
from durable.testing import firing
from durable.testing.running import drain

if TYPE_CHECKING:
    from types import TracebackType


class time_travel(ContextDecorator):
    """Stop the engine's clock at ``at`` (or the present); within, ``advance`` moves it.

    Only schedules chosen by ``schedules`` fire: ``True`` for all, or a list of workflows and names
    of schedules. They begin anew with the block. A block inside another inherits what is not
    given.

    A context manager, and a decorator of test functions and ``TestCase`` classes.
    """

    def __init__(
        self, at: datetime | None = None, *, schedules: firing.Wanted | None = None
    ) -> None:
        if at is not None and (not isinstance(at, datetime) or at.tzinfo is None):
            raise TypeError(f"time_travel takes an aware datetime, not {at!r}")
        if schedules is not None and not isinstance(schedules, bool | str):
            schedules = tuple(schedules) if isinstance(schedules, Iterable) else schedules
        if schedules is not None:
            firing.Choice.of(schedules)
        self._at, self._schedules = at, schedules
        self._before: list[tuple[datetime | None, firing.Choice]] = []

    def __enter__(self) -> time_travel:
        self._before.append((clock.frozen_at(), firing.chosen()))
        at = self._at or clock.frozen_at() or clock.local_now()
        wanted = firing.chosen() if self._schedules is None else firing.Choice.of(self._schedules)
        firing.choose(wanted.begun(at))
        clock.set_frozen(at)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        frozen, choice = self._before.pop()
        clock.set_frozen(frozen)
        firing.choose(choice)

    def __call__(self, decorated: Any) -> Any:
        """Decorate a test, an async test, or every test of a ``TestCase`` class."""
        if inspect.isclass(decorated):
            return self._decorate_class(decorated)
        if inspect.iscoroutinefunction(decorated):

            @functools.wraps(decorated)
            async def travelling(*args: Any, **kwargs: Any) -> Any:
                with self._recreate_cm():
                    return await decorated(*args, **kwargs)

            return travelling
        return super().__call__(decorated)

    def _recreate_cm(self) -> time_travel:
        return time_travel(self._at, schedules=self._schedules)

    def _decorate_class(self, cls: type[Any]) -> type[Any]:
        if not issubclass(cls, unittest.TestCase):
            raise TypeError("time_travel decorates functions and TestCase classes")
        set_up = cls.setUp

        @functools.wraps(set_up)
        def setUp(test: Any) -> None:
            travel = self._recreate_cm()
            travel.__enter__()
            test.addCleanup(travel.__exit__, None, None, None)
            set_up(test)

        cls.setUp = setUp  # type: ignore[assignment, method-assign]
        return cls


def advance(*, work: bool = True, **span: float) -> datetime:
    """Move the clock by ``span`` (as for ``timedelta``), and do the work that falls due on the way.

    The clock goes from due time to due time, in order; ``work=False`` only moves it, as if no
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
        firing.register()
    if work:
        firing.check_names()
        drain()
        while (due := _next_due()) is not None and due <= end:
            clock.set_frozen(max(due, clock.frozen_at() or due))
            if not drain() and _next_due() == due:
                break  # the due work makes no progress
    clock.set_frozen(end)
    if work:
        drain()
    return end


def _in_event_loop() -> bool:
    """Whether the caller is async code, in which only the clock can be moved."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _next_due() -> datetime | None:
    seen = pulse(None, ())
    found = [seen.next_wake, seen.next_notice]
    if not firing.chosen().is_none():
        enabled = firing.rows().filter(enabled=True)
        found.append(enabled.aggregate(next=Min("next_run_at"))["next"])
    return min((due for due in found if due is not None), default=None)
