"""Record a failed attempt: another one later, or the end of the execution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from durable import clock
from durable.authoring.retry import Retry
from durable.engine import failures
from durable.engine.checkpoint import Attempt, write_attempts
from durable.engine.claim import Claim
from durable.engine.failpoints import reach
from durable.engine.finish import finish
from durable.engine.reconnect import persistent
from durable.engine.release import hold, let_go
from durable.engine.transaction import in_transaction
from durable.errors import (
    Fail,
    InvalidStepInput,
    InvalidStepResult,
    NotSerializable,
    NotYetSupported,
    RetryAfter,
    StepCrashed,
    StepTimeout,
    SuspendSwallowed,
    WorkflowTimeout,
)
from durable.states import Status

#: no delay goes beyond the calendars of the databases
LONGEST = timedelta(days=365_000)

#: what another attempt can't mend
NEVER_RETRIED = (
    Fail,
    InvalidStepResult,
    InvalidStepInput,
    NotSerializable,
    NotYetSupported,
    SuspendSwallowed,
    WorkflowTimeout,
)


def next_delay(retry: Retry | None, error: BaseException, attempts: int) -> timedelta | None:
    """The delay before another attempt after ``attempts`` have failed; ``None``: no more."""
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


@persistent
@in_transaction
def fail_attempt(
    claim: Claim,
    attempt: Attempt | None,
    error: dict[str, Any],
    delay: timedelta | None,
    extras: Sequence[Callable[[], object]] = (),
) -> bool:
    """Write down a failed attempt; True if another will follow, False if the execution failed.

    ``ClaimLost`` if the claim is no longer ours: nothing is written then.
    """
    if delay is not None:
        again = claim.now() + delay
        at_deadline = claim.deadline_at is not None and claim.deadline_at <= again
        let_go(
            claim,
            Status.PENDING,
            wake_at=claim.deadline_at if at_deadline else clock.now() + delay,
            attempt=claim.attempt + 1,
            recoveries=0,
        )
    elif hold(claim).cancel:
        let_go(claim, Status.PENDING)
    else:
        finish(claim.row(), Status.FAILED, error=failures.encode(error))
    if attempt is not None:
        write_attempts([attempt])
    for extra in extras:
        extra()
    reach("failure.before_commit")
    return delay is not None


def describe(claim: Claim, error: BaseException) -> dict[str, Any]:
    """The error as it is kept with the attempt and the execution."""
    return failures.describe(
        error, step=claim.path or None, attempt=claim.attempt - claim.attempt_floor
    )
