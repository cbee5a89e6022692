"""``Decision``: the answer to an approval, as a text with the person, comment and time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

APPROVED = "approved"
REJECTED = "rejected"


class Decision(str):
    """``"approved"`` or ``"rejected"`` (or the timeout value); true only if approved.

    ``by`` is the person's name, ``comment`` their text, ``at`` the time. It is stored as plain
    text.
    """

    __slots__ = ("at", "by", "comment")

    by: Any
    comment: str
    at: datetime | None

    def __new__(
        cls, value: str, by: Any = None, comment: str = "", at: datetime | None = None
    ) -> Decision:
        decision = super().__new__(cls, value)
        decision.by, decision.comment, decision.at = by, comment, at
        return decision

    def __bool__(self) -> bool:
        return str(self) == APPROVED

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (str(self), self.by, self.comment, self.at))
