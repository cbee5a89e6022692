"""``Cron`` and ``OnEvent`` of ``Meta``; parse a cron expression and compute its next slots."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Any, Literal
from zoneinfo import ZoneInfo

from croniter import CroniterError, croniter

from durable import codec
from durable.authoring.calendar.slots import instants
from durable.authoring.parse.wording import did_you_mean, place, refuse
from durable.authoring.values import KnownOptions, beyond, name_of, one_of

ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day of month", 1, 31, []),
    ("month", 1, 12, MONTHS),
    ("day of week", 0, 7, WEEKDAYS),
)
TERM = re.compile(r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>[0-9]+))?", re.ASCII)


@dataclass(frozen=True)
class Cron(KnownOptions):
    """A schedule: one execution per slot, in the local time of ``timezone``.

    ``timezone`` defaults to Django's ``TIME_ZONE``, ``name`` to the workflow's. ``catch_up``
    decides about slots missed in a downtime, ``overlap`` about slots while the execution of an
    earlier one is unfinished; ``jitter`` spreads starts over this span.
    """

    expression: str
    timezone: str | None = None
    input: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    catch_up: Literal["latest", "all", "none"] = "latest"
    overlap: Literal["allow", "skip", "queue"] = "allow"
    jitter: timedelta | None = None

    def __post_init__(self) -> None:
        where = place(f"Cron({self.expression!r})")
        check_expression(self.expression, where)
        check_zone(self.timezone, where)
        if self.name is not None:
            name_of(self.name, where)
        one_of(self.catch_up, where, "catch_up", ("latest", "all", "none"))
        one_of(self.overlap, where, "overlap", ("allow", "skip", "queue"))
        given: Any = self.input
        value = {} if given is None else given
        if not isinstance(value, Mapping):
            refuse(where, f"input must be a dict, not {value!r}.")
        # no size limit: that is a setting, which may not be loaded yet
        codec.dumps(dict(value), path="input", limit=sys.maxsize)
        object.__setattr__(self, "input", value)
        jitter: Any = self.jitter
        if jitter is not None and (not isinstance(jitter, timedelta) or jitter < timedelta(0)):
            refuse(where, f"jitter must be a timedelta such as minutes(5), not {jitter!r}.")
        if jitter is not None and (why := beyond(jitter)):
            refuse(where, f"jitter {why}.")

    def slots_after(self, after: datetime) -> Iterator[datetime]:
        """The slots (instants in UTC) later than ``after``, without end."""
        return slots_after(self.expression, zone_of(self.timezone), after)


@dataclass(frozen=True)
class OnEvent(KnownOptions):
    """A trigger: a published event of this name, received by no execution, starts the workflow."""

    name: str

    def __post_init__(self) -> None:
        name: Any = self.name
        if not isinstance(name, str) or not name:
            refuse(place("OnEvent"), f"takes the name of an event, not {name!r}.")


def slots_after(expression: str, zone: tzinfo | str, after: datetime) -> Iterator[datetime]:
    """The slots of a cron expression in a zone (UTC instants), later than ``after``, in order.

    A local time that a change of clocks skips fires at the first instant after the gap; a local
    time that comes twice fires the first time. A schedule for every hour (``*``, ``*/2``) follows
    real time instead: it has no slot in the gap, and slots in both of the repeated hours.
    """
    if after.utcoffset() is None:
        raise TypeError(f"slots_after() takes an aware datetime, not {after!r}.")
    standard = five_fields(expression)

    def wall_times(since: datetime) -> Iterator[datetime]:
        found: Iterator[datetime] = croniter(standard, since, ret_type=datetime).all_next()
        return found

    if isinstance(zone, str):
        zone = ZoneInfo(zone)
    return instants(wall_times, zone, after, by_the_hour=_follows_real_time(standard))


def five_fields(expression: str) -> str:
    """The expression in five fields, with an alias such as ``@daily`` replaced."""
    text = " ".join(expression.split()).lower()
    return ALIASES.get(text, text)


def check_expression(expression: Any, where: str) -> None:
    """Refuse an expression that isn't five-field cron or an alias, or that never fires."""
    if not isinstance(expression, str):
        refuse(where, f"takes a cron expression as text, not {expression!r}.")
    text = five_fields(expression)
    if text.startswith("@"):
        hint = did_you_mean(text, ALIASES) or f" Known are: {', '.join(ALIASES)}."
        refuse(where, f"the alias {expression!r} isn't known.{hint}")
    parts = text.split()
    if len(parts) != len(FIELDS):
        names = ", ".join(name for name, *_ in FIELDS)
        found = "1 field" if len(parts) == 1 else f"{len(parts)} fields"
        refuse(where, f"{expression!r} has {found} instead of five ({names}).")
    for part, (name, low, high, words) in zip(parts, FIELDS, strict=True):
        for term in part.split(","):
            _check_term(term, f"{where}: {name} {part!r}", low, high, words)
    try:
        croniter(text, datetime(2024, 1, 1), ret_type=datetime).get_next()  # noqa: DTZ001
    except (CroniterError, ValueError) as error:
        refuse(where, f"{expression!r} never fires: there is no such date ({error}).")


def check_zone(name: Any, where: str) -> None:
    """Refuse an unknown time zone; ``None`` means Django's."""
    if name is None:
        return
    try:
        if not isinstance(name, str):
            raise ValueError(name)
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        refuse(where, f'there is no time zone {name!r}; write one such as "Europe/Berlin".')


def zone_of(name: str | None) -> tzinfo:
    """The zone with this name; without a name, Django's current ``TIME_ZONE``."""
    if name is not None:
        return ZoneInfo(name)
    from django.utils.timezone import get_default_timezone

    return get_default_timezone()


def _check_term(term: str, where: str, low: int, high: int, words: list[str]) -> None:
    match = TERM.fullmatch(term)
    if match is None:
        refuse(where, "only numbers, names, '*', ',', '-' and '/' are standard cron.")
    first, last, step = match["first"], match["last"], match["step"]
    values = [_number(text, where, low, high, words) for text in (first, last) if text]
    if len(values) == 2 and values[0] > values[1]:
        refuse(where, f"the range {term!r} runs backwards; write it as two, joined by a comma.")
    if step is not None:
        if int(step) == 0:
            refuse(where, "a step of 0 isn't possible.")
        if first and not last:
            refuse(where, f"a step needs a range; write {first}-{high}/{step}.")


def _number(text: str, where: str, low: int, high: int, words: list[str]) -> int:
    if text in words:
        return words.index(text) + low
    if not text.isdecimal() or not low <= int(text) <= high:
        names = f" or {words[0]}-{words[-1]}" if words else ""
        refuse(where, f"{text!r} is not one of {low}-{high}{names}.")
    return int(text)


def _follows_real_time(standard: str) -> bool:
    hours = croniter.expand(standard)[0][1]
    return hours == ["*"] or (standard.split()[1].startswith("*") and len(hours) > 1)
