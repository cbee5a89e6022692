"""Hide what looks secret, by the names of keys (``DURABLE["MASK"]``), wherever values are shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from durable import conf

HIDDEN = "••••••"

_WORD = re.compile(r"[^a-z0-9*?]+")
#: ``name=value``, ``name: value`` and ``"name": "value"`` in a text
_PAIR = re.compile(
    r"""(?P<name>["']?(?P<word>[\w.-]+)["']?\s*[=:]\s*)(?P<value>"[^"\n]*"|'[^'\n]*'|[^\s,;&}\])]+)"""
)


def mask(value: Any, patterns: Iterable[str] | None = None) -> Any:
    """A copy of ``value`` in which the values of secret-looking keys are ``HIDDEN``.

    A pattern fits a key that contains it, letter case and separators aside (``api_key`` fits
    ``X-API-Key``); one with ``*`` or ``?`` has to fit the whole key.
    """
    known = _normalised(patterns)
    return _masked(value, known) if known else value


def mask_text(text: str, patterns: Iterable[str] | None = None) -> str:
    """A text (a log line, a traceback) with the values of secret-looking names hidden."""
    known = _normalised(patterns)

    def hide(match: re.Match[str]) -> str:
        if _fits(match["word"], known):
            return match["name"] + HIDDEN
        return match["name"] + _PAIR.sub(hide, match["value"])  # ValueError: token=…

    return _PAIR.sub(hide, text) if known else text


def _normalised(patterns: Iterable[str] | None) -> tuple[str, ...]:
    chosen = conf.get("MASK") if patterns is None else patterns
    return tuple(filter(None, (_plain(pattern) for pattern in chosen)))


def _plain(name: str) -> str:
    return _WORD.sub("", name.lower())


def _masked(value: Any, patterns: tuple[str, ...]) -> Any:
    if isinstance(value, Mapping):
        return {
            key: HIDDEN
            if _fits(str(key), patterns) and item is not None
            else _masked(item, patterns)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(item, patterns) for item in value]
    return value


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    plain = _plain(name)
    return any(
        fnmatchcase(plain, pattern) if "*" in pattern or "?" in pattern else pattern in plain
        for pattern in patterns
    )
