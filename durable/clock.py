"""The engine's clock: the database's time, as an expression for statements, or frozen in tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

_frozen: datetime | None = None


class Stopped(NamedTuple):
    """Stands for the frozen present, plus ``shift``, among the parameters of a kept statement."""

    shift: timedelta

    def bound(self, connection: BaseDatabaseWrapper) -> Any:
        """The value as the driver takes it."""
        assert _frozen is not None
        return connection.ops.adapt_datetimefield_value(_frozen + self.shift)


_kept = ContextVar("kept", default=False)

#: the last result of ``in_order``
_latest: datetime | None = None
_one_by_one = threading.Lock()

#: a jump back by this much or more means that the clock was set back
SET_BACK = timedelta(seconds=10)


_TIME: Any = models.DateTimeField()


class Now(models.Func):
    """The present, plus ``shift``, resolved when the statement is compiled.

    PostgreSQL: ``statement_timestamp()`` (stable, so usable as an index condition). SQLite has
    the clock of its one machine, to the millisecond. Frozen: the value that the test has set.
    """

    arity = 0

    def __init__(self, shift: timedelta = timedelta(0)) -> None:
        super().__init__(output_field=_TIME)
        self.shift = shift

    def __add__(self, other: Any) -> Any:
        return Now(self.shift + other) if isinstance(other, timedelta) else super().__add__(other)

    def as_sql(
        self, compiler: Any, connection: BaseDatabaseWrapper, *args: Any, **kwargs: Any
    ) -> tuple[str, Any]:
        sql, params = now_sql(connection, self.shift)
        return sql, params


_NOW = Now()  # Django copies an expression before it resolves it


def now() -> Now:
    """The present, for use in a statement; ``now() + timedelta`` works too."""
    return _NOW


def now_sql(
    connection: BaseDatabaseWrapper, shift: timedelta = timedelta(0)
) -> tuple[str, list[Any]]:
    """The present (plus ``shift``) as an SQL fragment with its parameters, for raw statements."""
    if _frozen is not None:
        present = Stopped(shift)
        value = present if _kept.get() else present.bound(connection)
        return ("%s::timestamptz" if connection.vendor == "postgresql" else "%s"), [value]
    if connection.vendor == "postgresql":
        if not shift:
            return "STATEMENT_TIMESTAMP()", []
        return "(STATEMENT_TIMESTAMP() + %s::interval)", [shift]
    if not shift:
        return "strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now')", []
    return (
        "strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now', %s)",
        [f"{shift.total_seconds():+.6f} seconds"],
    )


@contextmanager
def kept() -> Iterator[None]:
    """Within, a frozen present is written as ``Stopped``: the statement is kept for later times."""
    token = _kept.set(True)
    try:
        yield
    finally:
        _kept.reset(token)


def read(using: str) -> datetime:
    """Read the database's time (one statement, unless the clock is frozen)."""
    if _frozen is not None:
        return _frozen
    connection = connections[using]
    sql, params = now_sql(connection)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {sql}", params)
        (value,) = cursor.fetchone()
    return parse(value)


def parse(value: Any) -> datetime:
    """A time from a raw statement (text on SQLite) as an aware ``datetime`` in UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    moment: datetime = value
    return moment.replace(tzinfo=UTC) if value.tzinfo is None else moment.astimezone(UTC)


def precise(value: Any, connection: BaseDatabaseWrapper) -> datetime:
    """A present just read from the database, made finer: SQLite cuts it to milliseconds."""
    moment = parse(value)
    if _frozen is None and connection.vendor == "sqlite":
        return max(moment, local_now())
    return moment


def in_order(at: datetime) -> datetime:
    """``at``, or one microsecond after the last result in this process, whichever is later.

    So completions in one process are ordered, even while the clock stands still. A clock that was
    set back by more than ``SET_BACK`` is followed.
    """
    global _latest
    with _one_by_one:
        if _latest is not None and at <= _latest < at + SET_BACK:
            at = _latest + timedelta(microseconds=1)
        _latest = at
        return at


def frozen_at() -> datetime | None:
    """The instant at which the clock is frozen, or ``None``."""
    return _frozen


def set_frozen(value: datetime | None) -> None:
    """Stop the clock at ``value``; ``None`` lets it run again. For tests."""
    global _frozen, _latest
    if _frozen is None or value is None:
        _latest = None
    _frozen = value


@contextmanager
def frozen(at: datetime) -> Iterator[None]:
    """Stop the clock at ``at`` within the block. For tests."""
    before = _frozen
    set_frozen(at)
    try:
        yield
    finally:
        set_frozen(before)


def local_now() -> datetime:
    """This machine's time in UTC; only for dates chosen by users, never for engine decisions."""
    return datetime.now(UTC)
