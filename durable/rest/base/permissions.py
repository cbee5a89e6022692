"""Who may enter the REST door, and checks of Django's permissions; else see ``durable.doors``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from durable.doors import access
from durable.doors.access import PERMISSIONS, AccessDenied
from durable.engine.operators.queues import QueueState
from durable.models import Event, Execution, Schedule, Wait, Worker
from durable.people import who


class IsKnown(BasePermission):
    """Users who are logged in and active."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Whether the user is active: anonymous requests get nowhere."""
        return who.is_active(request.user)


def of_project() -> list[BasePermission]:
    """The permission classes among ``DURABLE["API_PERMISSIONS"]``."""
    return [found() for found in access.configured() if issubclass(found, BasePermission)]


#: The models whose object permissions are asked about the whole execution.
OF_EXECUTIONS = (Execution, Wait, Event)
ASKED_ABOUT = (*OF_EXECUTIONS, Schedule, Worker, QueueState)


def objects_of(rows: Sequence[Any]) -> list[Any]:
    """For each row the object of the project's object permissions; ``None``: nothing to ask.

    Rows of an execution (questions, events, parts) are asked about as the root execution.
    Attempts and audit entries are listed under an execution that has been asked about.
    """
    wanted = {row.pk: _execution_of(row) for row in rows if isinstance(row, OF_EXECUTIONS)}
    wholes = Execution.objects.defer(*access.LARGE).in_bulk([*filter(None, wanted.values())])
    return [
        (wholes.get(wanted[row.pk], row) if isinstance(row, OF_EXECUTIONS) else row)
        if isinstance(row, ASKED_ABOUT)
        else None
        for row in rows
    ]


def _execution_of(row: Any) -> Any:
    return row.execution_id if isinstance(row, Event) else row.root_id


def has(user: Any, action: str) -> bool:
    """Whether the user has Django's permission, asked without an object."""
    return bool(who.is_active(user) and user.has_perm(PERMISSIONS[action]))


def require_events(user: Any) -> None:
    """Raise ``AccessDenied`` unless the user may see events."""
    if not (who.is_active(user) and user.has_perm("durable.view_event")):
        raise AccessDenied("it takes the permission durable.view_event")


def require(user: Any, action: str) -> None:
    """Raise ``AccessDenied`` unless ``has``."""
    if not has(user, action):
        raise AccessDenied(f"it takes the permission {PERMISSIONS[action]}")
