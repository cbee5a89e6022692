"""The interface between the engine and a process that runs claims: a worker or the test kit."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

from durable.engine.body.step_transaction import Watch
from durable.engine.ends.checkpoint import Accepted, Checkpoint
from durable.engine.ends.parks import Park, Shared
from durable.engine.row.held import Claim
from durable.errors import DurableError


class Limited(Protocol):
    """One run of a body with a time limit."""

    claim: Claim
    watch: Watch
    on_end: Callable[[], object]  # called when the body has ended, before its checkpoint

    def overdue(self) -> DurableError:
        """The error for the expired time: ``StepTimeout`` or ``WorkflowTimeout``."""

    def give_up(self) -> None:
        """Record the failure while the body still runs; its later writes are refused."""


class Session(Protocol):
    """A process in which claims run."""

    @property
    def worker(self) -> UUID:
        """The id of the worker that holds the claims."""

    @property
    def stopping(self) -> bool:
        """Whether the process starts no further step."""

    def commit(self, checkpoint: Checkpoint) -> Accepted | None:
        """Write one checkpoint, in a commit perhaps shared with others; ``None``: fence lost."""

    def park(self, one: Park) -> Shared:
        """Park one execution that needs nothing else, in a commit perhaps shared with others."""

    def committed(self) -> None:
        """Called after an engine commit in the claim's thread."""

    def await_result(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run the body of an ``async def`` step to its end."""

    def limit(self, attempt: Limited, limit: timedelta | None) -> AbstractContextManager[None]:
        """Watch one run of a body, and give the attempt up after ``limit``."""

    def cancel_requested(self, claim: Claim) -> bool:
        """Whether a cancellation of the execution is requested."""

    def show_progress(self, claim: Claim, progress: Any) -> None:
        """Publish a step's progress before its checkpoint, if this session can."""
