"""Parse the arguments of commands: time spans, instants, JSON, tags, subjects."""

from __future__ import annotations

import json
import re
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from durable import clock, conf
from durable.doors import access

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

STDIN = "-"


def span(text: str) -> timedelta:
    """``30d``, ``12h``, ``90m``, ``45s``, ``2w`` as a time span."""
    match = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip(), re.ASCII)
    if match is None:
        raise ArgumentTypeError(f"{text!r} is not a number with a unit, such as 30d, 12h or 2w")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def instant(text: str) -> datetime:
    """An ISO 8601 time or date; without an offset it is in the current time zone."""
    try:
        found = parse_datetime(text.strip())
        if found is None and (day := parse_date(text.strip())) is not None:
            found = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - made aware below
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no time: {error}") from None
    if found is None:
        raise ArgumentTypeError(f"{text!r} is no time such as 2030-05-06T12:30 or 2030-05-06")
    return timezone.make_aware(found) if timezone.is_naive(found) else found


def moment_or_span(text: str) -> datetime | timedelta:
    """An instant, or a time span before the present."""
    try:
        return span(text)
    except ArgumentTypeError:
        pass
    try:
        return instant(text)
    except ArgumentTypeError:
        raise ArgumentTypeError(
            f"{text!r} is neither a time (2030-05-06T12:30) nor a time span (12h, 30d)"
        ) from None


def before_now(given: datetime | timedelta | None) -> datetime | None:
    """The instant given as such, or as a time span before the present."""
    return clock.read(conf.database()) - given if isinstance(given, timedelta) else given


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 2**31):
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def seconds(text: str) -> timedelta:
    """A time span: a number of seconds, or a number with a unit."""
    try:
        return timedelta(seconds=float(text)) if float(text) >= 0 else span(text)
    except (ValueError, OverflowError):
        return span(text)


def json_of(text: str, what: str) -> Any:
    """The given JSON (``-``: standard input); raises ``CommandError`` with the place of a fault."""
    if text == STDIN:
        text, what = _stdin(what), f"{what} on standard input"
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise CommandError(
            f"{what} is not JSON: {error.msg} at line {error.lineno}, column {error.colno} "
            f"(a text is written in double quotes)"
        ) from None
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{what} is not JSON that can be read: {error}") from None


def json_or_text(text: str, what: str) -> Any:
    """JSON if the text is JSON, else the text itself; ``-`` reads standard input."""
    if text == STDIN:
        text = _stdin(what).removesuffix("\n")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def file_text(name: str, what: str) -> str:
    """The text of a file (``-``: standard input); raises ``CommandError``."""
    if name == STDIN:
        return _stdin(what)
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CommandError(f"{what} can't be read from {name!r}: {error}") from None


def _stdin(what: str) -> str:
    try:
        return sys.stdin.read()
    except (OSError, ValueError) as error:
        raise CommandError(f"{what} can't be read from standard input: {error}") from None


def tag(text: str) -> tuple[str, Any]:
    """``name=value``; a JSON value (``3``, ``true``, ``"3"``) as such, any other as a text."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ArgumentTypeError(f"{text!r} is no tag: write name=value")
    return name, json_or_text(value, "the tag") if value != STDIN else value


def tags(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The given tags as a dict; raises ``CommandError`` for a repeated name."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise CommandError(f"the tag {name!r} is there twice")
        found[name] = value
    return found


def subject(text: str | None, by: Any) -> Any:
    """The model instance named by ``app.Model:pk``; ``None`` for no text.

    Raises ``CommandError`` if there is none, ``AccessDenied`` if ``by`` (``None``: the program) may
    not see rows of the model.
    """
    if text is None:
        return None
    label, _, key = text.partition(":")
    try:
        model: Any = apps.get_model(label)
    except (LookupError, ValueError) as error:
        raise CommandError(f"{text!r} is no subject: {error} (write app.Model:pk)") from None
    if by is not None:
        access.require_sight(by, model)
    try:
        found = model._base_manager.filter(pk=key).first() if key else None
    except (ValueError, TypeError, ValidationError, OverflowError):
        found = None
    if found is None:
        raise CommandError(f"there is no {model._meta.label} with the primary key {key!r}")
    return found
