"""Replace characters that a reader can't see: the rule "no character hides".

People decide by users' texts. A character without a shape, or one that turns the direction of the
characters after it, is written as its escape (``\\u202e``) in every medium; a drawing has no room
and gets ``�`` instead.
"""

from __future__ import annotations

import re
from typing import Any

#: Signs that have a second form, or are joined to others: emoji and the blocks around them.
_SIGNS = (
    "\xa9\xae\u203c\u2049\u2100-\u27ff\u2900-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)

#: Joiners and selectors that visibly change their neighbours: they are spelling in Persian and in
#: the scripts of India (as in RFC 5892, A.1 and A.2), or part of an emoji.
_SHAPING = (
    "(?<=[\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d\u0dca\u1039\u17d2])[\u200c\u200d]"
    "|(?<=[\u0620-\u077f])\u200c(?=[\u0620-\u077f])"
    f"|(?:(?<=[{_SIGNS}])|(?<=[{_SIGNS}]\ufe0f))\u200d(?=[{_SIGNS}])"
    f"|(?<=[{_SIGNS}])[\ufe0e\ufe0f]|(?<=[#*0-9])\ufe0f(?=\u20e3)"
)

#: Controls, marks of direction, fillers and other characters without a shape of their own
#: (Unicode: ``Default_Ignorable_Code_Point``); private-use characters, surrogates, non-characters.
_UNSEEN = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ud800-\uf8ff\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufffb\ufffe\uffff\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U0010ffff"
)

_IN_LINES = re.compile(f"(?P<seen>{_SHAPING})|[{_UNSEEN}]|\r(?!\n)")
_IN_ONE_LINE = re.compile(f"(?P<seen>{_SHAPING})|[{_UNSEEN}\t\n\r]")


def visible(text: Any) -> str:
    """A text for a page or a mail: line breaks and tabs stay."""
    return _IN_LINES.sub(_escaped, str(text))


def visible_line(text: Any) -> str:
    """A text for a terminal, a cell or a subject: line breaks and tabs are escapes, too."""
    return _IN_ONE_LINE.sub(_escaped, str(text))


def drawable(text: str) -> str:
    """A text for a picture: one line, with ``�`` for each character that can't be seen."""
    return " ".join(_IN_LINES.sub(lambda found: found["seen"] or "\ufffd", text).split())


def _escaped(found: re.Match[str]) -> str:
    return found["seen"] or found[0].encode("unicode_escape").decode()
