"""The state of a question in words: title, people, outcome."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.utils.translation import gettext as _

from durable.authoring.self.decision import APPROVED, REJECTED
from durable.models import Wait
from durable.people.question import Question
from durable.showing import times
from durable.showing.characters import visible, visible_line
from durable.showing.masking import mask_text
from durable.states import WaitStatus


def outcome(wait: Wait, now: datetime | None = None) -> str:
    """The outcome of a question: ``approved by kim at 09:12``; empty while it is open."""
    if wait.status == WaitStatus.OPEN or wait.resolved_at is None:
        return ""
    at = times.in_words(wait.resolved_at, now)
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
    return text % {"who": visible_line(wait.by_name) or _("the program"), "at": at}


def done(wait: Wait) -> str:
    """The effect of an answer, told to the person who gave it."""
    if wait.status == WaitStatus.OPEN:
        numbers = {"votes": wait.vote_count, "quorum": Question.of(wait).quorum}
        return _("your approval is recorded, %(votes)s of %(quorum)s") % numbers
    return outcome(wait)


def people_in_words(specs: Iterable[str]) -> list[str]:
    """People in words: ``kim``, ``group finance``, ``holders of shop.approve``."""
    words = {"user": "%s", "group": _("group %s"), "perm": _("holders of %s")}
    found = []
    for spec in specs:
        kind, _colon, name = spec.partition(":")
        found.append(words.get(kind, "%s") % visible_line(name))
    return found


def title(wait: Wait) -> str:
    """The prompt in one line, with secrets masked for all readers."""
    prompt = " ".join(visible(mask_text(Question.of(wait).prompt)).split())
    return prompt or visible_line(wait.name)


def is_overdue(wait: Wait, now: datetime) -> bool:
    """Whether the question is open past its due time."""
    return wait.status == WaitStatus.OPEN and wait.due_at is not None and wait.due_at <= now
