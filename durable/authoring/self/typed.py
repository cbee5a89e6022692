"""Typed steps: convert data to an annotated dataclass, TypedDict or Pydantic model, and back."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from weakref import WeakKeyDictionary

from durable.authoring.self.context import Data
from durable.errors import DefinitionError, InvalidStepInput

# -- called by the engine ----------------------------------------------------------------------


class Typed:
    """The annotated types of one step; without annotations it gets and returns plain values."""

    __slots__ = ("_data", "_item", "_lays_dict", "_objects", "_typed")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._data = model_of(function, 1)
        self._item = model_of(function, 2)
        returned = _model(_annotation(function, "return"))
        found = [model for model in (self._data, self._item, returned) if model is not None]
        self._typed = bool(found)
        self._objects = tuple(
            cls for model in found for cls in model.classes if not _is_typed_dict(cls)
        )
        self._lays_dict = bool(
            returned and self._data and returned.is_dict and returned.kind == self._data.kind
        )

    def data_in(self, data: Data) -> Any:
        """The data in the annotated type; ``InvalidStepInput`` names the place that doesn't fit."""
        return data if self._data is None else self._data.load(data)

    def item_in(self, item: Any) -> Any:
        """A ``foreach``'s item in the annotated type; ``InvalidStepInput`` as in ``data_in``."""
        return item if self._item is None else self._item.load(item)

    def data_out(self, returned: Any, data: Data, received: Any = None) -> Any:
        """The body's result as data; the fields of an annotated object are laid over ``data``.

        ``received`` is the object that ``data_in`` made: a body that returned ``None`` passes on
        its changes to that object. ``None``, dicts and other values are returned unchanged.
        """
        if returned is None:
            if received is None or self._data is None or received is data:
                return None
            return self._data.changed(received, data)
        if not self._typed:
            return returned
        if self._objects and isinstance(returned, self._objects):
            return overlay(returned, data)
        if not isinstance(returned, dict):
            return returned
        return {**data, **storable(returned)} if self._lays_dict else storable(returned)


_bound: WeakKeyDictionary[Any, Typed] = WeakKeyDictionary()


def bind(function: Callable[..., Any]) -> Typed:
    """The annotated types of a step's function, read at its first run."""
    typed = _bound.get(function)
    if typed is None:
        typed = _bound[function] = Typed(function)
    return typed


@dataclasses.dataclass(frozen=True)
class TypedModel:
    """The annotated type of one parameter; ``classes`` are the models in it."""

    kind: Any
    classes: tuple[type, ...]
    where: str
    name: str

    @property
    def is_dict(self) -> bool:
        """Whether the body receives a dict (a TypedDict) rather than an object."""
        return all(_is_typed_dict(cls) for cls in self.classes)

    def load(self, value: Any) -> Any:
        """``value`` as this type; ``InvalidStepInput`` names parameter, place and reason."""
        try:
            return _fit(self.kind, value)
        except _Misfit as misfit:
            raise InvalidStepInput(f"{self.where}: {misfit.at(self.name)}") from misfit.__cause__

    def changed(self, received: Any, data: Data) -> Data:
        """The data with the body's changes to the object ``received``."""
        if isinstance(received, dict):
            return {**storable(received)}
        after = overlay(received, data)
        try:
            before = overlay(self.load(data), data)
        except InvalidStepInput:  # the body changed a value shared by object and data
            return after
        return {
            key: data[key] if key in data and _same(before[key], value) else value
            for key, value in after.items()
        }


def overlay(instance: Any, data: Mapping[str, Any]) -> Data:
    """The data with a typed object's fields laid over it; other keys stay unchanged."""
    fields = _fields_of(instance)
    laid = dict(data)
    for key, value in fields.items():
        inner, old = getattr(instance, key, value), data.get(key)
        if _is_object(type(inner)) and isinstance(old, dict):
            laid[key] = overlay(inner, old)
        else:
            laid[key] = storable(value)
    return laid


def storable(value: Any) -> Any:
    """The value with typed objects and enum members made storable; unchanged if there are none."""
    if isinstance(value, Enum):
        return value.value
    if _is_object(type(value)):
        return {key: storable(item) for key, item in _fields_of(value).items()}
    return _mapped(value, lambda item, _: storable(item))


def _fields_of(instance: Any) -> Data:
    if dataclasses.is_dataclass(instance):
        return {f.name: getattr(instance, f.name) for f in dataclasses.fields(instance)}
    fields: Data = instance.model_dump(by_alias=True)
    return fields


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


# -- read a step's annotations -------------------------------------------------------------------


def model_of(function: Callable[..., Any], index: int) -> TypedModel | None:
    """The annotated type of a positional parameter (0 is ``self``); ``None`` for plain values."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    positional = [p.name for p in parameters if p.kind <= p.POSITIONAL_OR_KEYWORD]
    if index >= len(positional):
        return None
    name = positional[index]
    step = getattr(function, "__name__", "?")
    return _model(_annotation(function, name), f"step {step!r}, parameter {name!r}", name)


def _annotation(function: Callable[..., Any], name: str) -> Any:
    """The resolved annotation of a parameter (or ``"return"``); ``Any`` without one."""
    function = inspect.unwrap(function)
    scope: Data = getattr(function, "__globals__", {})
    owner: Any = None
    for part in getattr(function, "__qualname__", "").split(".")[:-1]:
        owner = scope.get(part) if owner is None else getattr(owner, part, None)
    try:
        closure = inspect.getclosurevars(function).nonlocals
        return typing.get_type_hints(
            types.SimpleNamespace(__annotations__={name: function.__annotations__[name]}),
            scope,
            {**vars(owner or object), **closure},
            include_extras=True,
        )[name]
    except Exception:  # not annotated, or by a name known to type checkers only
        return Any


def _model(annotation: Any, where: str = "", name: str = "data") -> TypedModel | None:
    kind = _unwrapped(annotation)
    parts = get_args(kind) if _is_union(kind) else (kind,)
    named = [get_origin(part) or part for part in map(_unwrapped, parts)]
    classes = tuple(cls for cls in named if _is_object(cls) or _is_typed_dict(cls))
    return TypedModel(kind, classes, where, name) if classes else None


def _is_object(cls: Any) -> bool:
    """Whether a class is a dataclass or (checked without importing Pydantic) a Pydantic model."""
    return isinstance(cls, type) and (
        dataclasses.is_dataclass(cls)
        or (hasattr(cls, "model_validate") and hasattr(cls, "model_dump"))
    )


def _is_typed_dict(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, dict) and hasattr(cls, "__required_keys__")


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType)


_WRAPPERS = ("Required", "NotRequired", "ReadOnly", "Final")


def _unwrapped(kind: Any) -> Any:
    """The type inside ``Annotated``, ``Required``, a ``NewType`` or a type alias."""
    while True:
        origin = get_origin(kind)
        if getattr(origin, "_name", None) in _WRAPPERS or origin is Annotated:
            kind = get_args(kind)[0]
        elif hasattr(kind, "__supertype__"):
            kind = kind.__supertype__
        elif type(kind).__name__ == "TypeAliasType":
            kind = kind.__value__
        else:
            return kind


# -- check and convert a value ---------------------------------------------------------------------


class _Misfit(Exception):
    """The value doesn't fit; ``steps`` is the path to the place, the outermost first."""

    def __init__(self, reason: str, steps: Sequence[Any] = ()) -> None:
        self.reason = reason
        self.steps = list(steps)

    def at(self, name: str) -> str:
        """The place inside ``name``, and the reason."""
        steps = (f"[{step}]" if isinstance(step, int) else f'["{step}"]' for step in self.steps)
        return f"{name}{''.join(steps)} {self.reason}"


def _fit(kind: Any, value: Any) -> Any:
    """The value converted to a type (the value itself if nothing is to convert), or ``_Misfit``."""
    kind = _unwrapped(kind)
    parts = get_args(kind)
    if _is_union(kind):
        return _fit_one_of(parts, value)
    if get_origin(kind) is Literal:
        return _fit_choice(parts, value)
    cls = type(None) if kind is None else get_origin(kind) or kind
    if not isinstance(cls, type) or cls is object:
        return value  # Any, a TypeVar: nothing to check
    if _is_object(cls) or _is_typed_dict(cls):
        if not isinstance(value, dict):
            raise _Misfit(f"is {_named(type(value))}, not a dict with the fields of {_named(cls)}")
        return _fit_object(cls, value) if _is_object(cls) else _fit_typed_dict(cls, value)
    if issubclass(cls, Enum):
        return _fit_choice(tuple(cls), value)
    if not _is_a(value, cls):
        return _fit_subclass(cls, value)
    if not parts:
        return value
    if isinstance(value, tuple) and parts[1:] != (...,) and issubclass(cls, tuple):
        if len(value) != len(parts):
            raise _Misfit(f"has {len(value)} items, not {len(parts)}")
        return _mapped(value, lambda item, index: _fit_at(index, parts[index], item))
    inner = parts[-1] if isinstance(value, dict) else parts[0]
    return _mapped(value, lambda item, key: _fit_at(key, inner, item))


def _fit_subclass(cls: Any, value: Any) -> Any:
    """Rebuild a text subclass, a named tuple and the like, stored as their plain values."""
    if type(value) in cls.__mro__ and cls is not bool:
        with suppress(TypeError, ValueError):
            return getattr(cls, "_make", cls)(value)
    raise _Misfit(f"is {_named(type(value))}, not {_named(cls)}")


def _fit_at(step: Any, kind: Any, value: Any) -> Any:
    try:
        return _fit(kind, value)
    except _Misfit as misfit:
        misfit.steps.insert(0, step)
        raise


def _fit_one_of(kinds: Sequence[Any], value: Any) -> Any:
    misfits = []
    for kind in kinds:
        try:
            return _fit(kind, value)
        except _Misfit as misfit:
            if kind is not type(None):
                misfits.append(misfit)
    if len(misfits) == 1:
        raise misfits[0]
    reasons = "; ".join(misfit.at("it") for misfit in misfits)
    raise _Misfit(f"fits none of {', '.join(map(_named, kinds))}: {reasons}")


def _fit_choice(choices: Sequence[Any], value: Any) -> Any:
    values = [choice.value if isinstance(choice, Enum) else choice for choice in choices]
    for choice, option in zip(choices, values, strict=True):
        if option == value and isinstance(option, bool) == isinstance(value, bool):
            return choice if isinstance(choice, Enum) else value
    raise _Misfit(f"is {value!r:.80}, not one of {', '.join(map(repr, values))}")


def _fit_object(cls: Any, value: Data) -> Any:
    try:
        if not hasattr(cls, "__dataclass_fields__"):
            return cls.model_validate(value)
        hints, arguments = _hints(cls), {}
        for field in dataclasses.fields(cls):
            if not field.init:
                continue
            if field.name in value:
                arguments[field.name] = _fit_at(field.name, hints[field.name], value[field.name])
            elif field.default is field.default_factory is dataclasses.MISSING:
                raise _Misfit("is missing", [field.name])
        return cls(**arguments)
    except (ValueError, TypeError, AssertionError) as error:  # a validator, ``__post_init__``
        raise _refused(cls, error) from error


def _refused(cls: type, error: Exception) -> _Misfit:
    """The error of a model's own validation; Pydantic's first error with its place."""
    found = error.errors() if hasattr(error, "errors") else []
    if not found:
        return _Misfit(f"is refused by {_named(cls)}: {error}")
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return _Misfit(f"is refused by {_named(cls)}: {found[0]['msg']}{more}", found[0]["loc"])


def _fit_typed_dict(cls: Any, value: Data) -> Data:
    hints = _hints(cls)
    for key, hint in hints.items():
        asked = getattr(get_origin(hint), "_name", "")
        required = key in cls.__required_keys__ and asked != "NotRequired"
        if key not in value and (required or asked == "Required"):
            raise _Misfit("is missing", [key])
    fitted: Data = _mapped(value, lambda item, key: _fit_at(key, hints.get(key, Any), item))
    return fitted


_hints_of: WeakKeyDictionary[type, Data] = WeakKeyDictionary()


def _hints(cls: type) -> Data:
    if cls not in _hints_of:
        try:
            try:
                _hints_of[cls] = typing.get_type_hints(cls, include_extras=True)
            except NameError:  # a local class may name itself
                scope = {**vars(cls), cls.__name__: cls}
                _hints_of[cls] = typing.get_type_hints(cls, None, scope, include_extras=True)
        except NameError as error:
            raise DefinitionError(
                f"the annotations of {cls.__qualname__} can't be read when a step runs: {error}. "
                "Import the name where the class is defined, outside of TYPE_CHECKING."
            ) from error
    return _hints_of[cls]


def _is_a(value: Any, cls: type) -> bool:
    if isinstance(value, bool) and issubclass(cls, int | float):
        return cls is bool
    if cls is date and isinstance(value, datetime):
        return False
    try:
        return isinstance(value, (int, float) if cls is float else cls)
    except TypeError:  # a protocol without runtime checks
        return True


def _mapped(value: Any, change: Callable[[Any, Any], Any]) -> Any:
    """The container with each item changed; the same object if none changed (or no container)."""
    if isinstance(value, dict):
        changed = {key: change(item, key) for key, item in value.items()}
        return changed if any(changed[key] is not item for key, item in value.items()) else value
    if not isinstance(value, list | tuple | set | frozenset):
        return value
    items = list(value)
    new = [change(item, index) for index, item in enumerate(items)]
    if all(one is other for one, other in zip(items, new, strict=True)):
        return value
    base = next(kind for kind in (list, tuple, set, frozenset) if isinstance(value, kind))
    return base(new)


def _named(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind)) if not get_args(kind) else str(kind)
