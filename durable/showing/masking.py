"""Hide what looks secret, by the names of keys (``DURABLE["MASK"]``), wherever values are shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from durable import conf
from durable.authoring.decision import APPROVED, REJECTED
from durable.states import WaitKind

HIDDEN = "••••••"

_WORD = re.compile(r"[^a-z0-9*?]+")
#: what stands before a value in a text: ``name=``, ``name: ``, ``"name": ``, ``\"name\": ``; it
#: begins only where a word does, so that a long word is looked at once
_NAME = re.compile(r"""(?<![\w.-])(?P<word>[\w.-]{1,100})\\*["']?\s{0,9}[=:]\s{0,9}""")
_VALUE = re.compile(r"""\\*"[^"\n]*"|\\*'[^'\n]*'|(?:(?:[Bb]earer|[Bb]asic) )?[^\s,;&}\])]+""")


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
    parts, shown = [], 0
    for name in _NAME.finditer(text) if known else ():
        if name.end() < shown or not _fits(name["word"], known):
            continue
        value = _VALUE.match(text, name.end())
        if value:
            parts += [text[shown : name.end()], HIDDEN]
            shown = value.end()
    return "".join([*parts, text[shown:]])


@dataclass(frozen=True)
class Masking:
    """What one reader may see of stored values: everything if ``off``, else no secrets."""

    off: bool = False

    def value(self, value: Any) -> Any:
        """Users' data."""
        return value if self.off else mask(value)

    def text(self, text: str) -> str:
        """A text that may quote data."""
        return text if self.off else mask_text(text)

    def error(self, error: Any) -> Any:
        """An error as it is described: secrets are hidden in its texts at any depth, too.

        That of a child workflow, or those of items, stand in the details with their own messages
        and tracebacks.
        """
        return error if self.off else _texts_masked(mask(error))

    def answer(self, name: str, answer: Any) -> Any:
        """An answer to the question of this name: hidden if the name looks secret, or a field's.

        A decision is no secret, whatever it is about.
        """
        decided = isinstance(answer, str) and answer in (APPROVED, REJECTED)
        return answer if self.off or decided else mask({name: answer})[name]

    def received(self, kind: str, value: Any) -> Any:
        """What a wait of this kind has got: payloads, or how its child has ended, with an error."""
        return self.error(value) if kind == WaitKind.CHILD else self.value(value)

    def change(self, action: str, target: str, value: Any) -> Any:
        """What an audit entry about ``target`` has as before or after."""
        known = self.value(value)
        if action == "provide_input" and isinstance(value, Mapping) and "answer" in value:
            return {**known, "answer": self.answer(target, value["answer"])}
        return known

    def logs(self, records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Captured log records, with what their messages may quote hidden."""
        return [
            {**record, "message": self.text(str(record.get("message", "")))} for record in records
        ]

    def hides(self, name: str) -> bool:
        """Whether the value of this key is hidden."""
        return not self.off and _fits(name, _normalised(None))


def _texts_masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, Mapping):
        return {key: _texts_masked(item) for key, item in value.items()}
    return [_texts_masked(item) for item in value] if isinstance(value, list) else value


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
    if isinstance(value, list | tuple):  # a set has no keys
        return [_masked(item, patterns) for item in value]
    return value


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    plain = _plain(name)
    return any(
        fnmatchcase(plain, pattern) if "*" in pattern or "?" in pattern else pattern in plain
        for pattern in patterns
    )
