"""Write down who changed what, in the transaction of the change."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model

from durable import clock, codec
from durable.errors import DurableError
from durable.models import AuditEntry
from durable.models.fields import Stored

#: where the change comes from ("admin", "rest 10.0.0.7", "command"); set by the doors
origin: ContextVar[str] = ContextVar("durable_origin", default="")

#: why, in the words of whoever acts; set by the doors that ask
reason: ContextVar[str] = ContextVar("durable_reason", default="")


def is_due(by: Any) -> bool:
    """Whether somebody outside has asked for a change: a person, or whoever uses a door.

    What programs start and send by themselves is on record in its own rows.
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
    """One entry; ``by`` is a user, or ``None`` for the program itself (else ``DurableError``)."""
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
    """What came of it, with the reason beside it if one was given."""
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
    """The doors have checked each part; together they may be larger than data may be."""
    return None if value is None else Stored(codec.dumps(value, limit=1 << 40))
