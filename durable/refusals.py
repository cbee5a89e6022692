"""Texts for values that can't be stored: their type, their place, their size."""

from __future__ import annotations

import json
from typing import Any

#: ints beyond this are not written out in a message
SMALL = 10**18

#: as codecs write: made once, for values with very many parts
_written = json.JSONEncoder(ensure_ascii=False).encode


def why_not_data(value: Any) -> str:
    """The reason why a value of this type can't be data, and what to pass instead."""
    from django.db.models import Manager, Model, QuerySet

    try:
        kind = value.__class__  # the class that a lazy object stands for
        if issubclass(kind, Model):
            return f"{name_of(value)} is a model instance; pass its primary key (.pk) instead"
        if issubclass(kind, QuerySet | Manager):
            return f"{name_of(value)} is a query; pass a list of primary keys or values instead"
    except Exception:  # an object that fails when looked at is refused like any other
        pass
    return f"{name_of(value)} is not a type that data can hold"


def name_of(value: Any) -> str:
    """The type of a value with its article; the value's own ``repr`` is never called."""
    kind = type(value)
    prefix = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    name = f"{prefix}{kind.__qualname__}"
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def accessor(key: Any) -> str:
    """A key or index as part of a path: ``["items"]``, ``[3]``."""
    kind = type(key)
    if issubclass(kind, str):
        text = str.__str__(key)
        shown = json.dumps(text if len(text) <= 80 else text[:79] + "…", ensure_ascii=False)
        return f"[{shown.encode(errors='backslashreplace').decode()}]"
    small = kind is int and -SMALL < key < SMALL
    return f"[{key!r}]" if small or kind in (bool, type(None)) else f"[<{kind.__qualname__}>]"


def too_large(size: str, limit: int, setting: str) -> str:
    """The text that ``size`` bytes exceed the ``limit`` of ``setting``."""
    return f'it takes {size} bytes, more than the limit of {limit} (DURABLE["{setting}"])'


def largest_part(plain: Any, path: str) -> str:
    """The text that names the largest part of a value; empty if there is none."""
    if not plain or not isinstance(plain, dict | list) or "~t" in plain:
        return ""
    parts = enumerate(plain) if isinstance(plain, list) else plain.items()
    sizes = [(len(_written(item).encode()), key) for key, item in parts]
    size, key = max(sizes, key=lambda pair: pair[0])
    return f"; its largest part is {path}{accessor(key)} with {size} bytes"
