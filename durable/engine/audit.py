"""Write down who changed what, in the transaction of the change."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any
from uuid import UUID

from durable import clock
from durable.models import AuditEntry

#: where the change comes from ("admin", "rest 10.0.0.7", "command"); set by the doors
origin: ContextVar[str] = ContextVar("durable_origin", default="")


def record(
    action: str,
    *,
    by: Any,
    execution: UUID | None = None,
    target: str = "",
    before: Any = None,
    after: Any = None,
) -> None:
    """One entry; ``by`` is a user, or ``None`` for the program itself."""
    AuditEntry.objects.create(
        at=clock.now(),
        actor=by,
        actor_name=by.get_username() if by is not None else "",
        action=action,
        execution_id=execution,
        target=target,
        before=before,
        after=after,
        origin=origin.get(),
    )
