"""Publish an event for a user: under a key of theirs, for workflows that they may start."""

from __future__ import annotations

from typing import Any

from durable.doors import access
from durable.engine.start import send
from durable.engine.start.send import Origin
from durable.engine.start.triggers import triggered_by
from durable.errors import IdempotencyConflict
from durable.models import Event


def publish(user: Any, name: str, payload: Any, *, key: str | None, event_id: str | None) -> Event:
    """The event, new or known by its id; key and id are those of the user's scope.

    ``AccessDenied``. Without a user it is the program itself, and unchecked. With policies
    ``IdempotencyConflict`` tells nothing of the other event: whose it is can't be told.
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
