"""Check values against what the columns can hold, so that every database refuses the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from durable import codec
from durable.authoring.self.context import WaitSpec
from durable.authoring.values import beyond, beyond_past
from durable.errors import DurableError, NotSerializable

HIGHEST = 2**31 - 1
LONGEST_KEY = 255
LONGEST_SCOPE = 100


def text(what: str, value: Any, longest: int = 255) -> str:
    """A text of 1 to ``longest`` characters, checked to fit every database; ``DurableError``."""
    if not isinstance(value, str) or not 1 <= len(value) <= longest:
        shown = (
            repr(value) if not isinstance(value, str) or len(value) <= 60 else f"{value[:60]!r}…"
        )
        raise DurableError(f"{what} is a string of 1 to {longest} characters, not {shown}")
    codec.dumps(value, path=what)
    return value


def is_text(value: Any, longest: int = 255) -> bool:
    """Whether a row could hold this text; if not, no query is needed."""
    try:
        text("text", value, longest)
    except DurableError:
        return False
    return True


def scoped(scope: str, key: str) -> str:
    """The key as stored: after its scope, and hashed if both are too long together."""
    whole = scope + key
    if not scope or len(whole) <= LONGEST_KEY:
        return whole
    return scope + hashlib.sha256(key.encode()).hexdigest()


def free_text(what: str, value: Any) -> str:
    """A text of any length up to ``MAX_DATA_BYTES``, possibly empty; ``DurableError``."""
    if not isinstance(value, str):
        raise DurableError(f"{what} is a string, not {value!r}")
    codec.dumps(value, path=what)
    return value


def flag(what: str, value: Any) -> bool:
    """A checked bool; ``DurableError`` for other true or false values."""
    if not isinstance(value, bool):
        raise DurableError(f"{what} is True or False, not {type(value).__name__}")
    return value


def several(what: str, value: Any) -> Iterable[Any]:
    """A checked iterable, not a text; ``DurableError``."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise DurableError(f"{what} must be a list, not {type(value).__name__}")
    return value


def priority(value: Any) -> int:
    """A whole number that an integer column holds; ``DurableError``."""
    if not isinstance(value, int) or isinstance(value, bool) or not -HIGHEST <= value <= HIGHEST:
        raise DurableError(
            f"priority is a whole number from {-HIGHEST} to {HIGHEST} (higher goes first), "
            f"not {value!r}"
        )
    return value


def tags(value: Any) -> dict[str, Any]:
    """Checked tags: plain JSON, so that a database can search them; ``DurableError``."""
    if not isinstance(value, Mapping):
        raise DurableError(f"tags are a dict of names and values, not {value!r}")
    plain = dict(value)
    if not plain:
        return plain
    codec.dumps(plain, path="tags")
    _plain(plain, "tags")
    return plain


def _plain(value: Any, path: str) -> None:
    if isinstance(value, Mapping):
        for name, item in value.items():
            _plain(item, f"{path}[{json.dumps(name)}]")
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            _plain(item, f"{path}[{number}]")
    elif value is not None and not isinstance(value, bool | int | float | str):
        raise NotSerializable(path, f"tags are plain JSON, not {type(value).__name__}")


def wait(ask: WaitSpec) -> None:
    """Check the names and the key of a wait; ``DurableError``."""
    for name in ask.names or (ask.name,):
        text("the name of a wait", name)
    if ask.key is not None:
        text("the key of a wait", ask.key)


def instant(what: str, moment: datetime) -> datetime:
    """An instant within the calendar, in any time zone; ``DurableError``."""
    if why := beyond(moment):
        raise DurableError(f"{what} {why}")
    return moment


def later(what: str, delay: timedelta) -> timedelta:
    """A time span that ends within the calendar; ``DurableError``."""
    if why := beyond(_span(what, delay)):
        raise DurableError(f"{what} {why}")
    return delay


def positive(what: str, span: timedelta) -> timedelta:
    """A time span longer than zero that ends within the calendar; ``DurableError``."""
    if later(what, span) <= timedelta(0):
        raise DurableError(f"{what} must be longer than nothing, not {span!r}")
    return span


def age(what: str, span: timedelta) -> timedelta:
    """A time span that, counted back from now, stays within the calendar; ``DurableError``."""
    if why := beyond_past(_span(what, span)):
        raise DurableError(f"{what} {why}")
    return span


def _span(what: str, value: Any) -> timedelta:
    """A checked ``timedelta``, as a plain number could be seconds or days; ``DurableError``."""
    if not isinstance(value, timedelta):
        raise DurableError(f"{what} must be a timedelta such as minutes(5), not {value!r}")
    return value
