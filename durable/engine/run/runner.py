"""Run a claimed execution step by step, until it parks, ends or loses its claim."""

from __future__ import annotations

import logging
from typing import Any

from django.db import InterfaceError, OperationalError

from durable import codec
from durable.authoring.nodes.tree import Branch, Foreach, Leaf, Node, Parallel, Repeat
from durable.authoring.parse import registry
from durable.authoring.self.context import apart
from durable.authoring.workflow import Definition
from durable.engine.ends.checkpoint import Accepted, Checkpoint
from durable.engine.ends.release import block, block_for_child, complete, give_back
from durable.engine.ends.trip import trip
from durable.engine.parts import fan_out, join
from durable.engine.parts.bases import base_of
from durable.engine.parts.batch import Batch
from durable.engine.row.held import Claim
from durable.engine.row.journal import Journal
from durable.engine.row.walk import ChoiceFailed
from durable.engine.run import suspend
from durable.engine.run.attempt import Completed, Failed, Parked, StepAttempt, Stuck
from durable.engine.run.session import Session
from durable.engine.run.step_context import StepContext
from durable.engine.run.work import Forward, element_of, walk_from
from durable.engine.undo import fail, rollback
from durable.engine.undo.work import Work
from durable.errors import (
    Abandoned,
    ClaimLost,
    ControlFlow,
    InvalidStepResult,
    PositionLost,
    StepCrashed,
    WorkflowTimeout,
)
from durable.models import Role
from durable.states import ROLLBACK, StepStatus
from durable.storage.failpoints import reach
from durable.storage.reconnect import is_unavailable
from durable.storage.transaction import savepoint

logger = logging.getLogger("durable.engine")


def run(claim: Claim, session: Session) -> None:
    """Work on a claimed execution; errors of its steps are recorded, never raised.

    An engine error counts against the executions of the claim that are still held. An error of an
    unavailable database does not count: it is raised.
    """
    held = (claim, *claim.rest)
    try:
        _take_on(claim, session)
    except (Exception, ControlFlow) as error:
        cls = registry.get(claim.workflow, claim.version)
        if cls is None or is_unavailable(error):
            raise
        for one in held:
            trip(one, error, cls.definition.options.max_recoveries)


def _take_on(claim: Claim, session: Session) -> None:
    cls = registry.get(claim.workflow, claim.version)
    if cls is None:  # claimed by kind, so it was there a moment ago
        give_back(claim)
        return
    reach("claim.after_commit")
    block = cls.definition.tree.find(claim.parent_path) if claim.rest else None
    if isinstance(block, Foreach):
        _run_batch(Batch(claim, block), cls.definition, session)
    else:
        _run(Runner(claim, cls.definition, session))


def _run_batch(batch: Batch, definition: Definition, session: Session) -> None:
    for item in batch:
        _run(Runner(item, definition, session, batch))
    batch.end()
    session.committed()


def _run(runner: Runner) -> None:
    claim, session = runner.claim, runner.session
    if claim.role == Role.ITEM:
        claim.start_from(base_of(claim).text)
    try:
        while _step(runner):
            session.committed()
    except Exception:
        runner.leave_batch()  # finished items are written, unstarted ones given back
        raise
    session.committed()


def _step(runner: Runner) -> bool:
    """Take one step, in a savepoint if the caller has a transaction: an error rolls it back."""
    claim = runner.claim
    with savepoint():
        try:
            return runner.step()
        except ClaimLost:
            logger.info("claim lost: %s", claim.execution_id, extra=claim.labels())
        except Abandoned:
            logger.info("attempt was given up: %s", claim.execution_id, extra=claim.labels())
    return False


class Runner:
    """Moves one claim through the tree of its workflow."""

    def __init__(
        self, claim: Claim, definition: Definition, session: Session, batch: Batch | None = None
    ) -> None:
        self.claim, self.definition, self.session = claim, definition, session
        self.batch = batch
        self.tree = definition.tree

    def step(self) -> bool:
        """Take one step; False when the claim is no longer held."""
        claim = self.claim
        asked = claim.cancel_requested or claim.pause_requested
        if self.session.stopping or (asked and not claim.at.undoes_all):
            self.leave_batch()
            give_back(claim)
            return False
        if claim.at.rollback is not None:
            return self._roll_back()
        if not claim.at.path:  # all steps are taken
            self.leave_batch()
            complete(claim, in_sequence=Forward(claim, self.definition).in_sequence)
            return False
        if claim.deadline_at is not None and claim.deadline_at <= claim.now():
            self.leave_batch()
            return self._end(WorkflowTimeout(f"{claim.workflow} took longer than its timeout"))
        node = self.tree.find(claim.at.path)
        if not isinstance(node, Leaf):
            self.leave_batch()
            self._refuse_deadly_place()
        match node:
            case Leaf():
                return self._leaf(node)
            case Branch() | Repeat():
                return self._decide(node)
            case Parallel() | Foreach():
                return self._block(node)
        return self._lost_position()

    def _leaf(self, node: Leaf) -> bool:
        claim = self.claim
        if claim.at.recoveries > self.definition.options.max_recoveries:
            self.leave_batch()
            return self._crashed(Forward(claim, self.definition, node.step))
        queue = node.step.queue or claim.home_queue
        if queue != claim.queue:
            self.leave_batch()
            give_back(claim, queue=queue)
            return False
        return self._attempt(Forward(claim, self.definition, node.step))

    # -- the positions ---------------------------------------------------------------------

    def _instance(self, node: Node) -> Any:
        """A ``self`` for callables of the flow, which may read the data but not wait."""
        work = Forward(self.claim, self.definition)
        context = StepContext(work, self.session, Journal(self.claim.at.path), name=node.name)
        context.choose()
        return self.definition.cls.bound(context)

    def _decide(self, node: Node) -> bool:
        """Choose the case of a branch or the next round of a loop, and checkpoint the choice."""
        claim = self.claim
        walk = walk_from(claim, self.definition, self._instance(node), claim.data)
        try:
            walk.decide()
        except ChoiceFailed as failed:
            if walk.path == claim.at.path:
                return self._end(failed.__cause__ or failed)
        return self._advance(Forward(claim, self.definition).at(walk, claim.data))

    def _block(self, node: Parallel | Foreach) -> bool:
        """Open a block, or join its parts when all have ended."""
        claim, instance = self.claim, self._instance(node)
        try:
            if not join.has_children(claim):
                if self._open(node, instance):
                    reach("fan_out.after_commit")
                    return False
                data = join.empty(claim, node)
            elif join.is_open(claim) and join.park(claim):
                return False
            elif isinstance(node, Parallel):
                data = join.join_parallel(claim, node, instance)
            else:
                data = join.join_foreach(claim, node)
            text = self._text(data)
        except join.BlockFailed as failed:
            fail.fail_attempt(claim, None, failed.failure, None)
            return False
        except ControlFlow:
            raise
        except (OperationalError, InterfaceError):
            raise
        except BaseException as error:  # of a callable of the flow
            return self._end(error)
        claim.last_completed_at = join.last_completed_at(claim)
        reach("join.before_commit")
        more = self._advance(Forward(claim, self.definition).leave(text, instance))
        reach("join.after_commit")
        return more

    def _open(self, node: Parallel | Foreach, instance: Any) -> bool:
        claim = self.claim
        if isinstance(node, Parallel):
            fan_out.open_parallel(claim, node)
            return True
        arguments = (codec.loads(claim.data), *element_of(claim))
        return apart(lambda: fan_out.open_foreach(claim, node, node.items(instance, *arguments)))

    def _text(self, data: Any) -> str:
        if not isinstance(data, dict):
            raise InvalidStepResult(f"merge returned {type(data).__name__}, not the data")
        return codec.dump_data(data, keep_increments=self.claim.block is not None)

    def _roll_back(self) -> bool:
        claim = self.claim
        if claim.at.path == ROLLBACK:
            self._refuse_deadly_place()
            found = rollback.look(claim, self.definition)
            reach("rollback.after_commit")
            if isinstance(found, Checkpoint):
                return self._advance(found)
            if found is not None:
                fail.fail_out_of_catch(claim, self.definition, found)
                return False
            return claim.at.path != ROLLBACK  # at a compensation, or released
        undo = rollback.undo_at(claim)
        if undo is None:
            return self._lost_compensation()
        if claim.at.recoveries > undo.definition.options.max_recoveries:
            return self._crashed(undo)
        return self._attempt(undo)

    def _lost_position(self) -> bool:
        claim = self.claim
        block(
            claim,
            PositionLost(
                f"{claim.kind} has no step at {claim.at.path!r} any more: deploy code that has it, "
                "or a new version of the workflow beside it; then retry(id)"
            ),
        )
        return False

    def _lost_compensation(self) -> bool:
        lacking = rollback.lacking(self.claim)
        if lacking is None:
            return self._lost_position()
        block_for_child(self.claim, lacking)
        return False

    def _refuse_deadly_place(self) -> None:
        """Fail the execution if too many workers died here, outside of any step's attempt."""
        claim, allowed = self.claim, self.definition.options.max_recoveries
        if claim.at.recoveries > allowed:
            raise StepCrashed(
                f"{claim.at.recoveries} workers died at {claim.at.path!r}, outside of any step "
                f"(max_recoveries is {allowed})"
            )

    def _crashed(self, work: Work) -> bool:
        """Record a failed attempt: the step has killed more workers than allowed."""
        claim = self.claim
        error = StepCrashed(
            f"{claim.at.recoveries} workers died in step {work.body.name!r} "
            f"(max_recoveries is {work.definition.options.max_recoveries})"
        )
        StepAttempt(claim, work, self.session).fail(error)
        return False

    # -- one attempt -------------------------------------------------------------------------

    def _attempt(self, work: Work) -> bool:
        attempt = StepAttempt(self.claim, work, self.session)
        outcome = attempt.run()
        match outcome:
            case Completed(checkpoint, accepted):
                return self._advance(checkpoint, accepted)
        self.leave_batch()
        match outcome:
            case Parked(request):
                record = attempt.record(StepStatus.WAITING, ended_at=None)
                extras, session = attempt.extras(), self.session
                parked = suspend.park(self.claim, request, attempt.journal, record, extras, session)
                reach("wait.after_commit")
                return not parked
            case Stuck(error):
                block(self.claim, error)
                return False
            case Failed(error):
                attempt.fail(error, attempt.extras(failed=True))
                return False

    def leave_batch(self) -> None:
        """Leave the batch: the claim needs more than its last step's checkpoint."""
        if self.batch is not None:
            self.batch.leave(self.claim)
            self.batch = None

    def _advance(self, checkpoint: Checkpoint, accepted: Accepted | None = None) -> bool:
        if self.batch is not None and checkpoint.finishes:
            if accepted is None and not checkpoint.extras:
                self.batch.keep(self.claim, checkpoint)
                return False
            accepted = accepted or self.session.commit(checkpoint)
            self.batch.finished(self.claim, accepted)
        accepted = accepted or self.session.commit(checkpoint)
        if accepted is None:
            raise ClaimLost
        claim = self.claim
        reach("finish.after_commit" if checkpoint.finishes else "checkpoint.after_commit")
        if checkpoint.finishes:
            if accepted.cancel_requested:
                claim.at = checkpoint.to
                give_back(claim)
                return False
            if not accepted.unfinished:
                return False
        claim.at = checkpoint.to
        claim.data = checkpoint.data or claim.data
        claim.last_completed_at = checkpoint.at
        claim.pause_requested = accepted.pause_requested
        claim.cancel_requested = accepted.cancel_requested
        return True

    def _end(self, error: BaseException) -> bool:
        """Fail the execution at its position, outside of any step's body."""
        fail.fail_attempt(self.claim, None, fail.describe(self.claim, error), None)
        return False
