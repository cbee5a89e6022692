"""Hide what looks secret, by the names of keys (``DURABLE["MASK"]``), wherever values are shown.

``mask`` is for values, ``mask_text`` for texts, which ``secret_spans`` reads; ``Masking`` is what
the doors ask: it knows what one reader may see.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from durable.authoring.self.decision import APPROVED, REJECTED
from durable.showing.secret_names import SecretNames
from durable.showing.secrets_in_text import NAMING, PLAIN_NAME, VALUES, spans

HIDDEN = "••••••"


def mask(value: Any, patterns: Iterable[str] | None = None) -> Any:
    """A copy of ``value`` in which what looks secret is ``HIDDEN``.

    That is the value of a key that looks secret, be the key in a mapping, in a pair
    (``["Authorization", …]``) or named beside it (``{"name": "PASSWORD", "value": …}``); and what
    ``mask_text`` hides in any text, JSON within a text included.
    """
    names = SecretNames.of(patterns)
    return _masked(value, names) if names else value


def mask_text(text: str, patterns: Iterable[str] | None = None) -> str:
    """A text (a log line, a traceback, a prompt) with the values of secret-looking names hidden.

    Passwords in addresses, private keys and bearer tokens are hidden without a name, too.
    """
    names = SecretNames.of(patterns)
    return _text_masked(text, names) if names else text


@dataclass(frozen=True)
class Masking:
    """What one reader may see of stored values: everything if ``off``, else no secrets."""

    off: bool = False

    def value(self, value: Any) -> Any:
        """Users' data, an error as it is described, what a wait has got."""
        return value if self.off else mask(value)

    def text(self, text: str) -> str:
        """A text that may quote data."""
        return text if self.off else mask_text(text)

    def answer(self, name: str, answer: Any) -> Any:
        """An answer to the question of this name: hidden if the name looks secret, or a field's.

        A decision is no secret, whatever it is about.
        """
        if self.off or (isinstance(answer, str) and answer in (APPROVED, REJECTED)):
            return answer
        return HIDDEN if answer is not None and self.hides(name) else self.value(answer)

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
        return not self.off and SecretNames.of(None).fit(name)


def _masked(value: Any, names: SecretNames) -> Any:
    match value:
        case str():
            return _json_masked(value, names)
        case bytes():
            text = value.decode("utf-8", "surrogateescape")
            return _text_masked(text, names).encode("utf-8", "surrogateescape")
        case Mapping():
            return dict(_pairs_masked(value, names))
        case set() | frozenset():
            masked = [_masked(item, names) for item in value]
            return value if all(item in value for item in masked if _hashable(item)) else masked
        case list() | tuple():
            return _items_masked(value, names)
    return value


def _hashable(value: Any) -> bool:
    return not isinstance(value, list | dict)


def _pairs_masked(value: Mapping[Any, Any], names: SecretNames) -> Iterator[tuple[Any, Any]]:
    named = any(
        isinstance(item, str) and SecretNames.folded(str(key)) in NAMING and names.fit(item)
        for key, item in value.items()
    )
    for key, item in value.items():
        shown = _text_masked(key, names) if isinstance(key, str) else key
        secret = names.fit(str(key)) or (named and SecretNames.folded(str(key)) in VALUES)
        yield shown, HIDDEN if secret and item is not None else _masked(item, names)


def _items_masked(items: Sequence[Any], names: SecretNames) -> list[Any]:
    """A pair of a name and its value; after an option (``--password``) comes its value."""
    found = [_masked(item, names) for item in items]
    for place, (name, item) in enumerate(pairwise(items), 1):
        if not isinstance(name, str) or item is None or not PLAIN_NAME.fullmatch(name):
            continue
        pair = place == 1 and len(items) <= 3
        if (pair or name.startswith("-")) and names.fit(name):
            found[place] = HIDDEN
    return found


def _json_masked(text: str, names: SecretNames) -> str:
    """A text that is JSON by the keys of its objects, any other as a text."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            value = json.loads(text)
            masked = _masked(value, names)
        except (ValueError, RecursionError):
            return _text_masked(text, names)
        if masked != value:
            return json.dumps(masked, ensure_ascii=False)
    return _text_masked(text, names)


def _text_masked(text: str, names: SecretNames) -> str:
    parts, shown = [], 0
    for begin, end in spans(text, names.fit):
        parts += [text[shown:begin], HIDDEN]
        shown = end
    return "".join([*parts, text[shown:]])
