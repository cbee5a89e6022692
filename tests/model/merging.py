"""What api.md says of merges, written a second time: three values at once, no list of changes.

Of the package it only uses what numbers and lists remember, not how the engine merges.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from durable import codec
from durable.increments import (
    MISSING,
    appended,
    delta_since,
    incremented,
    is_number,
    items_since,
)

Dict = Mapping[str, Any]


def stored(value: Any) -> Any:
    """What comes back when this is stored between two steps of one branch."""
    return codec.loads(codec.dumps(value, keep_increments=True, limit=1 << 40))


def plain(value: Any) -> Any:
    """What branches, items and children begin with: nothing of it remembers increments."""
    return codec.loads(codec.dumps(value, limit=1 << 40))


def merged(mine: Dict, base: Dict, theirs: Dict) -> dict[str, Any]:
    """``mine`` with what ``theirs`` changed since ``base``; a key that it took away stays."""
    result = dict(mine)
    for key, value in theirs.items():
        old = base.get(key, MISSING)
        if not _is_untouched(value, old):
            result[key] = _met(mine.get(key, MISSING), old, value)
    return result


def in_place_of(mine: Dict, base: Dict, theirs: Dict) -> dict[str, Any]:
    """``theirs`` alone, which still knows what was added to ``mine`` before."""
    return _shaped(merged(mine, base, theirs), theirs)


def _shaped(whole: Dict, shape: Dict) -> dict[str, Any]:
    return {
        key: _shaped(whole[key], value) if isinstance(value, dict) else whole[key]
        for key, value in shape.items()
    }


def _is_untouched(value: Any, old: Any) -> bool:
    return old is not MISSING and codec.alike(value, old)


def _met(mine: Any, old: Any, value: Any) -> Any:
    """One changed value where ``mine`` may have been changed too."""
    here = (mine,) if mine is MISSING else (mine, old)
    added, more = delta_since(value, old), items_since(value, old)
    if added is not None:
        return incremented(next((each for each in here if is_number(each)), MISSING), added)
    if more is not None:
        result = next((each for each in here if isinstance(each, list)), MISSING)
        for item in more:
            result = appended(result, item)
        return result
    if isinstance(value, dict) and (old is MISSING or isinstance(old, dict)):
        inside = next((each for each in here if isinstance(each, dict)), {})
        return merged(inside, old if isinstance(old, dict) and mine is not MISSING else {}, value)
    return value


def contradict(base: Dict, one: Dict, other: Dict) -> bool:
    """Whether both changed the same value to different ends."""
    return any(
        _differ(base.get(key, MISSING), one[key], other[key]) for key in one.keys() & other.keys()
    )


def _differ(old: Any, one: Any, other: Any) -> bool:
    if _is_untouched(one, old) or _is_untouched(other, old):
        return False
    for since in (delta_since, items_since):
        if since(one, old) is not None and since(other, old) is not None:
            return False
    if isinstance(one, dict) and isinstance(other, dict) and isinstance(old, dict | type(MISSING)):
        return contradict(old if isinstance(old, dict) else {}, one, other)
    return not codec.alike(one, other) or any(
        since(each, old) is not None
        for since in (delta_since, items_since)
        for each in (one, other)
    )
