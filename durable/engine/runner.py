"""Take a claim from step to step until it parks, ends or is lost."""

from __future__ import annotations

import logging

from durable import clock, codec
from durable.authoring import registry
from durable.authoring.tree import Branch, Leaf
from durable.authoring.workflow import Definition
from durable.engine import fail, failures, position, suspend
from durable.engine.attempt import Completed, Failed, Parked, StepAttempt, Stuck
from durable.engine.checkpoint import Accepted, Attempt, Checkpoint
from durable.engine.claim import Claim
from durable.engine.failpoints import reach
from durable.engine.journal import Journal
from durable.engine.release import block, give_back, let_go
from durable.engine.session import Session
from durable.engine.step_context import StepContext
from durable.errors import Abandoned, ClaimLost, PositionLost, StepCrashed, WorkflowTimeout
from durable.states import Status, StepStatus

logger = logging.getLogger("durable.engine")


def run(claim: Claim, session: Session) -> None:
    """Work on a claimed execution; whatever its steps do, this returns."""
    cls = registry.get(claim.workflow, claim.version)
    if cls is None:  # claimed by kind, so it was there a moment ago
        give_back(claim)
        return
    reach("claim.after_commit")
    runner = Runner(claim, cls.definition, session)
    try:
        while runner.step():
            session.committed()
    except ClaimLost:
        logger.info("claim lost: %s", claim.execution_id, extra=runner.labels())
    except Abandoned:
        logger.info("attempt was given up: %s", claim.execution_id, extra=runner.labels())
    session.committed()


class Runner:
    """One claim on its way through the tree of its workflow."""

    def __init__(self, claim: Claim, definition: Definition, session: Session) -> None:
        self.claim, self.definition, self.session = claim, definition, session
        self.tree = definition.tree

    def labels(self) -> dict[str, object]:
        """What structured log lines say about the execution."""
        return {
            "execution": str(self.claim.execution_id),
            "workflow": self.claim.workflow,
            "step": self.claim.path,
            "attempt": self.claim.attempt,
        }

    def step(self) -> bool:
        """Take one step; False when the claim is not ours any more."""
        claim = self.claim
        if claim.cancel_requested or claim.pause_requested or self.session.stopping:
            give_back(claim)
            return False
        if claim.deadline_at is not None and claim.deadline_at <= claim.now():
            return self._end(WorkflowTimeout(f"{claim.workflow} took longer than its timeout"))
        node = self.tree.find(claim.path)
        if isinstance(node, Branch):
            return self._choose(node)
        if not isinstance(node, Leaf):
            return self._lost_position()
        if claim.recoveries > self.definition.options.max_recoveries:
            return self._crashed(node)
        queue = node.step.queue or claim.home_queue
        if queue != claim.queue:
            let_go(claim, Status.PENDING, ready_at=clock.now(), queue=queue)
            return False
        return self._attempt(node)

    # -- the positions ---------------------------------------------------------------------

    def _choose(self, node: Branch) -> bool:
        """A choice that no checkpoint has made yet: record it before anything runs in it."""
        claim = self.claim
        context = StepContext(claim, self.session, Journal(claim.path), name=node.name)
        context.choosing = True
        instance = self.definition.cls.bound(context)
        try:
            path = position.settle(self.tree, claim.path, instance, lambda: codec.loads(claim.data))
        except position.ChoiceFailed as failed:
            if failed.path == claim.path:
                return self._end(failed.__cause__ or failed)
            path = failed.path  # the choices before it are made; it fails when it is its turn
        return self._advance(
            Checkpoint(claim.execution_id, claim.fence, claim.data, path, 1, claim.now(), None)
        )

    def _lost_position(self) -> bool:
        claim = self.claim
        block(
            claim,
            PositionLost(
                f"{claim.kind} has no step at {claim.path!r} any more: deploy code that has it, "
                "or a new version of the workflow beside it; then retry(id)"
            ),
        )
        return False

    def _crashed(self, node: Leaf) -> bool:
        """The step has killed more workers than allowed: that is a failed attempt."""
        claim = self.claim
        error = StepCrashed(
            f"{claim.recoveries} workers died in step {node.step.name!r} "
            f"(max_recoveries is {self.definition.options.max_recoveries})"
        )
        now = claim.now()
        described = fail.describe(claim, error)
        attempt = Attempt(
            execution_id=claim.execution_id,
            path=claim.path,
            visit=claim.visit,
            attempt=claim.attempt,
            status=StepStatus.FAILED,
            started_at=now,
            ended_at=now,
            worker=claim.worker,
            input=claim.data,
            error=failures.encode(described),
            recoveries=claim.recoveries,
        )
        delay = fail.next_delay(node.step.retry, error, claim.attempt - claim.attempt_floor)
        fail.fail_attempt(claim, attempt, described, delay)
        return False

    # -- one attempt -------------------------------------------------------------------------

    def _attempt(self, node: Leaf) -> bool:
        attempt = StepAttempt(self.claim, self.definition, node.step, self.session)
        outcome = attempt.run()
        match outcome:
            case Completed(checkpoint, accepted):
                return self._advance(checkpoint, accepted)
            case Parked(request):
                record = attempt.record(StepStatus.WAITING, ended_at=None)
                parked = suspend.park(
                    self.claim, request, attempt.journal, record, attempt.extras()
                )
                reach("wait.after_commit")
                return not parked
            case Stuck(error):
                block(self.claim, error)
                return False
            case Failed(error):
                attempt.fail(error)
                return False

    def _advance(self, checkpoint: Checkpoint, accepted: Accepted | None = None) -> bool:
        accepted = accepted or self.session.commit(checkpoint)
        if accepted is None:
            raise ClaimLost
        claim = self.claim
        reach("finish.after_commit" if checkpoint.finishes else "checkpoint.after_commit")
        if checkpoint.finishes:
            if accepted.cancel_requested:
                claim.path, claim.visit = checkpoint.path, checkpoint.visit
                claim.attempt = 1
                let_go(claim, Status.PENDING)
            return False
        claim.path, claim.visit, claim.data = checkpoint.path, checkpoint.visit, checkpoint.data
        claim.attempt, claim.attempt_floor, claim.recoveries = 1, 0, 0
        claim.journaled, claim.last_completed_at = False, checkpoint.at
        claim.pause_requested = accepted.pause_requested
        claim.cancel_requested = accepted.cancel_requested
        return True

    def _end(self, error: BaseException) -> bool:
        """Fail the execution where it stands, outside of any step's body."""
        fail.fail_attempt(self.claim, None, fail.describe(self.claim, error), None)
        return False
