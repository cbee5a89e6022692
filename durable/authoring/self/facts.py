"""What a step can know of the execution that it is part of."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from durable.authoring.self.context import Context, Data
from durable.errors import NotInExecution


class Facts:
    """What a step can know. On a bare instance all but ``log`` raise ``NotInExecution``."""

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
        """Which attempt of the step this is, from 1."""
        return needed(self, "attempt").attempt

    @property
    def idempotency_key(self) -> str:
        """Stable across attempts and crashes; different per step visit and per item."""
        return needed(self, "idempotency_key").idempotency_key

    @property
    def deadline(self) -> datetime | None:
        """When this attempt's time is over, if it has a limit."""
        return needed(self, "deadline").deadline

    @property
    def error(self) -> Mapping[str, Any] | None:
        """In a compensation: what started the rollback."""
        return needed(self, "error").error

    @property
    def cancel_requested(self) -> bool:
        """Whether somebody has asked to cancel the execution."""
        return needed(self, "cancel_requested").cancel_requested

    @property
    def log(self) -> logging.Logger:
        """A logger whose records are kept with the attempt."""
        context = self._context
        return logging.getLogger("durable.step") if context is None else context.log

    def now(self) -> datetime:
        """The engine's present."""
        return needed(self, "now()").now()


def needed(self: Facts, attribute: str) -> Context:
    """The context of a running execution, or ``NotInExecution`` that names who needs it."""
    if self._context is None:
        name = type(self).__name__
        raise NotInExecution(
            f"{name}().{attribute} needs a running execution. In a unit test use "
            f"{name}.stub(input=…, answers={{…}}), or run it with durable.testing.run()."
        )
    return self._context
