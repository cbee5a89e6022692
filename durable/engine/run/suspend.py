"""Park an execution in a wait, unless the wait is answered already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from durable import clock, codec
from durable.engine.deliver import take_from_inbox
from durable.engine.ends import parks
from durable.engine.ends.checkpoint import Attempt, write_attempts
from durable.engine.ends.parks import Opening, Park
from durable.engine.ends.release import hold
from durable.engine.ends.release import park as release
from durable.engine.row.held import Claim, row_at
from durable.engine.row.journal import Journal
from durable.engine.row.settled import let_go, settled_by
from durable.engine.run.session import Session
from durable.engine.run.step_context import Request
from durable.engine.start import children
from durable.models import Execution, Wait
from durable.models.fields import Stored, in_utc
from durable.people import notices
from durable.people.question import Question
from durable.states import WaitKind, WaitStatus
from durable.storage.failpoints import reach
from durable.storage.statement import Statement
from durable.storage.transaction import in_transaction, lock

Extras = Sequence[Callable[[], object]]


def park(
    claim: Claim,
    request: Request,
    journal: Journal,
    attempt: Attempt,
    extras: Extras,
    session: Session,
) -> bool:
    """Record the wait and release the claim; False if it is answered already: the claim is kept.

    A new wait that asks for nothing else shares its commit with those of other slots.
    """
    in_doubt = False
    simple = request.child is None and not extras and not claim.is_compensating
    if simple and request.place not in journal.waits:
        shared = session.park(Park(claim, opening(claim, request), attempt))
        if shared.parked:
            return True
        in_doubt = shared.in_doubt
    return park_alone(claim, request, journal, attempt, extras, in_doubt=in_doubt)


def _parked_before(
    claim: Claim, request: Request, journal: Journal, *_: object, **__: object
) -> tuple[bool] | None:
    """The result of a park that is already committed; ``None`` if none is."""
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
_ROOT = Statement(
    lambda root: lock(Execution.objects.filter(pk=root)).values_list("scope", flat=True)
)


@settled_by(_parked_before)
@in_transaction
def park_alone(
    claim: Claim,
    request: Request,
    journal: Journal,
    attempt: Attempt,
    extras: Extras = (),
    *,
    in_doubt: bool = False,
) -> bool:
    """``park`` in a commit of its own, whatever the execution needs; ``ClaimLost``.

    One transaction under the root's lock, which every delivery takes: events sent earlier are
    found in the inbox here, later ones find the wait. A wait that was open before the body began
    may have been answered since, so it is read again. ``in_doubt``: see ``settled_by``.
    """
    scopes = _ROOT(root=claim.root_id)
    present = hold(claim).present
    _JOURNALED(**claim.place)
    claim.at = claim.at.with_records()
    known = journal.waits.get(request.place)
    wait = _open(claim, request, present, scopes[0]) if known is None else _again(known)
    write_attempts([attempt])
    for extra in extras:
        extra()
    takes_events = WaitKind(wait.kind).takes_events
    if wait.status != WaitStatus.OPEN or (takes_events and take_from_inbox(wait)):
        return False
    reach("wait.before_commit")
    release(claim, parks.earlier(wait.deadline_at, claim.limit_at))
    return True


def _open(claim: Claim, request: Request, present: datetime, scope: str) -> Wait:
    child = None
    if request.child is not None:
        child = children.create(claim, request.place, request.child, awaited=True)
    new = opening(claim, request, child).at(present, scope)
    parks.open_waits([new])
    return Wait(**vars(new), status=WaitStatus.OPEN)


def _again(known: Wait) -> Wait:
    return Wait.objects.get(pk=known.pk)


def opening(claim: Claim, request: Request, child: Execution | None = None) -> Opening:
    """The wait for a body's request, its times counted from the moment of the opening."""
    ask, (kind, name, ordinal) = request.ask, request.place
    question = request.question or Question()
    notice = notices.of_opened(question)
    return Opening(
        execution_id=claim.execution_id,
        root_id=claim.root_id,
        path=claim.at.path,
        visit=claim.at.visit,
        kind=kind,
        name=name,
        ordinal=ordinal,
        names=ask.names,
        key=ask.key or "",
        deadline_at=instant_of(ask.until if WaitKind(kind).is_answered_by_time else ask.timeout),
        due_at=instant_of(ask.people.due),
        notice_at=notice.get("notice_at"),
        notice=_stored(notice.get("notice")),
        question=_stored(request.question.stored() if request.question is not None else None),
        assignees=question.assignees,
        exclude=question.exclude,
        people=question.people(),
        child_id=child.pk if child is not None else None,
    )


def _stored(value: dict[str, Any] | None) -> Stored | None:
    return None if value is None else Stored(codec.dumps(value))


def instant_of(when: timedelta | datetime | None) -> Any:
    """A time span counted from the database's present, or an instant, as a value for a column."""
    if isinstance(when, datetime):
        return in_utc(when)
    return clock.now() + max(when, timedelta(0)) if when is not None else None
