"""Print tables and colours on a terminal, with escapes for control characters of users' texts."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils.termcolors import make_style

from durable.showing import values
from durable.showing.characters import visible, visible_line

#: the colour of a status or severity in a cell
COLOURS = {
    **dict.fromkeys(("completed", "compensated", "ok", "answered", "alive"), "green"),
    **dict.fromkeys(("failed", "compensation_failed", "error", "blocked", "dead"), "red"),
    **dict.fromkeys(("paused", "warning", "compensating", "timed_out"), "yellow"),
    **dict.fromkeys(("running", "waiting", "info"), "cyan"),
}


def lines_of(text: str) -> list[str]:
    """The lines of a text, control characters escaped."""
    return visible(text).expandtabs(4).splitlines()


def value_of(value: Any) -> str:
    """Users' data as one line of JSON."""
    return visible_line(values.line(value))


def width(text: str) -> int:
    """The number of a terminal's columns that a text takes."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    combining = sum(bool(unicodedata.combining(char)) for char in text)
    return len(text) + wide - combining


class Paint:
    """Colours for a terminal; without colours the text as it is."""

    def __init__(self, on: bool) -> None:
        self.on = on

    def __call__(self, text: str, word: str | None = None) -> str:
        """``text`` in the colour of ``word`` (by default of the text itself)."""
        colour = COLOURS.get(text if word is None else word) if self.on else None
        return make_style(fg=colour)(text) if colour else text

    def head(self, text: str) -> str:
        """A heading, in bold."""
        return make_style(opts=("bold",))(text) if self.on else text

    def table(self, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
        """Columns side by side, as wide as their widest cell; the last one is not padded."""
        cells = [
            [visible_line("-" if cell in (None, "") else cell) for cell in row] for row in rows
        ]
        if not cells:
            return []
        sizes = [max(map(width, column)) for column in zip(head, *cells, strict=True)]
        lines = [self.head(_joined(head, sizes))]
        for row in cells:
            padded = [self(text, word) for text, word in zip(_padded(row, sizes), row, strict=True)]
            lines.append("  ".join(padded).rstrip())
        return lines


def _padded(row: Sequence[str], sizes: Sequence[int]) -> list[str]:
    last = len(row) - 1
    return [
        text if number == last else text + " " * (size - width(text))
        for number, (text, size) in enumerate(zip(row, sizes, strict=True))
    ]


def _joined(row: Sequence[str], sizes: Sequence[int]) -> str:
    return "  ".join(_padded(row, sizes)).rstrip()


def wants_colour(stream: Any, options: Mapping[str, Any]) -> bool:
    """Whether to colour: if forced, or on a terminal unless refused."""
    if options.get("force_color"):
        return True
    refused = options.get("no_color") or os.environ.get("NO_COLOR")
    if refused or os.environ.get("TERM") == "dumb":
        return False
    return bool(stream.isatty())
