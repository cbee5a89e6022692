"""Who gets into the REST door at all; what they may do there is decided in ``durable.doors``."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from durable.doors import access
from durable.doors.access import PERMISSIONS, AccessDenied
from durable.people import who


class IsKnown(BasePermission):
    """Somebody who is logged in and active."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Anonymous requests see nothing of this door."""
        return who.is_active(request.user)


def of_project() -> list[BasePermission]:
    """The permission classes among ``DURABLE["API_PERMISSIONS"]``."""
    return [found() for found in access.configured() if issubclass(found, BasePermission)]


def has(user: Any, action: str) -> bool:
    """Whether Django gives the user this permission, no particular object being asked for."""
    return bool(who.is_active(user) and user.has_perm(PERMISSIONS[action]))


def require(user: Any, action: str) -> None:
    """``AccessDenied`` unless ``has``."""
    if not has(user, action):
        raise AccessDenied(f"it takes the permission {PERMISSIONS[action]}")
