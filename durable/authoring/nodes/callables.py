"""Bind a flow's callables: methods get ``self``, others only arguments; a text is a data key."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from durable.authoring.nodes.steps import Method

Bound = Callable[..., Any]
"""Called with the workflow instance first, then the arguments."""


def lookup(data: Any, path: str) -> Any:
    """The value under a dotted path (``"order.items.0"``); ``None`` if it isn't there."""
    value = data
    for part in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list | tuple) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def is_callable(value: object) -> bool:
    """Whether a flow accepts the value as a callable."""
    return callable(value) or isinstance(value, Method | staticmethod | classmethod)


def label_of(function: object) -> str | None:
    """The name of a callable; ``None`` for a lambda or a partial."""
    inner = getattr(function, "function", getattr(function, "__func__", function))
    name = getattr(inner, "__name__", None)
    return name if isinstance(name, str) and name != "<lambda>" else None


def bind_callable(cls: type[Any], function: Any) -> Bound:
    """``function`` as ``(instance, *args)``: a method of ``cls`` is called on the instance.

    It is called by name, so that a subclass's override runs.
    """
    attribute = _method_name(cls, function)
    if attribute is not None:
        name = attribute
        return lambda instance, *args: getattr(instance, name)(*args)
    return lambda instance, *args: function(*args)


def bind_key_or_callable(cls: type[Any], value: Any) -> Bound:
    """Bind a key as a look-up in the data, or a callable as a function of the data.

    In a ``foreach`` a callable also gets item and index, if it takes them.
    """
    if isinstance(value, str):
        return lambda instance, data, *item: lookup(data, value)
    bound = bind_callable(cls, value)
    return lambda instance, data, *item: bound(
        instance, data, *(item if item and _takes_item(cls, instance, value) else ())
    )


def _takes_item(cls: type[Any], instance: Any, function: Any) -> bool:
    attribute = _method_name(cls, function)
    called = function if attribute is None else getattr(instance, attribute)
    try:
        inspect.signature(called).bind(None, None, None)  # data, item, index
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature
        return True
    return True


def _method_name(cls: type[Any], function: object) -> str | None:
    inner = getattr(function, "__func__", function)
    for klass in cls.__mro__:
        for name, value in vars(klass).items():
            if value is function or value is inner:
                return name
            if isinstance(value, Method) and value.function is function:
                return name
    return None
