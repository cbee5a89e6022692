"""Publish an event for a user: under a key of their scope, for workflows that they may start."""

from __future__ import annotations

from typing import Any

from durable.doors import access
from durable.engine.start import send
from durable.engine.start.send import Origin
from durable.engine.start.triggers import triggered_by
from durable.errors import IdempotencyConflict
from durable.models import Event


def publish(user: Any, name: str, payload: Any, *, key: str | None, event_id: str | None) -> Event:
    """The new event, or the one with this id; key and id get the user's scope.

    Raises ``AccessDenied``. Without a user it is the program itself: not checked. With policies,
    ``IdempotencyConflict`` says nothing of the other event, which may be another tenant's.
    """
    if user is None:
        return send.publish_event(name, payload, key=key, event_id=event_id, by=None)
    access.require(user, "publish_event")
    origin = Origin(scope=access.scope_of(user), tags=access.tags_of(user, {}))
    for workflow in triggered_by(name):
        access.require_consent(user, "start", workflow)
    if key is not None:
        access.require_key(user, origin.scoped("key", key))
    try:
        return send.publish_event(name, payload, key=key, event_id=event_id, by=user, origin=origin)
    except IdempotencyConflict:
        if access.policies():
            raise IdempotencyConflict("this event id was used before") from None
        raise
