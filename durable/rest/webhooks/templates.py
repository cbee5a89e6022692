"""Templates that find a value in a webhook: a path, a header, a literal, or a text of these."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HEADER, LITERAL = "header:", "literal:"
PLACE = re.compile(r"\{([^{}]*)\}")


class PlaceMissing(Exception):
    """The webhook lacks a value that a template names."""


@dataclass(frozen=True)
class Template:
    """``data.object.id`` (a path), ``header:X-GitHub-Event``, ``literal:paid``, or a text with
    paths and headers in braces: ``order:{data.object.metadata.order_id}``.
    """

    text: str

    def faults(self) -> str | None:
        """The fault in the template, in words; ``None`` if it has none."""
        if self.text.startswith(LITERAL):
            return None if self.text != LITERAL else "it says no text"
        places = PLACE.findall(self.text) if "{" in self.text else [self.text]
        if any(brace in PLACE.sub("", self.text) for brace in "{}"):
            return "its braces don't fit together"
        wrong = [place for place in places if not all(_last(place).split("."))]
        return f"{wrong[0]!r} is no path" if wrong else None

    def of(self, payload: Any, headers: Mapping[str, str]) -> str:
        """The text for this webhook; raises ``Missing`` if a value is not there."""
        if self.text.startswith(LITERAL):
            return self.text.removeprefix(LITERAL)
        if "{" not in self.text:
            return _at(self.text, payload, headers)
        return PLACE.sub(lambda found: _at(found[1], payload, headers), self.text)


def _last(place: str) -> str:
    return place.removeprefix(HEADER)


def _at(place: str, payload: Any, headers: Mapping[str, str]) -> str:
    if place.startswith(HEADER):
        value: Any = headers.get(_last(place))
        if not value:
            raise PlaceMissing(f"there is no header {_last(place)}")
        return str(value)
    value = payload
    for part in place.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isascii() and part.isdigit():
            number = int(part[:9])
            value = value[number] if number < len(value) else None
        else:
            value = None
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise PlaceMissing(f"there is no text or whole number at {place}")
    return str(value)
