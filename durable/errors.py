"""Every error of the package, under one base class; the docstring of each is its meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

__all__ = [
    "AlreadyAnswered",
    "AmbiguousWait",
    "ChildFailed",
    "ClockNotFrozen",
    "DefinitionError",
    "DurableError",
    "ExecutionFailed",
    "ExecutionNotFound",
    "Fail",
    "ForeachFailed",
    "FormMissing",
    "IdempotencyConflict",
    "InTransaction",
    "InvalidInput",
    "InvalidStepInput",
    "InvalidStepResult",
    "InvalidTransition",
    "JournalMismatch",
    "MergeConflict",
    "NotAllowed",
    "NotAllowedHere",
    "NotInExecution",
    "NotSerializable",
    "PositionLost",
    "ResultTimeout",
    "RetryAfter",
    "ScheduleNotFound",
    "StepCrashed",
    "StepTimeout",
    "SuspendSwallowed",
    "TransactionBroken",
    "TransactionEnded",
    "WaitNotFound",
    "WaitTimeout",
    "WorkflowNotFound",
    "WorkflowTimeout",
]


class DurableError(Exception):
    """The base of every error that the package raises on purpose."""


# -- definitions and data ---------------------------------------------------------------


class DefinitionError(DurableError):
    """A workflow class, a flow or an option is written in a way that can't work."""


class WorkflowNotFound(DurableError):
    """No workflow class is registered under this name (and version)."""


class NotSerializable(DurableError):
    """A value can't be stored; ``path`` says where it is (``data["items"][3]``)."""

    def __init__(self, path: str, reason: str, *, step: str | None = None) -> None:
        self.path, self.reason, self.step = path, reason, step
        where = f" (step {step!r})" if step else ""
        super().__init__(f"{path} can't be stored{where}: {reason}")


class InvalidStepResult(DurableError):
    """A step returned something other than data (a dict with string keys) or ``None``."""


class InvalidStepInput(DurableError):
    """The data doesn't fit the type that the step's annotation asks for."""


# -- what ends or delays a step -----------------------------------------------------------


class Fail(DurableError):
    """Raised by a step: fail for good, without a retry.

    ``type`` is the name under which ``catch`` and operators know the failure; ``details``
    is JSON data kept with the error.
    """

    def __init__(
        self, message: str = "", *, type: str = "Fail", details: Mapping[str, Any] | None = None
    ) -> None:
        self.type, self.details = type, dict(details or {})
        super().__init__(message)


class RetryAfter(DurableError):
    """Raised by a step: this attempt failed, try again after ``delay`` (a ``timedelta``)."""

    def __init__(self, delay: timedelta, message: str = "") -> None:
        if not isinstance(delay, timedelta):
            raise TypeError(f"RetryAfter takes a timedelta such as minutes(2), not {delay!r}.")
        self.delay = delay
        super().__init__(message or f"retry after {delay}")


class StepTimeout(DurableError):
    """One attempt took longer than the ``timeout`` of its step."""


class WorkflowTimeout(DurableError):
    """The execution took longer than the ``timeout`` of its workflow."""


class WaitTimeout(DurableError):
    """A wait ended without an answer; ``received`` holds what did arrive (``wait_for_all``)."""

    def __init__(self, message: str = "", *, received: Mapping[str, Any] | None = None) -> None:
        self.received = dict(received or {})
        super().__init__(message)


class ChildFailed(DurableError):
    """A child workflow failed or was cancelled; ``error`` is the child's own error.

    ``known_as`` lists the names by which a ``catch`` knows that one too.
    """

    def __init__(
        self,
        message: str = "",
        *,
        error: Mapping[str, Any] | None = None,
        known_as: Sequence[str] = (),
    ) -> None:
        self.error, self.known_as = dict(error or {}), tuple(known_as)
        super().__init__(message)


class MergeConflict(DurableError):
    """Two branches of a ``parallel(merge="strict")`` changed the same value."""


class ForeachFailed(DurableError):
    """Items of a ``foreach`` failed; ``errors`` lists the first 100 as ``(index, error)``."""

    def __init__(self, message: str = "", *, errors: Sequence[tuple[int, Any]] = ()) -> None:
        self.errors = list(errors)
        super().__init__(message)


class StepCrashed(DurableError):
    """Workers died while they ran this step, more often than ``max_recoveries`` allows."""


class SuspendSwallowed(DurableError):
    """A bare ``except:`` in the step caught the signal by which the step leaves to wait."""


class TransactionEnded(DurableError):
    """The body of an atomic step ended the transaction that it runs in."""


class TransactionBroken(DurableError):
    """The body of an atomic step caught a database error and left its transaction unusable."""


class JournalMismatch(DurableError):
    """The code asks for something that doesn't fit what is recorded of this step's visit."""


class PositionLost(DurableError):
    """The place in the flow where the execution stands no longer exists in the code."""


class NotInExecution(DurableError):
    """Something that needs a running execution was used on a bare workflow instance."""


class NotAllowedHere(DurableError):
    """The call makes no sense in this place (``self.run`` in an atomic step, for example)."""


# -- the client ------------------------------------------------------------------------------


class ExecutionNotFound(DurableError):
    """No execution has this id."""


class ExecutionFailed(DurableError):
    """The execution that was waited for didn't complete; ``execution`` is its row."""

    def __init__(self, message: str, *, execution: Any = None) -> None:
        self.execution = execution
        self.error = getattr(execution, "error", None)
        super().__init__(message)


class ResultTimeout(DurableError, TimeoutError):
    """``wait_for_result`` gave up before the execution was finished."""


class InvalidTransition(DurableError):
    """The execution's status doesn't allow this."""


class IdempotencyConflict(DurableError):
    """The idempotency key (or event id) was used before, with different content."""


class WaitNotFound(DurableError):
    """The execution has no wait of this name."""


class AmbiguousWait(DurableError):
    """Several open waits have this name; ``branches`` lists the ids to choose from."""

    def __init__(self, message: str, *, branches: Sequence[Any] = ()) -> None:
        self.branches = list(branches)
        super().__init__(message)


class AlreadyAnswered(DurableError):
    """Somebody (or a timeout) was first; ``by`` and ``at`` say who and when."""

    def __init__(self, message: str, *, by: str | None = None, at: Any = None) -> None:
        self.by, self.at = by, at
        super().__init__(message)


class InvalidInput(DurableError):
    """The answer doesn't fit what was asked; ``errors`` maps each field to its messages.

    An answer that is one value has its messages under ``"__all__"``.
    """

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        self.errors = {field: [str(m) for m in messages] for field, messages in errors.items()}
        super().__init__(
            "; ".join(
                (" ".join(messages) if field == "__all__" else f"{field}: {' '.join(messages)}")
                for field, messages in self.errors.items()
            )
        )


class FormMissing(DefinitionError):
    """A question asks for a form that is not in the code of this process; it stays open."""


class NotAllowed(DurableError):
    """This person may not answer this question."""


class ScheduleNotFound(DurableError):
    """No schedule has this name."""


class InTransaction(DurableError):
    """The call can't work inside a transaction (it would wait for what it hides itself)."""


class ClockNotFrozen(DurableError):
    """``advance`` was called outside ``time_travel``."""


# -- control flow: not an Exception, so user code can't swallow it -----------------------------


class ControlFlow(BaseException):
    """The base of the signals by which the engine leaves a step's body."""


class Suspend(ControlFlow):
    """Leave the step and wait; the engine holds what is waited for."""


class ClaimLost(ControlFlow):
    """The claim has been superseded: drop everything, write nothing."""


class Abandoned(ControlFlow):
    """The attempt was given up (its time was over); whatever it still asks for is refused."""


class Blocked(ControlFlow):
    """The execution can't go on with this code; ``error`` says why. Nothing has failed."""

    def __init__(self, error: DurableError) -> None:
        self.error = error
        super().__init__(str(error))
