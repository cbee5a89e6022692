"""The state of a question in words: what is asked, of whom, until when, what became of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from durable import clock
from durable.authoring.decision import APPROVED, REJECTED
from durable.conf import database
from durable.models import Wait
from durable.people.question import Question
from durable.states import WaitStatus

#: controls, and the marks that turn the direction of what follows them
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)


def outcome(wait: Wait, now: datetime | None = None) -> str:
    """What became of a question: ``approved by kim at 09:12``; empty while it is open."""
    if wait.status == WaitStatus.OPEN or wait.resolved_at is None:
        return ""
    at = moment(wait.resolved_at, now)
    if wait.status == WaitStatus.TIMED_OUT:
        return _("not answered in time; its time was over at %(at)s") % {"at": at}
    if wait.status == WaitStatus.CANCELLED:
        return _("cancelled at %(at)s") % {"at": at}
    words = {
        APPROVED: _("approved by %(who)s at %(at)s"),
        REJECTED: _("rejected by %(who)s at %(at)s"),
    }
    said = words.get(wait.answer) if Question.of(wait).is_approval else None
    text: str = said or _("answered by %(who)s at %(at)s")
    return text % {"who": wait.by_name or _("the program"), "at": at}


def done(wait: Wait) -> str:
    """What an answer has brought about, for the one who gave it."""
    if wait.status == WaitStatus.OPEN:
        numbers = {"votes": wait.vote_count, "quorum": Question.of(wait).quorum}
        return _("your approval is recorded, %(votes)s of %(quorum)s") % numbers
    return outcome(wait)


def moment(at: datetime, now: datetime | None = None) -> str:
    """A time in the current zone, without the date if it is today's; ``now``, if it is known."""
    local = localtime(at)
    if local.date() == localtime(now or clock.read(database())).date():
        return date_format(local, "H:i")
    return date_format(local, "j M Y, H:i")


def named(specs: Iterable[str]) -> list[str]:
    """People in words: ``kim``, ``group finance``, ``holders of shop.approve``."""
    words = {"user": "%s", "group": _("group %s"), "perm": _("holders of %s")}
    found = []
    for spec in specs:
        kind, _colon, name = spec.partition(":")
        found.append(words.get(kind, "%s") % name)
    return found


def title(wait: Wait) -> str:
    """What is asked, in one line."""
    prompt = " ".join(Question.of(wait).prompt.split())
    return clear(prompt or wait.name)


def is_overdue(wait: Wait, now: datetime) -> bool:
    """Whether an open question should have been answered by now."""
    return wait.status == WaitStatus.OPEN and wait.due_at is not None and wait.due_at <= now


def clear(text: str) -> str:
    """A text in which every character is seen: none that hides, or turns what follows around."""
    return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
