"""Estimate the width of text without a font; wrap and cut text to a width."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

ELLIPSIS = "…"

# In thousandths of the font size; wider than the usual sans-serif faces, so that a text that fits
# by this table fits in the browser too.
_NARROW, _SLIM, _USUAL, _CAPITAL, _BROAD, _SQUARE = 320, 420, 620, 720, 960, 1080
_WIDTHS = {
    **dict.fromkeys("ijl.,:;'|!`", _NARROW),
    **dict.fromkeys('frtI()[]{}-/\\ "°·', _SLIM),
    **dict.fromkeys("ABCDEFGHJKLNOPQRSTUVXYZ&#", _CAPITAL),
    **dict.fromkeys("mwMW@%—…", _BROAD),
}
_BOLD = 1.06

#: a name may be broken behind these characters, and before a capital
_BREAK = re.compile(r"(?<=[\s_\-.:+])|(?<=[a-z0-9])(?=[A-Z])")


def width(text: str, size: float, *, bold: bool = False) -> float:
    """The approximate width of a line in pixels, in a sans-serif face of this size."""
    return sum(map(_of_char, text)) * size / 1000 * (_BOLD if bold else 1)


@lru_cache(maxsize=4096)
def _of_char(char: str) -> int:
    known = _WIDTHS.get(char)
    if known is not None:
        return known
    if char.isascii():
        return _USUAL
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    if unicodedata.east_asian_width(char) in ("W", "F"):
        return _SQUARE
    return _CAPITAL if char.isupper() else _USUAL if char.isalpha() else _BROAD


def cut(text: str, space: float, size: float, *, bold: bool = False) -> str:
    """The text; if it is wider than ``space``, its beginning and an ellipsis."""
    if width(text, size, bold=bold) <= space:
        return text
    room = space - width(ELLIPSIS, size, bold=bold)
    end = _fitting(text, room, size, bold)
    return text[:end].rstrip(" _-") + ELLIPSIS


def wrap(text: str, space: float, size: float, *, lines: int, bold: bool = False) -> list[str]:
    """The text in at most ``lines`` lines, broken between words if possible; the rest is cut."""
    found: list[str] = []
    while len(found) < lines - 1 and width(text, size, bold=bold) > space:
        end = _line_end(text, space, size, bold)
        found.append(text[:end].rstrip())
        text = text[end:].lstrip()
    return [*found, cut(text, space, size, bold=bold)]


def _line_end(text: str, space: float, size: float, bold: bool) -> int:
    """The place to break the first line: between words, or inside a word that is too long."""
    most = max(_fitting(text, space, size, bold), 1)
    breaks = [at.start() for at in _BREAK.finditer(text) if most / 3 < at.start() <= most]
    return breaks[-1] if breaks else most


def _fitting(text: str, space: float, size: float, bold: bool) -> int:
    """How many characters fit; combining marks stay with their letter."""
    used, end = 0.0, 0
    for end, char in enumerate(text):  # noqa: B007
        used += width(char, size, bold=bold)
        if used > space:
            break
    else:
        return len(text)
    while end and _of_char(text[end]) == 0:
        end -= 1
    return end
