"""Describe an exception as storable data; describing never fails."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass
from typing import Any

from durable import codec
from durable.errors import ChildFailed, DurableError, Fail, ForeachFailed, WaitTimeout
from durable.models.fields import Stored

TYPE_CHARACTERS = 200
MESSAGE_CHARACTERS = 4_000
TRACEBACK_CHARACTERS = 20_000


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
    """A described error, and the names of its classes, by which ``catch`` knows it."""

    error: dict[str, Any]
    classes: tuple[str, ...]

    @classmethod
    def of(cls, error: BaseException, *, step: str | None, attempt: int | None) -> Failure:
        """Describe an exception."""
        names = tuple(_name(kind) for kind in type(error).__mro__)
        return cls(describe(error, step=step, attempt=attempt), names)

    def is_a(self, wanted: str | type[BaseException]) -> bool:
        """Whether it is meant by a name (of a ``Fail``'s type, or of a class) or a class."""
        if isinstance(wanted, str):
            return bool(self.error["type"] == wanted)
        return _name(wanted) in self.classes


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def from_stored(execution: Any) -> Failure:
    """The failure of a branch or item, as its row tells it."""
    told = execution.cancel_reason or "cancelled"
    error = execution.error or described("Cancelled", told, execution.path)
    return Failure(error, tuple(execution.outcome or ()))


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


def _storable(details: dict[str, Any]) -> dict[str, Any]:
    try:
        codec.dumps(details, path="details")
    except DurableError as problem:
        return {"not_storable": str(problem)}
    return details


def _text(produce: Any, limit: int) -> str:
    try:
        text = str(produce())
    except BaseException as problem:  # an exception whose __str__ raises must not hide itself
        text = f"<not printable: {type(problem).__name__}>"
    text = text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= limit else text[: limit // 2] + "\n…\n" + text[-limit // 2 :]
