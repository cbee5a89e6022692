"""Questions at the doors: which ones a user sees, may answer, or may reassign."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext as _

from durable.doors import access
from durable.errors import NotAllowed
from durable.models import Execution, Wait
from durable.models.wait import WaitQuerySet
from durable.people import answer as answers
from durable.people import who
from durable.people.question import Question
from durable.people.reach import named
from durable.showing.masking import Masking
from durable.states import WaitStatus
from durable.storage import lookup
from durable.storage.audit import origin
from durable.storage.transaction import in_callers_transaction

# -- who sees a question ---------------------------------------------------------------------------


def listed(user: Any, rows: WaitQuerySet, asked: Sequence[Wait]) -> WaitQuerySet:
    """The questions in a user's lists: of visible executions, asked of them, answered by them."""
    rows = rows.questions().exclude(root_id__in=Execution.objects.removed().values("pk"))
    if not who.is_active(user):
        return rows.none()
    if user.has_perm(access.PERMISSIONS["view"]) and not access.policies():
        return rows
    found: WaitQuerySet = rows.filter(
        Q(root_id__in=access.visible(user).values("pk"))
        | Q(pk__in=[wait.pk for wait in asked])
        | Q(by=user, root_id__in=access.in_scope(user, Execution.objects.roots()).values("pk"))
    )
    return found


def seen_by(user: Any, wait: Wait) -> bool:
    """Whether the user may see the question: they see its execution, or are asked."""
    if not who.is_active(user) or Execution.objects.removed().filter(pk=wait.root_id).exists():
        return False
    if wait.by_id == user.pk or access.has_voted(user, wait):
        return access.in_scope(user, Execution.objects.filter(pk=wait.root_id)).exists()
    return access.may_answer(user, wait) or access.sees(user, wait.root_id)


class QuestionAddress(NamedTuple):
    """The address of a question: execution, name, and the asking part."""

    execution: Any
    name: str
    branch: UUID | None = None


class Known(NamedTuple):
    """A question visible to a user, and the reason if the user may not answer."""

    wait: Wait
    user: Any
    why_not: str | None


def known(user: Any, asked: QuestionAddress, *, held: bool = False) -> Known:
    """The open question of this name visible to the user, or the last closed one.

    ``ExecutionNotFound`` for users who neither see the execution nor may answer;
    ``WaitNotFound``; ``AmbiguousWait`` if several are visible. ``held``: the question is locked for
    this transaction, and the user's permissions are read anew after that.
    """
    execution = lookup.get(asked.execution)
    found = answers.questions_named(execution, asked.name, asked.branch, held=held)
    user = fresh(user) if held else user
    refused = access.refusals(user, found)
    if not access.sees(user, execution.root_id):
        found = [wait for wait in found if wait.pk not in refused]
        if not found:
            raise lookup.unknown(asked.execution)
    wait = answers.the_one(found, execution, asked.name)
    return Known(wait, user, refused.get(wait.pk))


def masking_for(user: Any, wait: Wait) -> Masking:
    """The masking of a question's texts for the user, by their rights on the whole execution."""
    root = wait.execution
    if wait.root_id != wait.execution_id:
        root = Execution.objects.defer(*access.LARGE).filter(pk=wait.root_id).first() or root
    return Masking(off=access.may(user, "view_payload", root))


# -- answer and reassign ---------------------------------------------------------------------------


@in_callers_transaction
def answer(asked: UUID | QuestionAddress, value: Any, *, by: Any, comment: str = "") -> Wait:
    """Answer a question as a person; their rights are read anew, under the question's lock.

    ``NotAllowed``, ``AlreadyAnswered`` (which says who was first), ``InvalidInput``,
    ``NotSerializable``, ``FormMissing``, and what ``known`` refuses; nothing is stored then.
    """
    wait, person, refusal = _held(asked, by)
    if refusal is not None:
        raise NotAllowed(_("you may not answer this: %(reason)s") % {"reason": refusal})
    answers.record(wait, value, by=person, comment=comment)
    return Wait.objects.select_related("execution").get(pk=wait.pk)


@in_callers_transaction
def reassign(asked: UUID | QuestionAddress, to: Iterable[str], *, by: Any) -> Wait:
    """Replace the assignees; requires the permission, and is refused to excluded people.

    ``AccessDenied``, ``NotAllowed``, ``AlreadyAnswered``, ``DefinitionError``, and what ``known``
    refuses.
    """
    wait, person, _refusal = _held(asked, by)
    access.require(person, "reassign", wait)
    if Question.of(wait).excludes(person):
        raise NotAllowed(_("who is excluded from a question may not hand it to others"))
    people = list(to)
    named.refuse_wrong(wait, who.normalise(people), by=person)
    answers.put_in_charge(wait, to=people, by=person)
    return Wait.objects.select_related("execution").get(pk=wait.pk)


def _held(asked: UUID | QuestionAddress, by: Any) -> Known:
    """The question, locked; by id only for doors that have already shown it to the user."""
    if isinstance(asked, QuestionAddress):
        return known(by, asked, held=True)
    wait, person = answers.held(asked), fresh(by)
    return Known(wait, person, access.why_not(person, wait))


def may_reassign(user: Any, wait: Wait) -> bool:
    """Whether the user may replace the assignees of this question."""
    return (
        wait.status == WaitStatus.OPEN
        and access.may(user, "reassign", wait)
        and not Question.of(wait).excludes(user)
    )


def fresh(user: Any) -> Any:
    """The user read anew, without cached permissions."""
    return get_user_model()._default_manager.filter(pk=user.pk).first() or user


@contextmanager
def coming_from(request: HttpRequest, door: str) -> Iterator[None]:
    """Within the block, audit entries name this door and the address of the request."""
    token = origin.set(f"{door} {request.META.get('REMOTE_ADDR', '')}".strip())
    try:
        yield
    finally:
        origin.reset(token)
