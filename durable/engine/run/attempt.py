"""Run the body of a step once, with transaction, timeout and outcome."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from durable import codec
from durable.authoring.self import context as authoring_context
from durable.authoring.self.context import apart, apart_again
from durable.authoring.values import UNSET
from durable.engine.body import log_capture
from durable.engine.body.step_transaction import StepTransaction, Watch, restore
from durable.engine.ends import checkpoint as checkpoints
from durable.engine.ends import direct
from durable.engine.ends.checkpoint import Accepted, Attempt, Checkpoint
from durable.engine.ends.trip import trip
from durable.engine.row import failures
from durable.engine.row.held import Claim, next_completed_at
from durable.engine.run.session import Session
from durable.engine.run.step_context import Request, StepContext
from durable.engine.run.work import call
from durable.engine.undo import fail
from durable.engine.undo.work import Work
from durable.errors import (
    Abandoned,
    Blocked,
    ClaimLost,
    DurableError,
    StepTimeout,
    Suspend,
    SuspendSwallowed,
    TransactionEnded,
    WorkflowTimeout,
)
from durable.models import Execution
from durable.states import StepStatus
from durable.storage.failpoints import reach
from durable.storage.reconnect import is_unavailable, persist, reconnect, was_cut, was_spoken_to
from durable.storage.transaction import ATTEMPTS, connection, is_retriable, step_aside

logger = logging.getLogger("durable.engine")


@dataclass(frozen=True)
class Completed:
    """The body returned; ``accepted`` is set if its own transaction wrote the checkpoint."""

    checkpoint: Checkpoint
    accepted: Accepted | None


@dataclass(frozen=True)
class Parked:
    """The body asked for a wait that has no answer yet."""

    request: Request


@dataclass(frozen=True)
class Failed:
    """The body raised."""

    error: BaseException


@dataclass(frozen=True)
class Stuck:
    """The body asked for something that does not match the journal of its visit."""

    error: DurableError


Outcome = Completed | Parked | Failed | Stuck


class StepAttempt:
    """One run of one body, from reading its journal to its outcome."""

    def __init__(self, claim: Claim, work: Work, session: Session) -> None:
        self.claim, self.work, self.session = claim, work, session
        self.step = work.body
        self.started_at = claim.now()
        self.on_end: Callable[[], object] = lambda: None
        self.lines: list[str] = []

    def run(self) -> Outcome:
        """Run the body; raises ``ClaimLost``, ``Abandoned``, or the error of a database outage.

        An atomic body that the database rolled back, because of a conflict or a lost connection,
        runs again, at most three times; these repetitions do not count as attempts.
        """
        for again in range(1, ATTEMPTS):
            outcome = apart(self._once)
            if not (self.step.atomic and self._outermost and self._rolled_back(outcome)):
                return outcome
            step_aside(again)
            reconnect()
        return apart(self._once)

    def _once(self) -> Outcome:
        claim = self.claim
        self._connection = connection()
        self._outermost = not self._connection.in_atomic_block
        self._undone = False
        if self._outermost and not self.step.atomic and was_spoken_to(self._connection):
            reconnect()  # an atomic body runs again if its connection is lost
        self._used = [self._connection.connection]
        self.journal = persist(claim.read_journal)
        self.context = StepContext(self.work, self.session, self.journal)
        limit = self._limit()
        self.context.deadline = None if limit is None else self.started_at + limit
        self.instance = self.work.definition.cls.bound(self.context)
        self.watch = Watch()
        if self.context.is_async:
            _ = persist(lambda: self.context.input)  # an async body can't read it itself
        token = authoring_context.enter(self.instance)
        self.lines, capturing = log_capture.begin()
        try:
            with self.watch, self.session.limit(self, limit):
                return self._atomic() if self.step.atomic else self._plain()
        except (ClaimLost, Abandoned):
            raise
        except Suspend:
            return self._parked()
        except Blocked as blocked:
            return Stuck(blocked.error)
        except BaseException as error:  # SystemExit and the like: a worker never dies of a step
            return Failed(self._swallowed(error) if self.context.left else error)
        finally:
            log_capture.end(capturing)
            authoring_context.leave(token)

    def _parked(self) -> Outcome:
        if self.context.asked is None:
            return Failed(DurableError("the step raised Suspend by itself; use self.sleep() …"))
        return Parked(self.context.asked)

    def _swallowed(self, error: BaseException) -> SuspendSwallowed:
        if isinstance(error, SuspendSwallowed):
            return error
        swallowed = SuspendSwallowed(
            f"step {self.step.name!r} was told to leave and wait, and raised "
            f"{type(error).__name__} instead; don't catch BaseException around a wait"
        )
        swallowed.__cause__ = error
        return swallowed

    def _rolled_back(self, outcome: Outcome) -> bool:
        """Whether the database rolled back the body's run, so that nothing of it is left."""
        return isinstance(outcome, Failed) and (
            self._undone or is_retriable(outcome.error) or was_cut(outcome.error, self._used)
        )

    def _limit(self) -> timedelta | None:
        """The time for this attempt: the step's timeout, or less if the deadline is near."""
        deadline = self.claim.limit_at
        left = deadline - self.started_at if deadline is not None else None
        limits = [limit for limit in (self.step.timeout, left) if limit is not None]
        return min(limits) if limits else None

    def overdue(self) -> DurableError:
        """The error for an expired time: ``WorkflowTimeout`` or ``StepTimeout``."""
        deadline = self.claim.limit_at
        if deadline is not None and self.claim.now() >= deadline:
            return WorkflowTimeout(f"{self.claim.workflow} took longer than its timeout")
        return StepTimeout(f"step {self.step.name!r} took longer than {self.step.timeout}")

    def give_up(self) -> None:
        """Record this attempt as timed out, while its thread may still run the body."""
        try:
            self.fail(self.overdue(), self.extras(failed=True))
        except Exception as error:
            if is_unavailable(error):
                raise
            trip(self.claim, error, self.work.definition.options.max_recoveries)

    def fail(self, error: BaseException, extras: Sequence[Callable[[], object]] = ()) -> None:
        """Record this attempt as failed: a retry follows, or the failure goes up."""
        claim = self.claim
        failure = fail.describe(claim, error, step=self.work.identity.path)
        described = failure.error
        record = self.record(
            StepStatus.FAILED, ended_at=next_completed_at(claim), error=failures.encode(described)
        )
        delay = fail.next_delay(self.step.retry, error, claim.at.tried)
        fail.fail_attempt(claim, record, failure, delay, extras)
        reach("failure.after_commit")
        logger.log(
            logging.INFO if delay is not None else logging.WARNING,
            "step %s of %s failed (%s)%s",
            claim.at.path,
            claim.execution_id,
            described["type"],
            f", again in {delay}" if delay is not None else "",
            extra=claim.labels(),
        )

    # -- the two ways to run a body -----------------------------------------------------------

    def _atomic(self) -> Outcome:
        """Run the body, and write its checkpoint in the same transaction if the body used it."""
        completed: Completed | None = None
        try:
            with StepTransaction(self._connection, self.watch) as transaction:
                self._used.append(self._connection.connection)
                checkpoint = self._checkpoint(self._body())
                transaction.check()
                if not transaction.touched:
                    return Completed(checkpoint, None)
                completed = Completed(checkpoint, self._written(checkpoint))
        except BaseException as error:
            if completed is None or not self._outermost:
                raise
            return self._settled(completed.checkpoint, error)
        return completed

    def _written(self, checkpoint: Checkpoint) -> Accepted:
        """Write the checkpoint in the body's transaction; errors here are not the body's."""
        try:
            accepted = checkpoints.write([checkpoint]).get(self.claim.execution_id)
        except Exception:
            self._undone = True
            raise
        if accepted is None:
            raise ClaimLost
        return accepted

    def _settled(self, checkpoint: Checkpoint, error: BaseException) -> Completed:
        """After the COMMIT or its hooks raised, read back whether the checkpoint is committed."""
        accepted = direct.settle(checkpoint)
        if accepted is None:
            self._undone = True
            raise error
        logger.error(
            "step %s of %s is done, but its commit or a hook after it raised an error",
            self.claim.at.path,
            self.claim.execution_id,
            exc_info=error,
            extra=self.claim.labels(),
        )
        return Completed(checkpoint, accepted)

    def _plain(self) -> Outcome:
        """Run the body without a transaction; one that it leaves open is an error."""
        try:
            returned = self._body()
        except BaseException:
            if self._outermost:
                restore(self._connection)
            raise
        if self._outermost and not restore(self._connection):
            raise TransactionEnded(
                f"step {self.step.name!r} left a transaction open (or autocommit off); "
                "it was rolled back"
            )
        return Completed(self._checkpoint(returned), None)

    def _body(self) -> Any:
        data = codec.loads(self.work.data)
        reach("body.before")
        process = os.getpid()
        try:
            returned, finish = apart_again(
                call, self.step, self.instance, data, self.work.element()
            )
        finally:
            if os.getpid() != process:  # a process forked by the body: it shares our connections
                os._exit(1)
        if self.step.is_async:
            returned = apart_again(self.session.await_result, returned)
        reach("body.after")
        self.on_end()
        if self.context.left:
            raise SuspendSwallowed("a bare except: caught the signal to wait")
        result = apart_again(finish, returned)
        return data if result is None else result

    # -- checkpoint and record ------------------------------------------------------------------

    def _checkpoint(self, result: Any) -> Checkpoint:
        checkpoint = self.work.checkpoint(result, self.instance, self.context.choose)
        record = self.record(
            StepStatus.COMPLETED, ended_at=checkpoint.at, output=self.work.recorded_output(result)
        )
        extras = (*checkpoint.extras, *self.extras())
        return replace(checkpoint, attempt=record, extras=extras)

    def record(
        self,
        status: StepStatus,
        *,
        ended_at: datetime | None,
        output: str | None = None,
        error: str | None = None,
    ) -> Attempt:
        """The record of this attempt for the history."""
        return Attempt.of(
            self.claim,
            self.work.identity,
            status,
            started_at=self.started_at,
            ended_at=ended_at,
            input=self.work.recorded_input,
            output=output,
            error=error,
            logs=log_capture.text(self.lines),
        )

    def extras(self, *, failed: bool = False) -> Sequence[Callable[[], object]]:
        """The writes for progress, tags and children that the body requested, besides its result.

        They run in the transaction that ends the attempt. A failed attempt starts no children: its
        retry asks for them again.
        """
        if self.context.new_progress is UNSET and not self.context.new_tags:
            return () if failed else tuple(self.context.children)
        rows = Execution.objects.filter(pk=self.context.id)
        changes: list[Callable[[], object]] = []
        if self.context.new_progress is not UNSET:
            progress = self.context.new_progress
            changes.append(lambda: rows.update(progress=progress))
        if self.context.new_tags:
            changes.append(lambda: _merge_tags(rows, self.context.new_tags))
        if not failed:
            changes += self.context.children
        return tuple(changes)


def _merge_tags(rows: Any, tags: dict[str, Any]) -> None:
    stored = rows.values_list("tags", flat=True).get()
    rows.update(tags={**stored, **tags})
