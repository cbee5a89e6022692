"""Signed links by which one person answers one question, once: make, read and use them.

The token is signed with ``SECRET_KEY`` and names link, question, recipient, decision and a nonce.
The database stores only a digest of the nonce, so its readers can make no link; and without the
row a token is worthless.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

from django.core import signing
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _

from durable import clock
from durable.authoring.self.decision import APPROVED, REJECTED
from durable.conf import database
from durable.doors import access
from durable.errors import DurableError
from durable.models import AnswerLink, Wait
from durable.people import who
from durable.people.question import Question
from durable.people.reach import inputs, words
from durable.showing import times
from durable.states import WaitStatus
from durable.storage.transaction import in_callers_transaction

LIFETIME = timedelta(days=14)  # of a link to a question without a deadline, or with a later one
SALT = "durable.answer_link"
LONGEST = 2000  # characters; longer tokens are refused unread


class LinkOver(DurableError):
    """The link was used before, or has expired."""


class Made(NamedTuple):
    """A link for a mail; the token is stored nowhere else."""

    link: UUID
    decision: str
    token: str
    until: datetime


class Closed(NamedTuple):
    """Why a link can't be used now: a text, and the HTTP status."""

    status: int
    reason: str


def make(wait: Wait, recipient: Any) -> list[Made]:
    """Create the links of one mail: to approve and to reject, or one to the form."""
    now = clock.read(database())
    until = now + LIFETIME
    if wait.deadline_at is not None:
        until = min(until, wait.deadline_at)
    found = []
    for decision in (APPROVED, REJECTED) if Question.of(wait).is_approval else ("",):
        nonce = secrets.token_urlsafe(24)
        link = AnswerLink.objects.create(
            wait=wait,
            recipient=recipient,
            decision=decision,
            digest=_digest(nonce),
            account=_account(recipient),
            created_at=now,
            expires_at=until,
        )
        bound = [link.pk.hex, wait.pk.hex, str(recipient.pk), decision, nonce]
        token = signing.Signer(salt=SALT).sign_object(bound)
        found.append(Made(link.pk, decision, token, until))
    return found


def read(token: str) -> AnswerLink | None:
    """The link of a token; ``None`` unless each part matches what was signed and stored.

    Nothing is looked up for a token without this site's signature.
    """
    if len(token) > LONGEST:
        return None
    try:
        pk, wait, recipient, decision, nonce = map(
            str, signing.Signer(salt=SALT).unsign_object(token)
        )
        ids = UUID(pk), UUID(wait)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    rows = AnswerLink.objects.filter(pk=ids[0], wait=ids[1], decision=decision)
    link = rows.select_related("wait__execution").prefetch_related("recipient").first()
    if link is None or link.recipient is None or str(link.recipient.pk) != recipient:
        return None
    return link if constant_time_compare(link.digest, _digest(nonce)) else None


def closed(link: AnswerLink) -> Closed | None:
    """Why the link can't be used now; ``None`` if it can."""
    wait, person, now = link.wait, link.recipient, clock.read(database())
    if not who.is_active(person):
        return Closed(403, _("The account that this link was made for is not active."))
    if link.account is not None and link.account != _account(person):
        return Closed(403, _("The password of the account has been changed since this was sent."))
    if wait.status != WaitStatus.OPEN:
        return Closed(410, _("The question is closed: %s.") % words.outcome(wait))
    if link.used_at is not None:
        at = times.in_words(link.used_at)
        return Closed(410, _("This link was used at %s. It works once.") % at)
    if wait.deadline_at is not None and wait.deadline_at <= now:
        at = times.in_words(wait.deadline_at)
        return Closed(410, _("The time to answer was over at %s.") % at)
    if link.expires_at <= now:
        return Closed(410, _("This link was good until %s.") % times.in_words(link.expires_at))
    if access.has_voted(person, wait):
        return Closed(410, _("You have approved this already; others still have to."))
    if Question.of(wait).excludes(person):
        return Closed(403, _("You are one of those who may not answer this question."))
    if access.why_not(person, wait) is not None:
        return Closed(
            403,
            _("The question is for others now: it was reassigned, or your rights have changed."),
        )
    return None


@in_callers_transaction
def use(link: AnswerLink, value: Any, *, comment: str) -> Wait:
    """Answer as the recipient and use the link up, both or neither.

    ``LinkOver``, or an error of ``inputs.answer``: the link can be used again after that.
    """
    if not AnswerLink.objects.usable().filter(pk=link.pk).update(used_at=clock.now()):
        raise LinkOver(_("the link was used before, or its time is over"))
    person = inputs.fresh(link.recipient)
    if link.account is not None and link.account != _account(person):
        raise LinkOver(_("the password of the account has been changed since"))
    return inputs.answer(link.wait_id, value, by=person, comment=comment)


def _account(person: Any) -> str:
    """A digest that changes with the account's password: old links in its mails then fail."""
    return _digest(f"{person.pk} {getattr(person, 'password', '')}")


def _digest(nonce: str) -> str:
    return sha256(nonce.encode()).hexdigest()


def read_again(link: AnswerLink) -> AnswerLink:
    """The link read anew, with its question and its recipient."""
    rows = AnswerLink.objects.select_related("wait__execution").prefetch_related("recipient")
    return rows.get(pk=link.pk)
