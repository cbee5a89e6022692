"""The people of the doors' tests: what each may, and a policy that keeps tenants apart."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission, User

from durable.doors.access import Policy

VIEWER = ("view_execution", "view_wait", "view_event", "view_schedule", "view_queue", "view_worker")
OPERATOR = (
    *VIEWER,
    "view_auditentry",
    "add_execution",
    "change_execution",
    "change_wait",
    "change_queue",
    "cancel",
    "retry",
    "send_event",
    "manage_schedules",
)
APPROVER = (*VIEWER, "approve")


def person(name: str, *permissions: str, staff: bool = True) -> User:
    """A user with these permissions on ``durable``."""
    user = User.objects.create_user(name, f"{name}@example.com", "secret", is_staff=staff)
    found = Permission.objects.filter(content_type__app_label="durable", codename__in=permissions)
    assert found.count() == len(permissions), permissions
    user.user_permissions.set(found)
    return user


class Tenants(Policy):
    """Users see and do what carries the tenant that their name begins with (``acme-kim``)."""

    def executions(self, user: Any, executions: Any) -> Any:
        if user.is_superuser:
            return executions
        return executions.with_tags({"tenant": user.get_username().partition("-")[0]})

    def tags(self, user: Any) -> dict[str, Any]:
        return {"tenant": user.get_username().partition("-")[0]}


class NoCancelling(Policy):
    """Nobody cancels anything."""

    def allows(self, user: Any, action: str, target: Any) -> bool:
        return action != "cancel"
