"""Decide whether a name looks secret, by the patterns of ``DURABLE["MASK"]``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Self

from durable import conf

_BETWEEN = re.compile(r"[^a-z0-9*?]+")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


@dataclass(frozen=True)
class SecretNames:
    """The patterns, letter case and separators aside (``api_key`` fits ``X-API-Key``).

    A pattern fits a name that contains it; one with ``*`` or ``?`` has to fit the whole name; one
    in ``<`` and ``>`` has to be a whole word of it (``<pin>`` fits ``cardPin``, not ``shipping``).
    """

    parts: tuple[str, ...]
    wholes: tuple[str, ...]
    words: frozenset[str]

    @classmethod
    def of(cls, patterns: Iterable[str] | None) -> Self:
        """These patterns, or those of the settings."""
        parts, wholes, words = [], [], set()
        for pattern in conf.get("MASK") if patterns is None else patterns:
            plain = cls.folded(pattern)
            if not plain:
                continue
            if pattern.startswith("<") and pattern.endswith(">"):
                words.add(plain)
            elif "*" in plain or "?" in plain:
                wholes.append(plain)
            else:
                parts.append(plain)
        return cls(tuple(parts), tuple(wholes), frozenset(words))

    def __bool__(self) -> bool:
        return bool(self.parts or self.wholes or self.words)

    @staticmethod
    def folded(name: str) -> str:
        """A name in small letters, without separators."""
        return _BETWEEN.sub("", name.lower())

    def fit(self, name: str) -> bool:
        """Whether the value of this name is hidden."""
        plain = self.folded(name)
        return (
            any(part in plain for part in self.parts)
            or any(fnmatchcase(plain, whole) for whole in self.wholes)
            or (bool(self.words) and self._has_word(name))
        )

    def _has_word(self, name: str) -> bool:
        return any(word.lower() in self.words for word in _WORDS.findall(name))
