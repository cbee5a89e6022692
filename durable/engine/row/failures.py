"""Describe an exception as storable data; describing never fails."""

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

#: before the type of a child's error, among the names of classes
_TYPED = "type:"

#: levels of details whose parts are described one by one; what lies deeper is described as a whole
DETAIL_LEVELS = 8
#: levels that errors around an error add: frames, waits, the details of a parent's error
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
    """An error as it is stored, also of what no exception has told."""
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
    """A described error, and the names of its classes, by which ``catch`` knows it.

    Where a child failed, the classes and types of the child's own error are among them.
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
        """Whether it is meant by a name (of a ``Fail``'s type, or of a class) or a class."""
        if isinstance(wanted, str):
            return self.error["type"] == wanted or _TYPED + wanted in self.classes
        return _name(wanted) in self.classes


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def known_as(child: Any, error: Mapping[str, Any]) -> list[str]:
    """By what a ``catch`` of the parent knows the error of a child: its classes, and its type."""
    return [*(child.outcome or ()), f"{_TYPED}{error['type']}"]


def from_stored(execution: Any) -> Failure:
    """The failure of a branch or item, as its row tells it."""
    told = execution.cancel_reason or "cancelled"
    error = execution.error or described("Cancelled", told, execution.path)
    return Failure(error, tuple(execution.outcome or ()))


def brief(error: Mapping[str, Any]) -> dict[str, Any]:
    """``{"type", "message", "step"}``: an error in a list of them, which many can't make large."""
    message = str(error["message"])
    if len(message) > BRIEF_CHARACTERS:
        message = _text(lambda: message, BRIEF_CHARACTERS - len("\n…\n"))
    return {"type": error["type"], "message": message, "step": error["step"]}


def carried(error: dict[str, Any]) -> dict[str, Any]:
    """The error of a child as its parent carries it: the traceback stays with the child."""
    return {**error, "traceback": "", "details": _storable(error.get("details", {}))}


def lighter(error: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The error, then with less and less in it, for whoever has little room; the keys stay."""
    yield error
    error = {**error, "traceback": ""}
    yield error
    error = {**error, "details": {"not_storable": "the data has no room for the details"}}
    yield error
    yield {**error, **brief(error)}


def encode(error: dict[str, Any]) -> Stored:
    """The text of a described error, as it is stored; its parts are bounded, each by itself."""
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

    ``around`` are the ids of the values that it lies in: a value inside itself has no end.
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
    """The value as deep as it may come to stand within the errors around it."""
    for _ in range(LEVELS_AROUND):
        value = [value]
    return value


def _parts(value: Any, path: str, around: tuple[int, ...]) -> Any:
    """A dict or list whose parts can all be stored, together too; ``None`` for anything else."""
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
    """The smallest parts as they are, as long as there is room; the others are described."""
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
