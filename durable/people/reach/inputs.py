"""Questions to people at the doors: who sees one, who answers or hands it on, what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext as _

from durable.doors import access
from durable.errors import NotAllowed
from durable.models import Wait
from durable.models.wait import WaitQuerySet
from durable.people import answer as engine
from durable.people import who as people
from durable.showing import times
from durable.showing.characters import visible, visible_line
from durable.states import WaitKind, WaitStatus
from durable.storage.audit import origin
from durable.storage.transaction import in_callers_transaction

# -- who sees a question ---------------------------------------------------------------------------


def listed(user: Any, rows: WaitQuerySet, asked: Sequence[Wait]) -> WaitQuerySet:
    """The questions in a user's lists: of what they may see, what they are asked, their answers."""
    rows = rows.filter(kind=WaitKind.INPUT)
    if not people.is_active(user):
        return rows.none()
    if user.has_perm(access.PERMISSIONS["view"]) and not access.policies():
        return rows
    found: WaitQuerySet = rows.filter(
        Q(root_id__in=access.visible(user).values("pk"))
        | Q(pk__in=[wait.pk for wait in asked])
        | Q(by=user)
    )
    return found


def seen_by(user: Any, wait: Wait) -> bool:
    """Whether the question exists for this user: those who may see the execution, or are asked."""
    if not people.is_active(user):
        return False
    if wait.by_id == user.pk or access.has_voted(user, wait):
        return True
    return access.why_not(user, wait) is None or sees_execution(user, wait)


def sees_execution(user: Any, wait: Wait) -> bool:
    """Whether the user may see the execution that asks."""
    return access.visible(user).filter(pk=wait.root_id).exists()


# -- what people do with it ------------------------------------------------------------------------


@in_callers_transaction
def answer(pk: UUID, value: Any, *, by: Any, comment: str) -> Wait:
    """Answer a question as a person; what they may is read anew, under the question's lock.

    ``NotAllowed``, ``AlreadyAnswered`` (which says who was first), ``InvalidInput``,
    ``NotSerializable``; nothing is stored then.
    """
    wait, person = engine.held(pk), fresh(by)
    reason = access.why_not(person, wait)
    if reason is not None:
        raise NotAllowed(_("you may not answer this: %(reason)s") % {"reason": reason})
    engine.answer_wait(wait, value, by=person, comment=comment)
    return Wait.objects.get(pk=pk)


@in_callers_transaction
def reassign(pk: UUID, to: Iterable[str], *, by: Any) -> Wait:
    """Put others in charge; it takes the permission, and nobody excluded may choose who decides.

    ``AccessDenied``, ``NotAllowed``, ``AlreadyAnswered``, ``DefinitionError``.
    """
    wait, person = engine.held(pk), fresh(by)
    access.require(person, "reassign", wait)
    if people.matches(person, wait.exclude):
        raise NotAllowed(_("who is excluded from a question may not hand it to others"))
    engine.reassign_wait(wait, to=list(to), by=person)
    return Wait.objects.get(pk=pk)


def may_reassign(user: Any, wait: Wait) -> bool:
    """Whether the user may put others in charge of this question."""
    return (
        wait.status == WaitStatus.OPEN
        and access.may(user, "reassign", wait)
        and not people.matches(user, wait.exclude)
    )


def fresh(user: Any) -> Any:
    """The user as the database has them now, with no permission remembered."""
    return get_user_model()._default_manager.filter(pk=user.pk).first() or user


@contextmanager
def coming_from(request: HttpRequest, door: str) -> Iterator[None]:
    """Within, what is audited comes through this door, from the address of the request."""
    token = origin.set(f"{door} {request.META.get('REMOTE_ADDR', '')}".strip())
    try:
        yield
    finally:
        origin.reset(token)


# -- in words --------------------------------------------------------------------------------------


def outcome(wait: Wait, now: datetime | None = None) -> str:
    """What became of a question: ``approved by kim at 09:12``; empty while it is open."""
    if wait.status == WaitStatus.OPEN or wait.resolved_at is None:
        return ""
    at = times.in_words(wait.resolved_at, now)
    if wait.status == WaitStatus.TIMED_OUT:
        return _("not answered in time; its time was over at %(at)s") % {"at": at}
    if wait.status == WaitStatus.CANCELLED:
        return _("cancelled at %(at)s") % {"at": at}
    words = {
        engine.APPROVED: _("approved by %(who)s at %(at)s"),
        engine.REJECTED: _("rejected by %(who)s at %(at)s"),
    }
    is_approval = (wait.question or {}).get("type") == "approval"
    said = words.get(wait.answer) if is_approval else None
    text: str = said or _("answered by %(who)s at %(at)s")
    return text % {"who": visible_line(wait.by_name) or _("the program"), "at": at}


def named(specs: Iterable[str]) -> list[str]:
    """People in words: ``kim``, ``group finance``, ``holders of shop.approve``."""
    words = {"user": "%s", "group": _("group %s"), "perm": _("holders of %s")}
    found = []
    for spec in specs:
        kind, _colon, name = spec.partition(":")
        found.append(words.get(kind, "%s") % visible_line(name))
    return found


def title(wait: Wait) -> str:
    """What is asked, in one line."""
    prompt = " ".join(visible((wait.question or {}).get("prompt") or "").split())
    return prompt or visible_line(wait.name)


def is_overdue(wait: Wait, now: datetime) -> bool:
    """Whether an open question should have been answered by now."""
    return wait.status == WaitStatus.OPEN and wait.due_at is not None and wait.due_at <= now
