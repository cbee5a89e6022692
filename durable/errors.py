"""All errors of the package, under one base class; the docstring of each is its meaning."""

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
    """A value can't be stored; ``path`` is its place (``data["items"][3]``)."""

    def __init__(self, path: str, reason: str, *, step: str | None = None) -> None:
        self.path, self.reason, self.step = path, reason, step
        where = f" (step {step!r})" if step else ""
        super().__init__(f"{path} can't be stored{where}: {reason}")


class InvalidStepResult(DurableError):
    """A step returned something other than data (a dict with string keys) or ``None``."""


class InvalidStepInput(DurableError):
    """The data doesn't fit the type in the step's annotation."""


# -- failures, retries and timeouts of a step ----------------------------------------------


class Fail(DurableError):
    """Raised by a step: fail for good, without a retry.

    ``type`` names the failure for ``catch`` and operators; ``details`` is JSON data stored with
    the error.
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
    """A wait ended without an answer; ``received`` has the payloads so far (``wait_for_all``)."""

    def __init__(self, message: str = "", *, received: Mapping[str, Any] | None = None) -> None:
        self.received = dict(received or {})
        super().__init__(message)


class ChildFailed(DurableError):
    """A child workflow failed or was cancelled; ``error`` is the child's own error.

    ``known_as`` lists names of the child's error that a ``catch`` matches too.
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
    """More workers died while running this step than ``max_recoveries`` allows."""


class SuspendSwallowed(DurableError):
    """A bare ``except:`` in the step caught the signal with which the step leaves to wait."""


class TransactionEnded(DurableError):
    """The body of an atomic step ended its own transaction."""


class TransactionBroken(DurableError):
    """The body of an atomic step caught a database error and left its transaction unusable."""


class JournalMismatch(DurableError):
    """The code asks for something that doesn't match the records of this step's visit."""


class PositionLost(DurableError):
    """The execution stands at a place in the flow that no longer exists in the code."""


class NotInExecution(DurableError):
    """Something that needs a running execution was used on a bare workflow instance."""


class NotAllowedHere(DurableError):
    """The call is not possible in this place (``self.run`` in an atomic step, for example)."""


# -- the client ------------------------------------------------------------------------------


class ExecutionNotFound(DurableError):
    """No execution has this id."""


class ExecutionFailed(DurableError):
    """The awaited execution didn't complete; ``execution`` is its row."""

    def __init__(self, message: str, *, execution: Any = None) -> None:
        self.execution = execution
        self.error = getattr(execution, "error", None)
        super().__init__(message)


class ResultTimeout(DurableError, TimeoutError):
    """``wait_for_result`` gave up before the execution was finished."""


class InvalidTransition(DurableError):
    """The execution's status doesn't allow this operation."""


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
    """The question was answered before (or timed out); ``by`` and ``at`` name person and time."""

    def __init__(self, message: str, *, by: str | None = None, at: Any = None) -> None:
        self.by, self.at = by, at
        super().__init__(message)


class InvalidInput(DurableError):
    """The answer doesn't fit the question; ``errors`` maps each field to its messages.

    For an answer of one value the messages are under ``"__all__"``.
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
    """The code of this process lacks the form of a question, which stays open."""


class NotAllowed(DurableError):
    """This person may not answer this question."""


class ScheduleNotFound(DurableError):
    """No schedule has this name."""


class InTransaction(DurableError):
    """The call can't work inside a transaction: it would wait for its own uncommitted rows."""


class ClockNotFrozen(DurableError):
    """``advance`` was called outside ``time_travel``."""


# -- control flow: not an Exception, so user code can't swallow it -----------------------------


class ControlFlow(BaseException):
    """The base of the signals with which the engine leaves a step's body."""


class Suspend(ControlFlow):
    """Leave the step and wait; the engine has the request."""


class ClaimLost(ControlFlow):
    """The claim has been superseded: drop everything, write nothing."""


class Abandoned(ControlFlow):
    """The attempt was given up (its time was over); all its further statements are refused."""


class Blocked(ControlFlow):
    """The execution can't continue with this code; ``error`` is the reason. Nothing failed."""

    def __init__(self, error: DurableError) -> None:
        self.error = error
        super().__init__(str(error))
