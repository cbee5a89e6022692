"""Record a person's answer: one compare-and-swap on the wait, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import Q

from durable import clock, codec
from durable.authoring.self.decision import APPROVED, REJECTED
from durable.conf import database
from durable.errors import AlreadyAnswered, AmbiguousWait, NotAllowed, WaitNotFound
from durable.models import Execution, Wait
from durable.people import form, notices, who
from durable.people.question import Question
from durable.states import WaitStatus
from durable.storage import audit, lookup, notify, sizes
from durable.storage.transaction import in_callers_transaction, lock


@in_callers_transaction
def provide_input(
    execution_id: Any, name: str, answer: Any, *, by: Any, comment: str, branch: Any
) -> Execution:
    """Record an answer; a worker then continues the execution.

    ``by=None`` is the program itself, with no check of rights. Raises ``WaitNotFound``,
    ``AmbiguousWait``, ``AlreadyAnswered``, ``NotAllowed``, ``InvalidInput``,
    ``NotSerializable`` or ``FormMissing``; nothing is stored then.
    """
    execution = lookup.get(execution_id)
    record(_open_to(by, execution, name, branch), answer, by=by, comment=comment)
    execution.refresh_from_db()
    return execution


@in_callers_transaction
def reassign(execution_id: Any, name: str, *, to: Any, by: Any, branch: Any) -> Execution:
    """Replace the assignees of an open question."""
    execution = lookup.get(execution_id)
    put_in_charge(_open_to(by, execution, name, branch), to=to, by=by)
    return execution


def _open_to(by: Any, execution: Execution, name: str, branch: Any) -> Wait:
    """The open question of this name, locked; ``NotAllowed`` unless ``by`` may answer it."""
    part = lookup.get(branch).pk if branch is not None else None
    wait = the_one(questions_named(execution, name, part, held=True), execution, name)
    _check_open(wait)
    audit.check_actor(by)
    if by is not None:
        open_for = clock.read(database()) - wait.opened_at
        reason = Question.of(wait).why_not(by, open_for)
        if reason is not None:
            raise NotAllowed(f"{by.get_username()} may not answer {wait.name!r}: {reason}")
    return wait


# -- find a question by its name -----------------------------------------------------------------


def questions_named(
    execution: Execution, name: str, branch: UUID | None = None, *, held: bool = False
) -> list[Wait]:
    """The open questions of this name; if none is open, the last closed one.

    Asked by the part ``branch``, or else by any part of the execution. ``held`` locks the open
    ones for this transaction in the statement that finds them, so that decisions rest on locked
    values. Open and closed questions are read one after the other; if a question opens between the
    two reads, both are repeated.
    """
    if not sizes.is_text(name, 500):
        return []
    asked = Wait.objects.questions().select_related("execution").visible()
    asked = asked.filter(name=name, root_id=execution.root_id)
    if execution.root_id != execution.pk:
        asked = asked.filter(execution=execution)
    if branch is not None:
        asked = asked.filter(execution=branch)
    # no index has closed questions by root
    last = asked.filter(execution__in=lookup.whole_of(execution)).reverse()
    while True:
        if opened := list(lock(asked.open()) if held else asked.open()):
            return opened
        found = list(last[:1])
        if not found or found[0].status != WaitStatus.OPEN:
            return found


def the_one(found: Sequence[Wait], execution: Execution, name: str) -> Wait:
    """The only question in ``found``; else ``WaitNotFound`` or ``AmbiguousWait``."""
    if not found:
        opened = Wait.objects.questions().open().filter(root_id=execution.root_id)
        names = sorted(set(opened.values_list("name", flat=True)))
        if name in names:
            raise WaitNotFound(
                f"the open question {name!r} of execution {execution.pk} is asked by another part "
                "of it, or was opened a moment ago: look again"
            )
        known = ", ".join(map(repr, names)) or "none"
        raise WaitNotFound(
            f"execution {execution.pk} asks for no input named {name!r} (open: {known})"
        )
    if len(found) > 1:
        branches = [wait.execution_id for wait in found]
        raise AmbiguousWait(
            f"{len(found)} open questions of execution {execution.pk} are named {name!r}: say "
            f"which with branch, one of {', '.join(map(str, branches))}",
            branches=branches,
        )
    return found[0]


def held(pk: UUID) -> Wait:
    """The question with this id, locked for this transaction; ``WaitNotFound`` without one."""
    asked = Wait.objects.questions().select_related("execution").filter(pk=pk)
    found: Wait | None = lock(asked).first()
    if found is None:
        raise WaitNotFound(f"there is no question {pk}")
    return found


# -- answer or reassign a question that is locked, and that ``by`` may answer --------------------


def record(wait: Wait, answer: Any, *, by: Any, comment: str) -> None:
    """Record an answer; the caller has checked the right of ``by`` under the lock."""
    codec.check(answer, path="answer")
    _check_open(wait)
    question = Question.of(wait)
    value = form.validate_for(wait, answer)
    sizes.free_text("comment", comment)
    if question.is_approval and question.quorum > 1:
        _vote(wait, question.quorum, value, by, comment)
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


def put_in_charge(wait: Wait, *, to: Any, by: Any) -> None:
    """Replace the assignees; the new ones will be told."""
    _check_open(wait)
    before, (after, given) = wait.assignees, who.named_people(to)
    role, known = who.ASSIGNEES, wait.people or {}
    ids = who.ids_of({role: after}, {role: given}).get(role, {})
    meant = known.get(role, {})  # ids as stored: a name may belong to somebody else now
    newcomers = [
        spec
        for spec in after
        if spec not in before or (spec in meant and ids.get(spec) != meant[spec])
    ]
    changes = {"assignees": after, "people": {**known, role: ids}}
    changes |= notices.of_reassigned(wait, newcomers)
    if not Wait.objects.open().filter(pk=wait.pk).update(**changes):
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


def _answered(wait: Wait) -> AlreadyAnswered:
    if wait.status == WaitStatus.OPEN:
        ended, first = f"its time was over at {wait.deadline_at:%Y-%m-%d %H:%M:%S}", None
    elif wait.status == WaitStatus.ANSWERED:
        first = wait.by_name or "the program"
        word = wait.answer if wait.answer in (APPROVED, REJECTED) else "answered"
        ended = f"already {word} by {first} at {wait.resolved_at:%Y-%m-%d %H:%M:%S}"
    else:
        ended, first = f"{wait.status} at {wait.resolved_at:%Y-%m-%d %H:%M:%S}", None
    return AlreadyAnswered(f"{wait.name!r}: {ended}", by=first, at=wait.resolved_at)


def _in_time(wait: Wait) -> Any:
    """The wait's row, if it is open and before its deadline."""
    return (
        Wait.objects.open()
        .filter(pk=wait.pk)
        .filter(Q(deadline_at__isnull=True) | Q(deadline_at__gt=clock.now()))
    )


def _resolve(wait: Wait, value: Any, by: Any, comment: str, **changes: Any) -> None:
    """Store the answer: the first one wins, and none after the deadline."""
    changes = {
        "answer": value,
        "by": by,
        "by_name": by.get_username() if by is not None else "",
        "comment": comment,
        **changes,
    }
    if not _in_time(wait).resolve(WaitStatus.ANSWERED, told=False, **changes):
        raise _answered(Wait.objects.get(pk=wait.pk))


def _vote(wait: Wait, quorum: int, decision: str, by: Any, comment: str) -> None:
    """Count one approval: ``quorum`` different people approve, the first rejection rejects.

    The lock on the wait keeps simultaneous votes apart.
    """
    votes = list(wait.votes or [])
    voter, key = (by.get_username(), str(by.pk)) if by is not None else ("", "")
    if key and any(vote["id"] == key for vote in votes):
        raise AlreadyAnswered(f"{voter} has already approved {wait.name!r}", by=voter)
    at = clock.read(database())
    votes.append({"by": voter, "id": key, "decision": decision, "comment": comment, "at": at})
    counted = {"votes": votes, "vote_count": len(votes)}
    if decision == REJECTED or len(votes) >= quorum:
        _resolve(wait, decision, by, comment, **counted)
    elif not _in_time(wait).update(**counted):
        raise _answered(Wait.objects.get(pk=wait.pk))
