"""Answer a person's question: one compare-and-swap on its wait, in the caller's transaction."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q

from durable import clock, codec
from durable.conf import database
from durable.errors import AlreadyAnswered, AmbiguousWait, NotAllowed, WaitNotFound
from durable.models import Execution, Wait
from durable.people import form, notices
from durable.people import who as people
from durable.states import WaitKind, WaitStatus
from durable.storage import audit, lookup, notify, sizes
from durable.storage.transaction import in_callers_transaction, lock

APPROVED, REJECTED = "approved", "rejected"


@in_callers_transaction
def provide_input(
    execution_id: Any, name: str, answer: Any, *, by: Any, comment: str, branch: Any
) -> Execution:
    """Record an answer; the execution goes on when a worker sees it.

    ``by=None`` is the program itself, and unchecked. Raises ``WaitNotFound``,
    ``AmbiguousWait``, ``AlreadyAnswered``, ``NotAllowed``, ``InvalidInput`` or
    ``NotSerializable``; nothing is stored then.
    """
    codec.check(answer, path="answer")
    execution = lookup.get(execution_id)
    wait = held(_the_open_wait(execution, name, branch).pk)
    answer_wait(wait, answer, by=by, comment=comment)
    execution.refresh_from_db()
    return execution


@in_callers_transaction
def reassign(execution_id: Any, name: str, *, to: Any, by: Any, branch: Any) -> Execution:
    """Put other people in charge of an open question."""
    execution = lookup.get(execution_id)
    wait = held(_the_open_wait(execution, name, branch).pk)
    _check_person(wait, by)
    reassign_wait(wait, to=to, by=by)
    return execution


# -- one question, held by this transaction ------------------------------------------------------


def held(pk: UUID) -> Wait:
    """The wait, locked for this transaction: who may answer is decided on what it says now."""
    found: Wait | None = lock(Wait.objects.filter(kind=WaitKind.INPUT, pk=pk)).first()
    if found is None:
        raise WaitNotFound(f"there is no question {pk}")
    return found


def answer_wait(wait: Wait, answer: Any, *, by: Any, comment: str) -> None:
    """Record an answer to a question that this transaction holds."""
    codec.check(answer, path="answer")
    _check_open(wait)
    _check_person(wait, by)
    question = wait.question or {}
    value = form.validate(question, answer, form.workflow_of(wait))
    sizes.free_text("comment", comment)
    if question.get("type") == "approval" and question.get("quorum", 1) > 1:
        _vote(wait, value, by, comment)
    else:
        _resolve(wait, value, by, comment)
    audit.record(
        "provide_input",
        by=by,
        execution=wait.root_id,
        wait=wait.pk,
        target=wait.name,
        after={"answer": value, "comment": comment},
    )
    notify.hint()


def reassign_wait(wait: Wait, *, to: Any, by: Any) -> None:
    """Put other people in charge of a question that this transaction holds; they will be told."""
    _check_open(wait)
    before, after = wait.assignees, people.normalise(to)
    changes = notices.of_reassigned(wait, [spec for spec in after if spec not in before])
    if not Wait.objects.open().filter(pk=wait.pk).update(assignees=after, **changes):
        raise _answered(Wait.objects.get(pk=wait.pk))
    audit.record(
        "reassign",
        by=by,
        execution=wait.root_id,
        wait=wait.pk,
        target=wait.name,
        before=before,
        after=after,
    )
    notify.hint()


def _check_open(wait: Wait) -> None:
    if wait.status != WaitStatus.OPEN:
        raise _answered(wait)


# -- which question is meant ---------------------------------------------------------------------


def open_question(execution_id: Any, name: str, branch: Any = None) -> Wait:
    """The one open question of this name; ``WaitNotFound``, ``AmbiguousWait``, ``AlreadyAnswered``.

    For doors, which check permissions on it before they answer.
    """
    return _the_open_wait(lookup.get(execution_id), name, branch)


def _the_open_wait(execution: Execution, name: str, branch: Any) -> Wait:
    asked = Wait.objects.filter(kind=WaitKind.INPUT).visible()
    asked = asked.filter(name=name) if sizes.is_text(name, 500) else asked.none()
    if execution.root_id == execution.pk:
        asked = asked.filter(root_id=execution.pk)
    else:
        asked = asked.filter(execution=execution)
    if branch is not None:
        asked = asked.filter(execution=lookup.get(branch))
    opened = list(asked.open())
    if len(opened) > 1:
        branches = [wait.execution_id for wait in opened]
        raise AmbiguousWait(
            f"{len(opened)} open questions of execution {execution.pk} are named {name!r}: say "
            f"which with branch=, one of {', '.join(map(str, branches))}",
            branches=branches,
        )
    if opened:
        return opened[0]
    last = asked.reverse().first()
    if last is None:
        names = Wait.objects.open().filter(root_id=execution.root_id, kind=WaitKind.INPUT)
        known = ", ".join(sorted({repr(wait.name) for wait in names})) or "none"
        raise WaitNotFound(
            f"execution {execution.pk} asks for no input named {name!r} (open: {known})"
        )
    raise _answered(last)


def _answered(wait: Wait) -> AlreadyAnswered:
    if wait.status == WaitStatus.OPEN:
        ended, who = f"its time was over at {wait.deadline_at:%Y-%m-%d %H:%M:%S}", None
    elif wait.status == WaitStatus.ANSWERED:
        who = wait.by_name or "the program"
        word = wait.answer if wait.answer in (APPROVED, REJECTED) else "answered"
        ended = f"already {word} by {who} at {wait.resolved_at:%Y-%m-%d %H:%M:%S}"
    else:
        ended, who = f"{wait.status} at {wait.resolved_at:%Y-%m-%d %H:%M:%S}", None
    return AlreadyAnswered(f"{wait.name!r}: {ended}", by=who, at=wait.resolved_at)


def _check_person(wait: Wait, by: Any) -> None:
    audit.check_actor(by)
    if by is None:
        return
    escalated = people.escalated(
        (wait.question or {}).get("escalate", []), wait.opened_at, clock.read(database())
    )
    reason = people.allowed(by, assignees=wait.assignees, exclude=wait.exclude, escalated=escalated)
    if reason is not None:
        raise NotAllowed(f"{by.get_username()} may not answer {wait.name!r}: {reason}")


# -- recording -----------------------------------------------------------------------------------


def _in_time(wait: Wait) -> Any:
    """The wait's row while it is open and its time is not over."""
    return (
        Wait.objects.open()
        .filter(pk=wait.pk)
        .filter(Q(deadline_at__isnull=True) | Q(deadline_at__gt=clock.now()))
    )


def _resolve(wait: Wait, value: Any, by: Any, comment: str, **changes: Any) -> None:
    """The first answer wins; a question whose time is over has its outcome already."""
    changes = {
        "answer": value,
        "by": by,
        "by_name": by.get_username() if by is not None else "",
        "comment": comment,
        **changes,
    }
    if not _in_time(wait).resolve(WaitStatus.ANSWERED, told=False, **changes):
        raise _answered(Wait.objects.get(pk=wait.pk))


def _vote(wait: Wait, decision: str, by: Any, comment: str) -> None:
    """Approved by ``quorum`` different people; the first rejection rejects.

    The lock on the wait keeps two votes apart that come at the same moment.
    """
    votes = list(wait.votes or [])
    who, key = (by.get_username(), str(by.pk)) if by is not None else ("", "")
    if key and any(vote["id"] == key for vote in votes):
        raise AlreadyAnswered(f"{who} has already approved {wait.name!r}", by=who)
    at = clock.read(database())
    votes.append({"by": who, "id": key, "decision": decision, "comment": comment, "at": at})
    counted = {"votes": votes, "vote_count": len(votes)}
    if decision == REJECTED or len(votes) >= (wait.question or {})["quorum"]:
        _resolve(wait, decision, by, comment, **counted)
    elif not _in_time(wait).update(**counted):
        raise _answered(Wait.objects.get(pk=wait.pk))
