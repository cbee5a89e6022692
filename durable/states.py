"""The life of an execution, a step and a wait: their statuses, and the only moves between them."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Status(TextChoices):
    """Where an execution stands."""

    PENDING = "pending", _("Pending")  # due, or will be, for a worker
    RUNNING = "running", _("Running")  # claimed by a worker
    WAITING = "waiting", _("Waiting")  # for a timer, an event, a child or a person
    PAUSED = "paused", _("Paused")  # by an operator
    BLOCKED = "blocked", _("Blocked")  # no worker, or no code, can take it on
    COMPENSATING = "compensating", _("Compensating")  # rolling back
    COMPLETED = "completed", _("Completed")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")
    COMPENSATED = "compensated", _("Compensated")
    COMPENSATION_FAILED = "compensation_failed", _("Compensation failed")


class StepStatus(TextChoices):
    """How one attempt of a step ended (or that it is parked in a wait)."""

    WAITING = "waiting", _("Waiting")
    COMPLETED = "completed", _("Completed")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


class WaitKind(TextChoices):
    """What a step waits for."""

    TIMER = "timer", _("Timer")
    EVENT = "event", _("Event")
    ANY = "any", _("Any event")
    ALL = "all", _("All events")
    INPUT = "input", _("Input")
    CHILD = "child", _("Child workflow")

    @property
    def takes_events(self) -> bool:
        """Whether events of the inbox answer it."""
        return self in (WaitKind.EVENT, WaitKind.ANY, WaitKind.ALL)

    @property
    def has_names(self) -> bool:
        """Whether it is known by the names that it lists, rather than by one of its own."""
        return self in (WaitKind.ANY, WaitKind.ALL)

    @property
    def is_answered_by_time(self) -> bool:
        """Whether its deadline is what it waits for, rather than a timeout."""
        return self == WaitKind.TIMER


class WaitStatus(TextChoices):
    """The outcome of a wait."""

    OPEN = "open", _("Open")
    ANSWERED = "answered", _("Answered")
    TIMED_OUT = "timed_out", _("Timed out")
    CANCELLED = "cancelled", _("Cancelled")


class EventStatus(TextChoices):
    """Where an event is on its way."""

    PENDING = "pending", _("To deliver")  # committed by its sender, not yet looked at
    KEPT = "kept", _("Kept")  # in an inbox (or a mailbox), no wait has taken it
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
    # An operator's explicit, audited moves out of a final status:
    _S.FAILED: frozenset({_S.PENDING, _S.COMPENSATING}),
    _S.COMPENSATION_FAILED: frozenset({_S.COMPENSATING}),
    _S.COMPLETED: frozenset(),
    _S.CANCELLED: frozenset({_S.PENDING}),  # a branch or item whose block is retried
    _S.COMPENSATED: frozenset(),
}


#: The path of an execution that undoes steps begins so; then comes the id of the step run.
ROLLBACK = "~"


def sources(target: Status) -> frozenset[Status]:
    """The statuses from which ``target`` may be entered."""
    return frozenset(source for source, targets in TRANSITIONS.items() if target in targets)
