"""Three-way merge: the changes a branch made to the block's data, applied to other data.

Changes are plain storable data, a dict of operations by key: ``["set", value]``,
``["add", amount]`` (from ``increment``), ``["more", items]`` (from ``append``) and
``["in", changes]`` for a dict that was changed inside. A key that is left out stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from durable import codec
from durable.errors import MergeConflict
from durable.increments import MISSING, appended, delta_since, incremented, is_number, items_since

Changes = dict[str, list[Any]]


def changes(base: Mapping[str, Any], data: Mapping[str, Any]) -> Changes:
    """The operations that turn ``base`` into ``data``; keys missing in ``data`` are ignored."""
    made = ((key, _operation(base.get(key, MISSING), value)) for key, value in data.items())
    return {key: operation for key, operation in made if operation is not None}


def _operation(old: Any, value: Any) -> list[Any] | None:
    delta = delta_since(value, old)
    if delta is not None:
        return ["add", delta]
    items = items_since(value, old)
    if items is not None:
        return ["more", items]
    if isinstance(value, dict) and (old is MISSING or isinstance(old, dict)):
        inside = changes(old if isinstance(old, dict) else {}, value)
        return ["in", inside] if inside or old is MISSING else None
    return None if old is not MISSING and _same(old, value) else ["set", value]


_SIMPLE = frozenset({str, int, float, bool, type(None)})


def _same(one: Any, other: Any) -> bool:
    """Whether two stored values are equal, in their types too, at every level."""
    if type(one) is not type(other) or one != other:
        return False
    if isinstance(one, list):
        kinds = list(map(type, one))
        if _SIMPLE.issuperset(kinds):  # long lists of such things are common
            return kinds == list(map(type, other))
        return all(map(_same, one, other))
    if isinstance(one, str | int | float | None):
        return True
    if isinstance(one, dict):
        return all(key in other and _same(one[key], other[key]) for key in one)
    return codec.alike(one, other)


def apply(data: Mapping[str, Any], made: Changes, base: Mapping[str, Any]) -> dict[str, Any]:
    """A new dict: ``data`` with the operations of ``made`` applied.

    If ``data`` holds a value of another kind, to which nothing can be added, the operation starts
    from the value in ``base``, from which it was made: the branch's whole result wins.
    """
    result = dict(data)
    for key, (operation, value) in made.items():
        old, origin = result.get(key, MISSING), base.get(key, MISSING)
        result[key] = _applied(old, operation, value, MISSING if old is MISSING else origin)
    return result


def _applied(old: Any, operation: str, value: Any, origin: Any) -> Any:
    match operation:
        case "add":
            return incremented(next(filter(is_number, (old, origin)), MISSING), value)
        case "more":
            result: Any = _first(list, old, origin, MISSING)
            for item in value:
                result = appended(result, item)
            return result
        case "in":
            return apply(_first(dict, old, origin, {}), value, _first(dict, origin, {}))
    return value


def _first(kind: type, *values: Any) -> Any:
    """The first of the values that is an instance of ``kind``, or else the last value."""
    return next((value for value in values if isinstance(value, kind)), values[-1])


def replaced(
    data: Mapping[str, Any], base: Mapping[str, Any], branch: Mapping[str, Any]
) -> dict[str, Any]:
    """The data of ``branch`` instead of ``data``, whose plain copy ``base`` the branch began with.

    The increments that ``data`` remembers are kept, for an outer merge.
    """
    return _cut(apply(data, changes(base, branch), base), branch)


def _cut(whole: Mapping[str, Any], shape: Mapping[str, Any]) -> dict[str, Any]:
    """``whole`` without the keys that ``shape`` lacks, at every level."""
    return {
        key: _cut(whole[key], value) if isinstance(value, dict) else whole[key]
        for key, value in shape.items()
    }


def conflicts(one: Changes, other: Changes, prefix: str = "data") -> list[str]:
    """The places that both set to different values; additions never conflict with each other."""
    found: list[str] = []
    for key in one.keys() & other.keys():
        (mine, left), (theirs, right) = one[key], other[key]
        place = f"{prefix}[{key!r}]"
        if mine == theirs == "in":
            found += conflicts(left, right, place)
        elif mine == theirs and (mine in ("add", "more") or _same(left, right)):
            continue
        else:
            found.append(place)
    return sorted(found)


def deep(data: Any, base: Any, branches: Iterable[tuple[str, Any]]) -> Any:
    """``data`` with the changes of all branches, in written order: a later branch wins a conflict.

    ``base`` is the data that the branches began with: ``data`` without remembered increments.
    """
    for _, changed in branches:
        data = apply(data, changes(base, changed), base)
    return data


def check_strict(base: Mapping[str, Any], branches: Iterable[tuple[str, Any]]) -> None:
    """``MergeConflict`` if two branches change the same value differently."""
    seen: list[tuple[str, Changes]] = []
    for name, data in branches:
        made = changes(base, data)
        for earlier, others in seen:
            places = conflicts(others, made)
            if places:
                raise MergeConflict(
                    f"branches {earlier!r} and {name!r} both change {', '.join(places)}"
                )
        seen.append((name, made))
