"""A body that a claim is to run: of a step or of a compensation."""

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
    """A body to run and what follows from it."""

    claim: Claim
    definition: Definition  # of the workflow that the body belongs to (a child's, perhaps)
    body: Any  # a resolved Step or Compensation
    identity: Identity  # where its record stands
    root_id: UUID  # the addressable execution that it belongs to
    data: str  # the data that it gets, as stored
    error: Mapping[str, Any] | None = None  # in a compensation: what started the rollback

    @property
    def recorded_input(self) -> str:
        """What the record of an attempt says went in."""
        return self.data

    def recorded_output(self, result: Any) -> str:
        """What the record of an attempt says came out."""
        return codec.dumps(result, limit=KEPT_BYTES, keep_increments=True)

    def element(self) -> tuple[Any, ...]:
        """The item and its index, inside a ``foreach``; a fresh copy."""
        return ()

    @abstractmethod
    def checkpoint(self, result: Any, instance: Any, choosing: Callable[[], None]) -> Checkpoint:
        """What is written if the body returned ``result`` (without the attempt's record)."""
