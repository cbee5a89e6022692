"""The read-only attributes of ``self`` in a step: ids, input, attempt, deadline, log, …"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from durable.authoring.self.context import Context, Data
from durable.errors import NotInExecution


class Facts:
    """The read-only attributes of ``self``. On a bare instance all but ``log`` raise.

    They raise ``NotInExecution``.
    """

    forms: ClassVar[Mapping[str, Any]] = {}
    _context: Context | None = None

    @property
    def id(self) -> UUID:
        """The id of the addressable execution."""
        return needed(self, "id").id

    @property
    def branch_id(self) -> UUID:
        """The id of this branch's or item's own row."""
        return needed(self, "branch_id").branch_id

    @property
    def execution(self) -> Any:
        """The row of the addressable execution (a lazy model instance)."""
        return needed(self, "execution").execution

    @property
    def subject(self) -> Any:
        """The model instance that the execution is about, or ``None``."""
        return needed(self, "subject").subject

    @property
    def input(self) -> Data:
        """The start input."""
        given: Data = needed(self, "input").input
        return given

    @property
    def attempt(self) -> int:
        """The number of this attempt at the step, from 1."""
        return needed(self, "attempt").attempt

    @property
    def idempotency_key(self) -> str:
        """Stable across attempts and crashes; different per step visit and per item."""
        return needed(self, "idempotency_key").idempotency_key

    @property
    def deadline(self) -> datetime | None:
        """The end of this attempt's time, if it is limited."""
        return needed(self, "deadline").deadline

    @property
    def error(self) -> Mapping[str, Any] | None:
        """In a compensation: the error that started the rollback."""
        return needed(self, "error").error

    @property
    def cancel_requested(self) -> bool:
        """Whether a cancellation of the execution is requested."""
        return needed(self, "cancel_requested").cancel_requested

    @property
    def log(self) -> logging.Logger:
        """A logger whose records are stored with the attempt."""
        context = self._context
        return logging.getLogger("durable.step") if context is None else context.log

    def now(self) -> datetime:
        """The engine's present time."""
        return needed(self, "now()").now()


def needed(self: Facts, attribute: str) -> Context:
    """The context of a running execution; else ``NotInExecution``, which names ``attribute``."""
    if self._context is None:
        name = type(self).__name__
        raise NotInExecution(
            f"{name}().{attribute} needs a running execution. In a unit test use "
            f"{name}.stub(input=…, answers={{…}}), or run it with durable.testing.run()."
        )
    return self._context
