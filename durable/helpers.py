"""Helpers for steps: copies of the data with changes, time spans, dates."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Any, overload
from zoneinfo import ZoneInfo

from django.utils import timezone

from durable import clock, increments

__all__ = [
    "append",
    "assign",
    "days",
    "end_of_day",
    "hours",
    "increment",
    "minutes",
    "next_business_day",
    "next_weekday",
    "seconds",
    "update",
]

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

# -- data --------------------------------------------------------------------------------------


@overload
def assign(data: Mapping[str, Any], key: str, value: Any, /) -> dict[str, Any]: ...
@overload
def assign(
    data: Mapping[str, Any], values: Mapping[str, Any] = ..., /, **more: Any
) -> dict[str, Any]: ...
def assign(data: Mapping[str, Any], /, *args: Any, **more: Any) -> dict[str, Any]:
    """A copy of the data with ``key`` set to ``value``, or with all given values set."""
    if len(args) == 2 and not more:
        key, value = args
        return {**data, key: value}
    if len(args) > 1 or (args and not isinstance(args[0], Mapping)):
        raise TypeError("assign takes (data, key, value), (data, {…}) or (data, name=value)")
    return {**data, **(args[0] if args else {}), **more}


def update(
    data: Mapping[str, Any], key: str, default: Any, fn: Callable[[Any], Any]
) -> dict[str, Any]:
    """A copy of the data with ``fn(old)`` at ``key``; a missing key gets ``default`` instead."""
    return {**data, key: fn(data[key]) if key in data else default}


def append(data: Mapping[str, Any], key: str, item: Any) -> dict[str, Any]:
    """A copy of the data with ``item`` added to the list at ``key`` (a missing key: ``[item]``).

    When parallel branches are merged, the items appended by all of them are kept. Raises
    ``TypeError`` if the value is not a list.
    """
    return {**data, key: increments.appended(data.get(key, increments.MISSING), item)}


def increment(
    data: Mapping[str, Any], key: str, amount: int | float | Decimal = 1
) -> dict[str, Any]:
    """A copy of the data with ``amount`` added at ``key`` (a missing key: ``amount``).

    When parallel branches are merged, the amounts of all of them add up. Raises ``TypeError`` if
    the value or the amount is not a number.
    """
    return {**data, key: increments.incremented(data.get(key, increments.MISSING), amount)}


# -- spans ---------------------------------------------------------------------------------------


def seconds(number: float) -> timedelta:
    """A span of ``number`` seconds."""
    return timedelta(seconds=number)


def minutes(number: float) -> timedelta:
    """A span of ``number`` minutes."""
    return timedelta(minutes=number)


def hours(number: float) -> timedelta:
    """A span of ``number`` hours."""
    return timedelta(hours=number)


def days(number: float) -> timedelta:
    """A span of ``number`` days of 24 hours."""
    return timedelta(days=number)


# -- moments -------------------------------------------------------------------------------------


def next_business_day(
    hour: int = 9, tz: tzinfo | str | None = None, holidays: Collection[date] = ()
) -> datetime:
    """``hour`` o'clock on the next day after today that is Monday to Friday and no holiday.

    Days are those of ``tz`` (a zone or its name; default: Django's current time zone).
    """
    zone = _zone(tz)
    closed = {day.date() if isinstance(day, datetime) else day for day in holidays}
    day = _today(zone) + timedelta(days=1)
    while day.weekday() >= 5 or day in closed:
        day += timedelta(days=1)
    return _wall_time(day, time(hour), zone)


def next_weekday(weekday: str, hour: int = 9, tz: tzinfo | str | None = None) -> datetime:
    """``hour`` o'clock on the next ``"monday"`` (or another weekday) after today.

    Days are those of ``tz`` (a zone or its name; default: Django's current time zone).
    """
    name = weekday.lower()
    if name not in WEEKDAYS:
        raise ValueError(f"{weekday!r} is no weekday; use one of {', '.join(WEEKDAYS)}")
    zone = _zone(tz)
    today = _today(zone)
    ahead = (WEEKDAYS.index(name) - today.weekday() - 1) % 7 + 1
    return _wall_time(today + timedelta(days=ahead), time(hour), zone)


def end_of_day(tz: tzinfo | str | None = None) -> datetime:
    """The last microsecond of today in ``tz`` (default: Django's current time zone)."""
    zone = _zone(tz)
    return _wall_time(_today(zone), time.max, zone, last=True)


def _zone(tz: tzinfo | str | None) -> tzinfo:
    if tz is None:
        return timezone.get_current_timezone()
    return ZoneInfo(tz) if isinstance(tz, str) else tz


def _today(zone: tzinfo) -> date:
    return _present().astimezone(zone).date()


def _present() -> datetime:
    """The engine's present inside a step; elsewhere the frozen clock, or this machine's."""
    from durable.authoring.self import context  # the running step is known one floor above

    running = context.current()
    if running is not None:
        present: datetime = running.now()
        return present
    return clock.frozen_at() or clock.local_now()


def _wall_time(day: date, at: time, zone: tzinfo, *, last: bool = False) -> datetime:
    """The instant of a wall time in the zone; a skipped time moves on past the gap.

    A time that comes twice means its first occurrence, or the second if ``last``.
    """
    wall = datetime.combine(day, at, zone).replace(fold=int(last))
    there_and_back = wall.astimezone(UTC).astimezone(zone)
    if there_and_back.replace(tzinfo=None) == wall.replace(tzinfo=None):
        return there_and_back
    # In a gap: use the offset from before it, as cron's slots do.
    return wall.replace(fold=0).astimezone(UTC).astimezone(zone)
