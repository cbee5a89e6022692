"""A stage for several workers in one thread: each claims, runs, lags behind or dies as told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from durable import clock, testing
from durable.authoring.parse import registry
from durable.engine.body import log_capture
from durable.engine.deliver import deliver_due, wake_answered
from durable.engine.duties import inline, workers
from durable.engine.ends.checkpoint import Accepted, Checkpoint
from durable.engine.row.held import Claim
from durable.engine.run import runner
from durable.engine.run.claim import claim_due, promote
from durable.models import Execution
from durable.storage import failpoints
from durable.storage.transaction import connection

NOON = datetime(2030, 6, 3, 12, tzinfo=UTC)
LEASE = timedelta(seconds=60)

#: claims, and runs of bodies, that are enough for any execution here:
#: a guard that is gone shows as an error, not as a hang
ENOUGH = 40


class Killed(BaseException):
    """The process is gone: nothing after this line happens."""


class Hand(inline.InlineSession):
    """A worker with a row and a lease of its own, driven by the test."""

    def __init__(self, name: str = "hand", queues: tuple[str, ...] = ("default",)) -> None:
        super().__init__()
        self.queues = queues
        self.worker: UUID = workers.register(name, queues, registry.kinds(), LEASE, listening=False)
        self.before_commit: Callable[[Checkpoint], None] = lambda checkpoint: None

    def claim(self) -> Claim | None:
        """Take one execution that is ready, as the worker process would."""
        for queue in self.queues:
            for claim in claim_due(self.worker, queue, registry.kinds(), 1):
                return claim
        return None

    def must_claim(self) -> Claim:
        """Take one execution; the test is wrong if none is ready."""
        claim = self.claim()
        assert claim is not None, "nothing is ready"
        return claim

    def run(self, claim: Claim) -> None:
        """Work on a claim as the worker process would."""
        with log_capture.installed():
            runner.run(claim, self)

    def commit(self, checkpoint: Checkpoint) -> Accepted | None:
        """One checkpoint, one commit; the test may step in before it."""
        self.before_commit(checkpoint)
        return super().commit(checkpoint)


def bury_the_dead() -> int:
    """What any live worker does on its tick; the number of workers declared dead."""
    dead = workers.expired()
    for worker, _ in dead:
        workers.bury(worker)
    workers.free_strays()
    return len(dead)


def tick() -> None:
    """Deliver, wake sleepers and bury dead workers, but run nothing."""
    deliver_due()
    wake_answered()
    promote()
    bury_the_dead()


def drain() -> int:
    """Work what is due; an error rather than a hang if it goes round in circles."""
    bodies = 0

    def stop(at: str) -> None:
        nonlocal bodies
        bodies += at == "body.before"
        if bodies > ENOUGH:
            raise Killed(f"after {ENOUGH} runs of bodies: a workflow goes round in circles")

    if failpoints.armed is not None:
        return testing.drain(max_steps=ENOUGH)
    failpoints.armed = stop
    try:
        return testing.drain(max_steps=ENOUGH)
    finally:
        failpoints.armed = None


def pass_time(**span: float) -> None:
    """Move the frozen clock and work what is due at the end."""
    testing.advance(work=False, **span)
    drain()


def fresh(execution: Execution) -> Execution:
    """The row as it is now."""
    return Execution.objects.get(pk=execution.pk)


@contextmanager
def at_noon() -> Iterator[None]:
    """Stop the clock."""
    with clock.frozen(NOON):
        yield


@contextmanager
def killed_at(point: str) -> Iterator[list[str]]:
    """Let this process die at ``point``; yields the points that were reached until then.

    Nothing that the dead would do afterwards counts: each later point kills again.
    """
    reached: list[str] = []

    def die(at: str) -> None:
        reached.append(at)
        if point in reached:
            raise Killed(at)

    before, failpoints.armed = failpoints.armed, die
    try:
        yield reached
    finally:
        failpoints.armed = before


def run_until(hand: Hand, claim: Claim, point: str) -> None:
    """Run a claim until the process dies at a point where no transaction is open."""
    with killed_at(point):
        try:
            hand.run(claim)
        except Killed:
            return
    raise AssertionError(f"{point} was not reached")


def in_the_open() -> bool:
    """Whether no transaction is open here, so that somebody else's may run now."""
    return not connection().in_atomic_block


def history(execution: Execution) -> list[tuple[Any, ...]]:
    """The attempts in order: path, attempt and how each ended."""
    return [(run.path, run.attempt, run.status) for run in fresh(execution).steps]
