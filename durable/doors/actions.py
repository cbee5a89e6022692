"""The actions of operators on an execution: one table for the admin, REST and the commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from durable.doors import access, starting
from durable.engine.operators import control
from durable.models import Execution
from durable.states import FINAL, UNFINISHED, Status
from durable.storage import sizes
from durable.storage.audit import origin, reason


@dataclass(frozen=True)
class Action:
    """One action; ``statuses`` says when to offer it (the engine has the last word).

    ``options`` names its arguments besides the execution: ``from_step`` (path or name of a
    step), ``restart_step`` (yes or no), ``reason`` (text) if the execution keeps it. The audit
    trail keeps a ``reason`` for every action.
    """

    name: str
    label: Any
    done: Any  # the word for the message afterwards
    permission: str  # a key of ``access.PERMISSIONS``
    statuses: frozenset[Status]
    call: Callable[..., Execution]
    options: tuple[str, ...] = ()
    dangerous: bool = False
    also: Callable[[Execution], bool] = lambda execution: False

    def offered(self, execution: Execution) -> bool:
        """Whether to offer the action in the execution's status, or (``also``) for its parts."""
        return Status(execution.status) in self.statuses or self.also(execution)

    def run(self, execution: Execution, *, by: Any, options: Mapping[str, Any]) -> Execution:
        """Check the permission and run the action; raises ``AccessDenied`` or the engine's refusal.

        ``by=None`` is the program itself (a command): not checked, audited without a name.
        """
        if by is not None:
            access.require(by, self.permission, whole(execution))
        given = {name: value for name, value in options.items() if name in self.options}
        token = reason.set(sizes.free_text("reason", options.get("reason") or ""))
        try:
            return self.call(execution.pk, by=by, **given)
        finally:
            reason.reset(token)


def whole(execution: Execution) -> Execution:
    """The execution whose permissions count: the root of a branch or item, else itself."""
    if execution.pk == execution.root_id:
        return execution
    return Execution.objects.get(pk=execution.root_id)


def _cancel(pk: Any, *, by: Any, reason: str = "") -> Execution:
    return control.cancel(pk, reason, compensate=False, by=by)


def _cancel_compensate(pk: Any, *, by: Any, reason: str = "") -> Execution:
    return control.cancel(pk, reason, compensate=True, by=by)


def _retry(pk: Any, *, by: Any, restart_step: bool = False) -> Execution:
    return control.retry(pk, restart_step=restart_step, by=by)


def _rerun(pk: Any, *, by: Any, from_step: str | None = None) -> Execution:
    return starting.rerun(by, pk, from_step or None)


def _is_blocked_below(execution: Execution) -> bool:
    waiting = execution.status == Status.WAITING
    return waiting and Execution.objects.blocked_parts(execution.pk).exists()


RETRIABLE = frozenset({Status.FAILED, Status.BLOCKED, Status.COMPENSATION_FAILED})
CANCELLABLE = UNFINISHED - {Status.COMPENSATING}

ACTIONS: dict[str, Action] = {
    action.name: action
    for action in (
        Action(
            "retry",
            _("Retry"),
            _("retried"),
            "retry",
            RETRIABLE,
            _retry,
            ("restart_step",),
            also=_is_blocked_below,
        ),
        Action(
            "pause",
            _("Pause"),
            _("paused"),
            "pause",
            CANCELLABLE - {Status.PAUSED},
            control.pause,
        ),
        Action(
            "resume",
            _("Resume"),
            _("resumed"),
            "resume",
            frozenset({Status.PAUSED}),
            control.resume,
        ),
        Action("rerun", _("Run again"), _("run again"), "rerun", FINAL, _rerun, ("from_step",)),
        Action(
            "compensate",
            _("Compensate"),
            _("compensating"),
            "compensate",
            frozenset({Status.FAILED}),
            control.compensate,
            dangerous=True,
        ),
        Action(
            "cancel",
            _("Cancel"),
            _("cancelled"),
            "cancel",
            CANCELLABLE,
            _cancel,
            ("reason",),
            dangerous=True,
        ),
        Action(
            "cancel_compensate",
            _("Cancel and compensate"),
            _("cancelled, compensating"),
            "cancel",
            CANCELLABLE,
            _cancel_compensate,
            ("reason",),
            dangerous=True,
        ),
    )
}


def offered(execution: Execution, user: Any) -> list[Action]:
    """The actions that this user can take on this execution now."""
    return [
        action
        for action in ACTIONS.values()
        if action.offered(execution) and access.may(user, action.permission, execution)
    ]


__all__ = ["ACTIONS", "Action", "offered", "origin", "whole"]
