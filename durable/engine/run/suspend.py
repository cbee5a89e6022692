"""Park an execution in a wait, unless the wait is answered already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from durable import clock
from durable.engine.deliver import take_from_inbox
from durable.engine.ends.checkpoint import Attempt, write_attempts
from durable.engine.ends.release import hold
from durable.engine.ends.release import park as release
from durable.engine.row.held import Claim, row_at
from durable.engine.row.journal import Journal
from durable.engine.row.settled import let_go, settled_by
from durable.engine.run.step_context import Request
from durable.engine.start import children
from durable.models import CorrelationKey, Execution, Wait
from durable.models.fields import in_utc
from durable.people import notices
from durable.people.question import Question
from durable.states import WaitKind, WaitStatus
from durable.storage import sizes
from durable.storage.failpoints import reach
from durable.storage.statement import Statement
from durable.storage.transaction import in_transaction, lock


def _parked_before(
    claim: Claim, request: Request, journal: Journal, *_: object
) -> tuple[bool] | None:
    """The result of a ``park`` that is already committed; ``None`` if none is."""
    if let_go(claim):
        return (True,)
    if request.place in journal.waits or not claim.row().exists():
        return None
    kind, name, ordinal = request.place
    waits = Wait.objects.of_visit(claim.execution_id, claim.at.path, claim.at.visit)
    opened = waits.filter(kind=kind, name=name, ordinal=ordinal).exists()
    return (False,) if opened else None  # with its answer, or the claim would have been let go


_JOURNALED = Statement(
    lambda pk, fence, path, visit, attempt: row_at(pk, fence, path, visit, attempt).update(
        journaled=True
    )
)


@settled_by(_parked_before)
@in_transaction
def park(
    claim: Claim,
    request: Request,
    journal: Journal,
    attempt: Attempt,
    extras: Sequence[Callable[[], object]] = (),
) -> bool:
    """Record the wait and release the claim; False if it is answered already: the claim is kept.

    One transaction under the root's lock, which every delivery takes: events sent earlier are
    found in the inbox here, later ones find the wait. A wait that was open before the body began
    may have been answered since, so it is read again.
    """
    if claim.root_id != claim.execution_id:
        lock(Execution.objects.filter(pk=claim.root_id)).values_list("pk").get()
    hold(claim)
    _JOURNALED(**claim.place)
    claim.at = claim.at.with_records()
    known = journal.waits.get(request.place)
    wait = _open(claim, request) if known is None else Wait.objects.get(pk=known.pk)
    write_attempts([attempt])
    for extra in extras:
        extra()
    takes_events = WaitKind(wait.kind).takes_events
    if wait.status != WaitStatus.OPEN or (takes_events and take_from_inbox(wait)):
        return False
    reach("wait.before_commit")
    release(claim, _wake_at(wait, claim.limit_at))
    return True


def _open(claim: Claim, request: Request) -> Wait:
    ask, (kind, name, ordinal) = request.ask, request.place
    question = request.question or Question()
    key = _scoped(claim, ask.key) if ask.key else ""
    wait = Wait.objects.create(
        execution_id=claim.execution_id,
        root_id=claim.root_id,
        path=claim.at.path,
        visit=claim.at.visit,
        kind=kind,
        name=name,
        ordinal=ordinal,
        names=list(ask.names),
        key=key,
        opened_at=clock.now(),
        deadline_at=instant_of(ask.until if WaitKind(kind).is_answered_by_time else ask.timeout),
        status=WaitStatus.OPEN,
        question=request.question.stored() if request.question is not None else None,
        child=_child(claim, request),
        assignees=list(question.assignees),
        exclude=list(question.exclude),
        people=question.people(),
        due_at=instant_of(ask.people.due),
        **notices.of_opened(question),
    )
    CorrelationKey.objects.give(claim.root_id, [key] if key else [])
    return wait


def _scoped(claim: Claim, key: str) -> str:
    """A correlation key behind the scope of the waiting execution."""
    whole = Execution.objects.filter(pk=claim.root_id)
    return sizes.scoped(whole.values_list("scope", flat=True).get(), key)


def _child(claim: Claim, request: Request) -> Execution | None:
    """Create the child workflow of a wait; ``None`` for other waits."""
    if request.child is None:
        return None
    return children.create(claim, request.place, request.child, awaited=True)


def instant_of(when: timedelta | datetime | None) -> Any:
    """A time span counted from the database's present, or an instant, as a value for a column."""
    if isinstance(when, datetime):
        return in_utc(when)
    return clock.now() + max(when, timedelta(0)) if when is not None else None


def _wake_at(wait: Wait, deadline: datetime | None) -> Any:
    """When the execution wakes without an answer: the wait's deadline or the workflow's."""
    if wait.deadline_at is None or deadline is None:
        return wait.deadline_at or deadline
    return min(wait.deadline_at, deadline)
