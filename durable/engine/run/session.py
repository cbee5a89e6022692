"""What the engine needs of whoever runs executions: a worker, or the testing kit."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

from durable.engine.body.step_transaction import Watch
from durable.engine.ends.checkpoint import Accepted, Checkpoint
from durable.engine.row.held import Claim
from durable.errors import DurableError


class Limited(Protocol):
    """One run of a body whose time is limited."""

    claim: Claim
    watch: Watch
    on_end: Callable[[], object]  # called when the body has ended, before its checkpoint

    def overdue(self) -> DurableError:
        """What it means that its time is over: ``StepTimeout`` or ``WorkflowTimeout``."""

    def give_up(self) -> None:
        """Write the failure while the body still runs; whatever it does later is refused."""


class Session(Protocol):
    """A place where claims run."""

    @property
    def worker(self) -> UUID:
        """The id of the worker that holds the claims."""

    @property
    def stopping(self) -> bool:
        """Whether no further step is to be started here."""

    def commit(self, checkpoint: Checkpoint) -> Accepted | None:
        """Write one checkpoint in a commit (shared with others, perhaps); ``None`` if lost."""

    def committed(self) -> None:
        """Called after a commit of the engine in the claim's thread."""

    def await_result(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run the body of an ``async def`` step to its end."""

    def limit(self, attempt: Limited, limit: timedelta | None) -> AbstractContextManager[None]:
        """Watch over one run of a body: it is given up when ``limit`` is over."""

    def cancel_requested(self, claim: Claim) -> bool:
        """Whether the execution is asked to cancel."""

    def show_progress(self, claim: Claim, progress: Any) -> None:
        """Let others see how far a step is, if that is possible before its checkpoint."""
