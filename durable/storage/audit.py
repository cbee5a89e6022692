"""Write audit entries: who changed what, in the transaction of the change."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model

from durable import clock, codec
from durable.errors import DurableError
from durable.models import AuditEntry
from durable.models.fields import Stored

#: the door of the change ("admin", "rest 10.0.0.7", "command"); set by the doors
origin: ContextVar[str] = ContextVar("durable_origin", default="")

#: the reason given by the acting person; set by the doors that ask for one
reason: ContextVar[str] = ContextVar("durable_reason", default="")


def is_due(by: Any) -> bool:
    """Whether a change needs an audit entry: a person made it, or it came through a door.

    Starts and sends of programs are on record in their own rows.
    """
    return by is not None or bool(origin.get())


def record(
    action: str,
    *,
    by: Any,
    execution: UUID | None = None,
    wait: UUID | None = None,
    target: str = "",
    before: Any = None,
    after: Any = None,
) -> None:
    """Write one entry; ``by`` is a user, or ``None`` for the program (else ``DurableError``)."""
    check_actor(by)
    AuditEntry.objects.create(
        at=clock.now(),
        actor=by,
        actor_name=by.get_username() if by is not None else "",
        action=action,
        execution_id=execution,
        wait_id=wait,
        target=target,
        before=_stored(before),
        after=_stored(_with_reason(after)),
        origin=origin.get(),
    )


def _with_reason(after: Any) -> Any:
    """The entry's ``after`` value, with the reason added if one was given."""
    why = reason.get()
    if not why:
        return after
    known = after if isinstance(after, dict) else {} if after is None else {"value": after}
    return {**known, "reason": why}


def check_actor(by: Any) -> None:
    """``DurableError`` unless ``by`` is a stored user, or ``None``."""
    if by is not None and (not isinstance(by, get_user_model()) or by.pk is None):
        raise DurableError(
            f"by= is a user who is logged in, not {type(by).__name__}; leave it out for the program"
        )


def _stored(value: Any) -> Any:
    """A value without a size limit: the doors checked each part, but not their sum."""
    return None if value is None else Stored(codec.dumps(value, limit=1 << 40))
