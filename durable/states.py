"""The statuses of executions, steps, waits and events, and the allowed transitions."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Status(TextChoices):
    """The status of an execution."""

    PENDING = "pending", _("Pending")  # due, or will be, for a worker
    RUNNING = "running", _("Running")  # claimed by a worker
    WAITING = "waiting", _("Waiting")  # for a timer, an event, a child or a person
    PAUSED = "paused", _("Paused")  # by an operator
    BLOCKED = "blocked", _("Blocked")  # until a worker or its code is there
    COMPENSATING = "compensating", _("Compensating")  # rolling back
    COMPLETED = "completed", _("Completed")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")
    COMPENSATED = "compensated", _("Compensated")
    COMPENSATION_FAILED = "compensation_failed", _("Compensation failed")


class StepStatus(TextChoices):
    """The status of one attempt of a step."""

    WAITING = "waiting", _("Waiting")
    COMPLETED = "completed", _("Completed")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


class WaitKind(TextChoices):
    """The kind of a wait."""

    TIMER = "timer", _("Timer")
    EVENT = "event", _("Event")
    ANY = "any", _("Any event")
    ALL = "all", _("All events")
    INPUT = "input", _("Input")
    CHILD = "child", _("Child workflow")

    @property
    def takes_events(self) -> bool:
        """Whether events of the inbox answer the wait."""
        return self in (WaitKind.EVENT, WaitKind.ANY, WaitKind.ALL)

    @property
    def has_names(self) -> bool:
        """Whether the wait is shown by its list of event names, rather than by its own name."""
        return self in (WaitKind.ANY, WaitKind.ALL)

    @property
    def is_answered_by_time(self) -> bool:
        """Whether the deadline is the awaited answer, rather than a timeout."""
        return self == WaitKind.TIMER


class WaitStatus(TextChoices):
    """The outcome of a wait."""

    OPEN = "open", _("Open")
    ANSWERED = "answered", _("Answered")
    TIMED_OUT = "timed_out", _("Timed out")
    CANCELLED = "cancelled", _("Cancelled")


class EventStatus(TextChoices):
    """The delivery status of an event."""

    PENDING = "pending", _("To deliver")  # committed by its sender, not yet looked at
    KEPT = "kept", _("Kept")  # in an inbox (or a mailbox), not taken by a wait so far
    CONSUMED = "consumed", _("Consumed")  # by exactly one wait
    DELIVERED = "delivered", _("Delivered")  # a published event, put into inboxes


FINAL: frozenset[Status] = frozenset(
    {
        Status.COMPLETED,
        Status.FAILED,
        Status.CANCELLED,
        Status.COMPENSATED,
        Status.COMPENSATION_FAILED,
    }
)

UNFINISHED: frozenset[Status] = frozenset(Status) - FINAL

_S = Status
TRANSITIONS: dict[Status, frozenset[Status]] = {
    _S.PENDING: frozenset({_S.RUNNING, _S.PAUSED, _S.BLOCKED, _S.CANCELLED, _S.COMPENSATING}),
    _S.RUNNING: frozenset(
        {
            _S.PENDING,
            _S.WAITING,
            _S.PAUSED,
            _S.BLOCKED,
            _S.COMPLETED,
            _S.FAILED,
            _S.CANCELLED,
            _S.COMPENSATING,
        }
    ),
    _S.WAITING: frozenset(
        {_S.PENDING, _S.RUNNING, _S.PAUSED, _S.CANCELLED, _S.COMPENSATING, _S.BLOCKED}
    ),
    _S.PAUSED: frozenset({_S.PENDING, _S.WAITING, _S.CANCELLED, _S.COMPENSATING}),
    _S.BLOCKED: frozenset({_S.PENDING, _S.PAUSED, _S.CANCELLED, _S.COMPENSATING}),
    _S.COMPENSATING: frozenset({_S.COMPENSATED, _S.COMPENSATION_FAILED, _S.BLOCKED}),
    # Out of a final status, by an operator's audited action only:
    _S.FAILED: frozenset({_S.PENDING, _S.COMPENSATING}),
    _S.COMPENSATION_FAILED: frozenset({_S.COMPENSATING}),
    _S.COMPLETED: frozenset(),
    _S.CANCELLED: frozenset({_S.PENDING}),  # a branch or item whose block is retried
    _S.COMPENSATED: frozenset(),
}


#: The path of an execution in a rollback begins with this; then comes the id of the step run.
ROLLBACK = "~"


def sources(target: Status) -> frozenset[Status]:
    """The statuses from which ``target`` may be entered."""
    return frozenset(source for source, targets in TRANSITIONS.items() if target in targets)
