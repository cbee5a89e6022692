"""Record a failed attempt, then retry after its delay, enter a catch, or fail the execution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from durable import clock
from durable.authoring.nodes.retry import Retry
from durable.authoring.nodes.tree import Catch
from durable.authoring.parse import registry
from durable.authoring.workflow import Definition
from durable.engine.ends import tree_of, turns
from durable.engine.ends.back import send_back
from durable.engine.ends.checkpoint import Attempt, write_attempts
from durable.engine.ends.finish import finish
from durable.engine.ends.release import end_cancelled, hold, put_to_sleep
from durable.engine.row import reasons, walk
from durable.engine.row.failures import Failure, encode
from durable.engine.row.held import Claim
from durable.engine.row.settled import let_go, settled_by
from durable.engine.row.undoing import Rollback
from durable.engine.undo import remaining, rollback
from durable.errors import (
    ChildFailed,
    Fail,
    InvalidStepInput,
    InvalidStepResult,
    NotSerializable,
    RetryAfter,
    StepCrashed,
    StepTimeout,
    SuspendSwallowed,
    WaitTimeout,
    WorkflowTimeout,
)
from durable.models import PARTS, Execution, Role
from durable.states import Status
from durable.storage.failpoints import reach
from durable.storage.transaction import in_transaction, lock

#: the longest delay: later due times would exceed the databases' calendars
LONGEST = timedelta(days=365_000)

#: errors that another attempt would only repeat (a wait's or child's outcome is recorded)
NEVER_RETRIED = (
    ChildFailed,
    Fail,
    InvalidStepResult,
    InvalidStepInput,
    NotSerializable,
    SuspendSwallowed,
    WaitTimeout,
    WorkflowTimeout,
)


def next_delay(retry: Retry | None, error: BaseException, attempts: int) -> timedelta | None:
    """The delay of the retry after ``attempts`` failed attempts; ``None``: no more."""
    if isinstance(error, NEVER_RETRIED) or retry is None or attempts >= retry.max_attempts:
        return None
    if isinstance(error, RetryAfter):
        return min(max(timedelta(0), error.delay), LONGEST)
    limited = isinstance(error, (StepTimeout, StepCrashed)) and not isinstance(
        error, retry.give_up_on
    )
    if not limited and not retry.retries(error):
        return None
    return min(retry.delay(attempts), LONGEST)


def _failed_before(
    claim: Claim, attempt: object, failure: object, delay: timedelta | None = None, *_: object
) -> tuple[bool] | None:
    """Whether a retry follows the attempt, if its failure is already committed; else ``None``."""
    return (delay is not None,) if let_go(claim) else None


@settled_by(_failed_before)
@in_transaction
def fail_attempt(
    claim: Claim,
    attempt: Attempt | None,
    failure: Failure,
    delay: timedelta | None,
    extras: Sequence[Callable[[], object]] = (),
) -> bool:
    """Record a failed attempt; True if a retry follows, False if it was the last.

    ``ClaimLost`` if the claim is no longer ours: nothing is written then.
    """
    if extras and claim.root_id != claim.execution_id:
        lock(Execution.objects.filter(pk=claim.root_id)).values_list("pk").first()
    if delay is None:
        turns.count_alone(claim)
    asked = hold(claim)
    if attempt is not None:
        write_attempts([attempt])
    for extra in extras:
        extra()
    if delay is not None:
        _try_again(claim, delay)
    elif asked.cancel and not claim.at.undoes_all:
        end_cancelled(claim.row(), claim.at, compensate=asked.compensate)
    else:
        _fail_for_good(claim, failure)
    reach("failure.before_commit")
    return delay is not None


@settled_by(_failed_before)
@in_transaction
def fail_out_of_catch(claim: Claim, definition: Definition, error: Exception) -> bool:
    """Fail outwards from a catch whose handler can't be entered."""
    claim = replace(claim)  # a try that is rolled back has moved nothing
    turns.count_alone(claim)
    hold(claim)
    rollback.leave_catch(claim, definition)
    return fail_attempt(claim, None, describe(claim, error), None)


def _try_again(claim: Claim, delay: timedelta) -> None:
    deadline = claim.limit_at
    at_deadline = deadline is not None and deadline <= claim.now() + delay
    until = deadline if at_deadline else clock.now() + delay
    put_to_sleep(claim, until, **claim.at.next_attempt().since(claim.at))


def _fail_for_good(claim: Claim, failure: Failure) -> None:
    """Pass the failure up: to a catch, to the parent's block, or to the execution's end."""
    if claim.at.rollback is not None:
        _go_on_undoing(claim)
        return
    cls = registry.get(claim.workflow, claim.version)
    assert cls is not None
    definition = cls.definition
    caught = _catch(definition, claim, failure)
    if caught is not None:
        send_back(claim.row(), claim.at, caught)
    else:
        _fail_whole(claim, definition, failure)


def _fail_whole(claim: Claim, definition: Definition, failure: Failure) -> None:
    """Fail the execution: cancel its live children, then compensate its completed steps.

    The steps of a branch or item are compensated by its root, if the root fails too.
    """
    part = claim.role in PARTS
    undo = definition.options.on_failure == "compensate" and not part
    at = claim.at
    why = Rollback.after(failure, undo=undo, path=at.path, attempt=at.attempt, floor=at.floor)
    execution = Execution.objects.get(pk=claim.execution_id)
    ended = tree_of.stop_below(execution, reasons.failed(execution, failure.error))
    if not ended or (undo and remaining.needed(claim.execution_id)):
        send_back(claim.row(), at, why)
        return
    classes = None if claim.role == Role.ROOT else list(failure.classes)
    finish(claim.row(), Status.FAILED, encode(failure.error), outcome=classes)
    if claim.role == Role.ITEM:
        rollback.after_failed_item(claim, definition)


def _go_on_undoing(claim: Claim) -> None:
    """Skip a compensation that failed for good and go on with the others."""
    assert claim.at.rollback is not None
    failed = claim.at.rollback.passing_over(claim.at.undone_run)
    claim.row().due(rolls=claim.is_compensating, **claim.at.to_undo(failed).columns())


def _catch(definition: Definition, claim: Claim, failure: Failure) -> Rollback | None:
    """The rollback into the innermost catch around the position that matches this failure.

    Nothing catches a ``WorkflowTimeout``: no time is left for a handler.
    """
    if failure.is_a(WorkflowTimeout):
        return None
    for node in walk.enclosing(definition.tree, claim.at.path):
        if not isinstance(node, Catch) or node.path not in claim.at.frames:
            continue
        if not f"{claim.at.path}/".startswith(f"{node.body.path}/"):
            continue  # in a handler
        for handler in node.handlers:
            if failure.is_a(handler.error):
                visit = claim.at.frames[node.path]["visit"]
                return Rollback.after(failure, scope=node.path, visit=visit, handler=handler.label)
    return None


def describe(claim: Claim, error: BaseException, *, step: str | None = None) -> Failure:
    """The failure as stored with the attempt and the execution."""
    return Failure.of(error, step=step or claim.at.path or None, attempt=claim.at.tried)
