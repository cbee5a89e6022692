"""Match the cases of a branch: by value and JSON type, by one of several, or by predicate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from durable.authoring.nodes.callables import bind_callable, label_of
from durable.authoring.nodes.flow import When
from durable.authoring.values import MAX_NAME

Matcher = Callable[[Any, Any], bool]


def same(a: Any, b: Any) -> bool:
    """Equal in value and in JSON type: ``True`` is not ``1``, but ``1`` is ``1.0``."""
    kind = json_type(a)
    if kind != json_type(b):
        return False
    if kind == "array":
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if kind == "object":
        return a.keys() == b.keys() and all(same(value, b[key]) for key, value in a.items())
    return bool(a == b)


def json_type(value: Any) -> Any:
    """The JSON type of a value; for other storable values (a date, …) their class."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float | Decimal):
        return "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list | tuple):
        return "array"
    return "object" if isinstance(value, Mapping) else type(value)


def matcher(cls: type[Any], case: Any) -> Matcher:
    """``(instance, value) -> bool`` for a case."""
    if isinstance(case, When):
        predicate = bind_callable(cls, case.predicate)
        return lambda instance, value: bool(predicate(instance, value))
    if isinstance(case, tuple):
        several = [matcher(cls, item) for item in case]
        return lambda instance, value: any(one(instance, value) for one in several)
    return lambda instance, value: same(case, value)


def case_label(case: Any, ordinal: int) -> str:
    """The name of a case in paths: ``approved``, ``true``, ``none``, ``a+b``, ``when-2``."""
    if isinstance(case, When):
        label = label_of(case.predicate) or f"when-{ordinal}"
    elif isinstance(case, tuple):
        label = "+".join(case_label(item, ordinal) for item in case)
    elif case is None or isinstance(case, bool):
        label = str(case).lower()
    else:
        label = str(case)
    return label.replace("/", "-").strip()[:MAX_NAME] or "empty"
