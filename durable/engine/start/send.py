"""Send and publish events: one insert in the caller's transaction, without an engine lock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from durable import clock, codec
from durable.engine.start.triggers import refuse_unstartable
from durable.errors import IdempotencyConflict, InvalidTransition
from durable.models import Event
from durable.states import FINAL
from durable.storage import audit, notify, sizes
from durable.storage.lookup import kept_root
from durable.storage.transaction import in_callers_transaction, insert


@dataclass(frozen=True)
class Origin:
    """The owner of an event: the scope of its key and id, and the tags for executions it starts."""

    scope: str = ""
    tags: Mapping[str, Any] = field(default_factory=dict)

    def scoped(self, what: str, text: str | None) -> str | None:
        """The checked text behind the scope, as stored; ``DurableError`` that names ``what``."""
        return None if text is None else sizes.scoped(self.scope, sizes.text(what, text))


@in_callers_transaction
def send_event(
    execution_id: Any, name: str, payload: Any, *, event_id: str | None, by: Any
) -> Event:
    """Put an event into the inbox of one execution, shared by its whole tree."""
    root = kept_root(execution_id)
    if root.status in FINAL and not _known(event_id, execution=root.pk):
        raise InvalidTransition(
            f"event {name!r} can't be sent to execution {root.pk}: it is {root.status}"
        )
    event = _insert(name, payload, event_id, execution_id=root.pk)
    if event.created and audit.is_due(by):
        audit.record("send_event", by=by, execution=root.pk, target=name, after=payload)
    return event


@in_callers_transaction
def publish_event(
    name: str,
    payload: Any,
    *,
    key: str | None,
    event_id: str | None,
    by: Any,
    keep: timedelta | None = None,
    startable: bool = True,
    origin: Origin | None = None,
) -> Event:
    """Publish an event to all executions that carry ``key``; key and id get the origin's scope.

    ``startable``: refuse the event if its payload fits none of the workflows it triggers and no
    execution carries the key. Pass False for senders that can't change their payload: the event is
    kept then.
    """
    origin = Origin() if origin is None else origin
    where = {"key": origin.scoped("key", key) or ""}
    event_id = origin.scoped("event_id", event_id)
    expires_at = clock.now() + sizes.positive("keep", keep) if keep is not None else None
    new = Event(expires_at=expires_at, tags=sizes.tags(origin.tags), scope=origin.scope)
    event = _insert(name, payload, event_id, new=new, startable=startable, **where)
    if event.created and audit.is_due(by):
        audit.record(
            "publish_event", by=by, target=f"{name} {key or ''}".strip()[:500], after=payload
        )
    return event


def _insert(
    name: str,
    payload: Any,
    event_id: str | None,
    *,
    startable: bool = False,
    new: Event | None = None,
    **where: Any,
) -> Event:
    sizes.text("an event's name", name)
    if event_id is not None:
        sizes.text("event_id", event_id)
    codec.dumps(payload, path="payload")
    event = Event() if new is None else new
    columns = {"name": name, "payload": payload, "event_id": event_id, "created_at": clock.now()}
    for column, value in {**columns, **where}.items():
        setattr(event, column, value)
    again = partial(_same, event_id, name, payload, where)
    known = again()
    if known is None and startable:
        refuse_unstartable(name, payload, where["key"])
    known = known or insert(event, again, unique=event_id is not None)
    if known is not None:
        return known
    notify.hint()
    return event


def _known(event_id: str | None, **where: Any) -> Event | None:
    if event_id is None:
        return None
    if where.get("execution") is None and where.get("execution_id") is None:
        where = {"execution__isnull": True}
    found: Event | None = Event.objects.filter(event_id=event_id, **where).first()
    return found


def _same(event_id: str | None, name: str, payload: Any, where: dict[str, Any]) -> Event | None:
    """The event stored earlier under this id; ``IdempotencyConflict`` if it differs."""
    known = _known(event_id, **where)
    if known is None:
        return None
    if (
        known.name != name
        or not codec.alike(known.payload, payload)
        or known.key != where.get("key", "")
    ):
        raise IdempotencyConflict(
            f"event_id={event_id!r} was used before for another event ({known.name!r})"
        )
    known.created = False
    return known
