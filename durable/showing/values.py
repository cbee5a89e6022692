"""Write stored values as JSON: in JSON's own types, and as texts for pages, terminals and files."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

from django.utils.duration import duration_iso_string

from durable.increments import plain_number


def plain(value: Any) -> Any:
    """The value in JSON's own types.

    Dates, times and time spans become ISO 8601 (``P0DT00H01M30S``), bytes base64, tuples lists,
    sets sorted lists; ``Decimal``, ``UUID`` and all other types become strings.
    """
    match value:
        case None | bool() | str():
            return value
        case Decimal():
            return str(plain_number(value))
        case int() | float():
            return plain_number(value)
        case Mapping():
            return {str(name): plain(item) for name, item in value.items()}
        case set() | frozenset():
            return sorted((plain(item) for item in value), key=json.dumps)
        case list() | tuple():
            return [plain(item) for item in value]
        case date() | time():  # a datetime is a date
            return value.isoformat()
        case timedelta():
            return duration_iso_string(value)
        case bytes():
            return base64.b64encode(value).decode()
    return str(value)


def document(value: Any, *, indent: int | None = 2) -> str:
    """A JSON document for programs, in ASCII, so that no terminal or pipe changes it."""
    return json.dumps(plain(value), indent=indent)


def block(value: Any) -> str:
    """A value as JSON on several lines, for people."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False)


def line(value: Any) -> str:
    """A value as JSON on one line, for people."""
    return json.dumps(plain(value), ensure_ascii=False)
