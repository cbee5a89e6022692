"""Check values of users: names, numbers, time spans, deadlines; and ``UNSET``: none was given."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final, Self

from durable.authoring.parse.wording import did_you_mean, place, refuse, refuse_unknown

MAX_NAME = 100

#: the first and last instant that every database and every time zone can show
FIRST = datetime(1, 1, 3, tzinfo=UTC)
LAST = datetime(9999, 1, 1, tzinfo=UTC)


class Unset(Enum):
    """The type of ``UNSET``: an argument that was not given (``None`` is a value)."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


class KnownOptions:
    """A base of dataclasses that refuses unknown keywords with a ``DefinitionError``."""

    def __new__(cls, *args: Any, **options: Any) -> Self:
        known: Any = getattr(cls, "__dataclass_fields__", {})
        refuse_unknown(place(cls.__name__), [name for name in options if name not in known], known)
        return super().__new__(cls)


def name_of(value: Any, where: str, what: str = "name") -> str:
    """A checked name for a path: a text, not empty, without ``/``."""
    if not isinstance(value, str) or not value.strip():
        refuse(where, f"{what} must be a text that isn't empty, not {value!r}.")
    if "/" in value:
        refuse(where, f"{what} {value!r} contains '/', which separates names in a path.")
    if len(value) > MAX_NAME:
        refuse(where, f"{what} {value!r} is longer than {MAX_NAME} characters.")
    return value


def count(value: Any, where: str, what: str, *, least: int = 1) -> int:
    """A checked whole number of at least ``least``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        refuse(where, f"{what} must be a whole number of at least {least}, not {value!r}.")
    return value


def flag(value: Any, where: str, what: str) -> bool:
    """A checked ``True`` or ``False``."""
    if not isinstance(value, bool):
        refuse(where, f"{what} must be True or False, not {value!r}.")
    return value


def one_of(value: Any, where: str, what: str, allowed: Collection[str]) -> str:
    """A checked word out of ``allowed``."""
    if not isinstance(value, str) or value not in allowed:
        hint = did_you_mean(value, allowed) if isinstance(value, str) else ""
        refuse(where, f"{what} must be one of {', '.join(sorted(allowed))}, not {value!r}.{hint}")
    return value


def beyond(when: timedelta | datetime) -> str:
    """Why an instant, or the end of a span from now, is outside the calendar; empty if inside."""
    from durable import clock  # it imports the ORM, which authoring must not

    if isinstance(when, timedelta):
        if when > LAST - clock.local_now():
            return f"of {when} ends after the year {LAST.year - 1}: make it shorter"
    elif not FIRST < when < LAST:
        return f"is an instant before the year {LAST.year}, not {when}"
    return ""


def beyond_past(age: timedelta) -> str:
    """Why an age reaches back beyond the calendar; empty if it does not."""
    from durable import clock  # it imports the ORM, which authoring must not

    if age > clock.local_now() - FIRST:
        return f"of {age} reaches back beyond the year 1: make it shorter"
    return ""


def span(value: Any, where: str, what: str, *, ago: bool = False) -> timedelta | None:
    """A checked positive ``timedelta`` within the calendar (``ago``: the past one), or ``None``."""
    if value is None:
        return None
    if not isinstance(value, timedelta):
        refuse(where, f"{what} must be a timedelta such as minutes(5), not {value!r}.")
    if value <= timedelta(0):
        refuse(where, f"{what} must be longer than nothing, not {value!r}.")
    if why := beyond_past(value) if ago else beyond(value):
        refuse(where, f"{what} {why}.")
    return value


def is_aware(value: datetime) -> bool:
    """Whether a ``datetime`` has a time zone, and so names an instant."""
    return value.utcoffset() is not None


def aware_moment(value: Any, what: str) -> datetime:
    """An aware ``datetime``; anything else is a ``TypeError``."""
    if not isinstance(value, datetime):
        raise TypeError(f"{what} takes an aware datetime, not {value!r}.")
    if not is_aware(value):
        raise TypeError(
            f"{what} got the naive datetime {value!r}; make it aware, "
            "for example with django.utils.timezone.make_aware()."
        )
    return value


def deadline(value: Any, what: str) -> timedelta | datetime | None:
    """A ``timedelta`` or an aware ``datetime`` or ``None``; anything else is a ``TypeError``."""
    if value is None or isinstance(value, timedelta):
        return value
    if not isinstance(value, datetime):
        raise TypeError(f"{what} takes a timedelta or an aware datetime, not {value!r}.")
    return aware_moment(value, what)
