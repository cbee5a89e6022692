"""What the tests of the engine's promises share: attempts on record, a worker that dies."""

from __future__ import annotations

from datetime import timedelta
from unittest import mock
from uuid import UUID

from durable import clock
from durable.authoring.parse import registry
from durable.engine.duties import workers
from durable.engine.duties.inline import InlineSession
from durable.engine.row.held import Claim
from durable.engine.run import runner
from durable.engine.run.claim import claim_due
from durable.errors import ClaimLost
from durable.models import Execution, Worker
from durable.storage import failpoints


def statuses(execution: Execution) -> list[tuple[str, int, str]]:
    """``(path, attempt, status)`` of each attempt on record, in order."""
    return list(execution.steps.values_list("path", "attempt", "status"))


def claim_as(worker: UUID, queue: str = "default") -> Claim:
    """What a worker would take next."""
    (claim,) = claim_due(worker, queue, registry.kinds(), 1)
    return claim


def a_worker(name: str = "w") -> UUID:
    """A worker of all that is registered, with a lease of a minute."""
    return workers.register(
        name, ["default"], registry.kinds(), timedelta(minutes=1), listening=False
    )


def bury(worker: UUID) -> None:
    """The worker's lease runs out, and somebody notices."""
    Worker.objects.filter(pk=worker).update(expires_at=clock.now())
    workers.bury(worker)


def die_in_the_next_step(name: str = "w") -> Claim:
    """A worker claims the next execution and is never heard of again."""
    worker = a_worker(name)
    claim = claim_as(worker)
    bury(worker)
    return claim


def die_at(point: str) -> Claim:
    """A worker takes the next execution as far as ``point`` and dies there.

    What is not committed then is rolled back, as the database does it for a lost connection.
    """

    def die(reached: str) -> None:
        if reached == point:
            raise ClaimLost  # nothing catches it, nothing more is written

    worker = a_worker()
    claim = claim_as(worker)
    with mock.patch.object(failpoints, "armed", die):
        runner.run(claim, InlineSession())
    bury(worker)
    return claim
