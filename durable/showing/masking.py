"""Hide secret values by the names of their keys (``DURABLE["MASK"]``), wherever they are shown.

``mask`` masks values, ``mask_text`` texts (by ``secrets_in_text``); the doors use ``Masking``,
which knows whether one reader may see secrets.
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
    """A copy of ``value`` with secrets replaced by ``HIDDEN``.

    Secrets are the values of keys that look secret, whether the key is in a mapping, in a pair
    (``["Authorization", …]``) or named beside the value (``{"name": "PASSWORD", "value": …}``); and
    everything that ``mask_text`` hides in a text, JSON within a text included.
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
    """Stored values for one reader: unmasked if ``off``, else without secrets."""

    off: bool = False

    def value(self, value: Any) -> Any:
        """Users' data, an error's JSON, or the payload of a wait."""
        return value if self.off else mask(value)

    def text(self, text: str) -> str:
        """A text that may quote data."""
        return text if self.off else mask_text(text)

    def answer(self, name: str, answer: Any) -> Any:
        """An answer: hidden as a whole if the question's name looks secret, else by its fields.

        Approved and rejected are never hidden.
        """
        if self.off or (isinstance(answer, str) and answer in (APPROVED, REJECTED)):
            return answer
        return HIDDEN if answer is not None and self.hides(name) else self.value(answer)

    def change(self, action: str, target: str, value: Any) -> Any:
        """The value before or after in an audit entry about ``target``."""
        known = self.value(value)
        if action == "provide_input" and isinstance(value, Mapping) and "answer" in value:
            return {**known, "answer": self.answer(target, value["answer"])}
        return known

    def logs(self, records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Captured log records with their messages masked."""
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
    """Mask the second item of a pair whose first is a name, and items after a ``--password``."""
    found = [_masked(item, names) for item in items]
    for place, (name, item) in enumerate(pairwise(items), 1):
        if not isinstance(name, str) or item is None or not PLAIN_NAME.fullmatch(name):
            continue
        pair = place == 1 and len(items) <= 3
        if (pair or name.startswith("-")) and names.fit(name):
            found[place] = HIDDEN
    return found


def _json_masked(text: str, names: SecretNames) -> str:
    """Mask a JSON text by its keys, any other text by ``_text_masked``."""
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
