"""Describe an exception as storable data: type, message, traceback, details; never fails itself."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from durable import codec, conf
from durable.errors import ChildFailed, DurableError, Fail, ForeachFailed, WaitTimeout
from durable.models.fields import Stored
from durable.refusals import accessor

TYPE_CHARACTERS = 200
MESSAGE_CHARACTERS = 4_000
TRACEBACK_CHARACTERS = 20_000
BRIEF_CHARACTERS = 500

#: prefix that marks the type of a child's error in the list of class names
_TYPED = "type:"

#: levels of details whose parts are described one by one; deeper levels as a whole
DETAIL_LEVELS = 8
#: nesting levels that frames, waits and the details of parents' errors may add around an error
LEVELS_AROUND = 10


def describe(error: BaseException, *, step: str | None, attempt: int | None) -> dict[str, Any]:
    """``{"type", "message", "step", "attempt", "traceback", "details"}`` of an exception."""
    return described(
        _text(lambda: _type(error), TYPE_CHARACTERS),
        _text(lambda: str(error), MESSAGE_CHARACTERS),
        step,
        attempt,
        _text(lambda: "".join(traceback.format_exception(error)), TRACEBACK_CHARACTERS),
        _storable(_details(error)),
    )


def described(
    type: str,
    message: str,
    step: str | None = None,
    attempt: int | None = None,
    traceback: str = "",
    details: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A described error as it is stored; also for errors that no exception was raised for."""
    return {
        "type": type,
        "message": message,
        "step": step,
        "attempt": attempt,
        "traceback": traceback,
        "details": details or {},
    }


def no_worker(message: str, *, kind: str = "") -> dict[str, Any]:
    """Why an execution is blocked for want of a worker (that has the workflow ``kind``)."""
    return described("NoWorker", message, details={"kind": kind} if kind else None)


@dataclass(frozen=True)
class Failure:
    """A described error with the names of its exception classes, by which ``catch`` matches.

    If a child workflow failed, the classes and type of the child's own error are included.
    """

    error: dict[str, Any]
    classes: tuple[str, ...]

    @classmethod
    def of(cls, error: BaseException, *, step: str | None, attempt: int | None) -> Failure:
        """Describe an exception."""
        names = [_name(kind) for kind in type(error).__mro__]
        if isinstance(error, ChildFailed):
            names += error.known_as
        return cls(describe(error, step=step, attempt=attempt), tuple(dict.fromkeys(names)))

    def is_a(self, wanted: str | type[BaseException]) -> bool:
        """Whether ``wanted`` (an exception class, its name, or the type of a ``Fail``) matches."""
        if isinstance(wanted, str):
            return self.error["type"] == wanted or _TYPED + wanted in self.classes
        return _name(wanted) in self.classes


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def known_as(child: Any, error: Mapping[str, Any]) -> list[str]:
    """The names for a child's error in a parent's ``catch``: the error's classes and type."""
    return [*(child.outcome or ()), f"{_TYPED}{error['type']}"]


def from_stored(execution: Any) -> Failure:
    """The failure of a branch or item, read from its row."""
    told = execution.cancel_reason or "cancelled"
    error = execution.error or described("Cancelled", told, execution.path)
    return Failure(error, tuple(execution.outcome or ()))


def brief(error: Mapping[str, Any]) -> dict[str, Any]:
    """``{"type", "message", "step"}``: an error shortened, so that a list of many stays small."""
    message = str(error["message"])
    if len(message) > BRIEF_CHARACTERS:
        message = _text(lambda: message, BRIEF_CHARACTERS - len("\n…\n"))
    return {"type": error["type"], "message": message, "step": error["step"]}


def carried(error: dict[str, Any]) -> dict[str, Any]:
    """A child's error as its parent stores it: the traceback stays with the child."""
    return {**error, "traceback": "", "details": _storable(error.get("details", {}))}


def lighter(error: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The error, then ever smaller versions for data with little room; all keep the same keys."""
    yield error
    error = {**error, "traceback": ""}
    yield error
    error = {**error, "details": {"not_storable": "the data has no room for the details"}}
    yield error
    yield {**error, **brief(error)}


def encode(error: dict[str, Any]) -> Stored:
    """A described error as the text stored; each part has a size bound of its own."""
    return Stored(codec.dumps(error, path="error", limit=sys.maxsize))


def _type(error: BaseException) -> str:
    if isinstance(error, Fail):
        return error.type if isinstance(error.type, str) and error.type else Fail.__name__
    return type(error).__name__


def _details(error: BaseException) -> dict[str, Any]:
    if isinstance(error, Fail):
        return error.details
    if isinstance(error, WaitTimeout):
        return {"received": error.received} if error.received else {}
    if isinstance(error, ChildFailed):
        return {"error": error.error}
    if isinstance(error, ForeachFailed):
        return {"errors": [list(pair) for pair in error.errors]}
    return {}


def _storable(value: Any, path: str = "details", around: tuple[int, ...] = ()) -> Any:
    """The value, with each part that can't be stored replaced by the reason.

    ``around`` holds the ids of the enclosing values, so that a value inside itself ends.
    """
    try:
        codec.dumps(value, path=path)
        codec.dumps(_nested(value), path=path)
        return value
    except DurableError as problem:
        refusal = {"not_storable": str(problem)}
    if len(around) == DETAIL_LEVELS or id(value) in around:
        return refusal
    parts = _parts(value, path, (*around, id(value)))
    if parts is None:
        return refusal
    try:
        codec.dumps(_nested(parts), path=path)
    except DurableError:
        return refusal
    return parts


def _nested(value: Any) -> Any:
    """The value wrapped as deeply as the errors stored around it may nest it."""
    for _ in range(LEVELS_AROUND):
        value = [value]
    return value


def _parts(value: Any, path: str, around: tuple[int, ...]) -> Any:
    """A dict or list with every part storable, alone and together; ``None`` for other types."""
    if isinstance(value, dict):
        named = {
            _text(lambda key=key: key, TYPE_CHARACTERS): _storable(
                item, f"{path}{accessor(key)}", around
            )
            for key, item in value.items()
        }
        return _within_limit(named, path)
    if isinstance(value, list | tuple):
        parts = {
            str(number): _storable(item, f"{path}[{number}]", around)
            for number, item in enumerate(value)
        }
        return [*_within_limit(parts, path).values()]
    return None


def _within_limit(parts: dict[str, Any], path: str) -> dict[str, Any]:
    """Keep the smallest parts that fit the room; replace the others by a note of their size."""
    room = int(conf.get("MAX_DATA_BYTES")) * 9 // 10
    sizes = {name: len(codec.dumps(part, limit=sys.maxsize)) for name, part in parts.items()}
    if sum(sizes.values()) <= room:
        return parts
    kept = dict(parts)
    for name in sorted(sizes, key=sizes.__getitem__):
        room -= sizes[name]
        if room < 0:
            kept[name] = {"not_storable": f"{path}: {name} has {sizes[name]} bytes: too many"}
    return kept


def _text(produce: Any, limit: int) -> str:
    try:
        text = str(produce())
    except BaseException as problem:  # an exception whose __str__ raises must not hide itself
        text = f"<not printable: {type(problem).__name__}>"
    text = text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= limit else text[: limit // 2] + "\n…\n" + text[-limit // 2 :]
