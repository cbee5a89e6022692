"""The interface of a body to run, of a step or a compensation, and of its checkpoint."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from durable import codec
from durable.authoring.workflow import Definition
from durable.engine.ends.checkpoint import Checkpoint
from durable.engine.row.held import Claim, Identity
from durable.engine.row.walk import KEPT_BYTES


@dataclass
class Work(ABC):
    """A body to run: the claim, the data, the identity of its record, and its checkpoint."""

    claim: Claim
    definition: Definition  # of the body's workflow (which may be a child's)
    body: Any  # a resolved Step or Compensation
    identity: Identity  # the execution, path and visit of its record
    root_id: UUID  # the addressable execution of which it is part
    data: str  # the data passed to the body, as stored
    error: Mapping[str, Any] | None = None  # in a compensation: the error behind the rollback

    @property
    def recorded_input(self) -> str:
        """The input as the attempt's record stores it."""
        return self.data

    def recorded_output(self, result: Any) -> str:
        """The output as the attempt's record stores it."""
        return codec.dumps(result, limit=KEPT_BYTES, keep_increments=True)

    def element(self) -> tuple[Any, ...]:
        """The item and its index, inside a ``foreach``; a fresh copy."""
        return ()

    @abstractmethod
    def checkpoint(self, result: Any, instance: Any, choosing: Callable[[], None]) -> Checkpoint:
        """The checkpoint after the body returned ``result``, without the attempt's record."""
