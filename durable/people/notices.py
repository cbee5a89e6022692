"""Notify people of a question: when it opens, in reminders, on escalation and reassignment.

``notice_at`` of an open question is the time of its next notice, ``notice`` its content:
``{"kind", "to", "steps", "tries"}``, where ``steps`` counts the escalations already told.

Each notice is sent at least once: a worker first moves ``notice_at`` to ``AGAIN`` later and
commits, then sends the signal, then plans the next notice. If it dies in between, the same notice
is sent again after ``AGAIN``. A repeated notice is a nuisance; a lost one leaves a question
unanswered.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.dispatch import Signal

from durable import clock, signals
from durable.models import Wait
from durable.people.question import Question
from durable.storage.share import each
from durable.storage.transaction import in_transaction, lock

logger = logging.getLogger("durable.notices")

AT_ONCE = 100
LONGEST = timedelta(days=365_000)  # the longest time by which a receiver can delay a notice
AGAIN = timedelta(minutes=5)  # after which an unfinished notice is repeated
MOST_TRIES = 12  # for a notice that reaches nobody

ASKED, REMINDER, ESCALATED, REASSIGNED = "asked", "reminder", "escalated", "reassigned"

SIGNALS: Mapping[str, Signal] = {
    ASKED: signals.input_asked,
    REMINDER: signals.input_reminder,
    ESCALATED: signals.input_escalated,
    REASSIGNED: signals.input_reassigned,
}

#: the people reminded of a question without assignees
EVERYBODY = ("perm:durable.approve",)


class Notice(NamedTuple):
    """One notice to send now; if the worker dies, it falls due again at ``until``."""

    wait: Wait
    kind: str
    to: list[str]
    now: datetime
    until: datetime


# -- planning --------------------------------------------------------------------------------------


def of_opened(question: Question) -> dict[str, Any]:
    """The notice columns of a newly opened question: its assignees are told at once."""
    if question.assignees:
        return {"notice_at": clock.now(), "notice": {"kind": ASKED}}
    after, kind = _next(question, 0, timedelta(0))
    return {} if after is None else {"notice_at": clock.now() + after, "notice": {"kind": kind}}


def of_reassigned(wait: Wait, newcomers: Sequence[str]) -> dict[str, Any]:
    """The notice columns of a reassigned question: the new assignees are told at once."""
    notice = wait.notice or {}
    if not newcomers:
        return {}
    if notice.get("kind") == ASKED and wait.notice_at is not None:
        if not notice.get("tries"):
            return {}  # not sent yet: the first notice will go to the new assignees, too
        # The first notice is being sent to the former assignees, and may fail.
        return {"notice_at": clock.now(), "notice": {"kind": ASKED}}
    untold = notice.get("to", []) if notice.get("kind") == REASSIGNED else []
    to = list(dict.fromkeys([*untold, *newcomers]))
    changed = {"kind": REASSIGNED, "to": to, "steps": notice.get("steps", 0)}
    return {"notice_at": clock.now(), "notice": changed}


def _next(question: Question, steps: int, open_for: timedelta) -> tuple[timedelta | None, str]:
    """The delay of the next notice after the opening, and its kind."""
    reminder = open_for + question.remind if question.remind else None
    escalation = next(iter(question.escalations()[steps:]), None)
    if escalation is not None and (reminder is None or escalation <= reminder):
        return escalation, ESCALATED
    return reminder, REMINDER


# -- telling ---------------------------------------------------------------------------------------


def tell_due(limit: int = AT_ONCE) -> int:
    """Send the signals of due notices; return how many questions that was."""
    due = list(Wait.objects.to_tell().values_list("pk", flat=True)[:limit])
    return each(_tell, due)


def _tell(pk: UUID) -> int:
    notice = _take(pk)
    if notice is None:
        return 0
    answers = SIGNALS[notice.kind].send_robust(sender=Wait, wait=notice.wait, to=notice.to)
    again = [answer for _, answer in answers if isinstance(answer, timedelta)]
    _settle(notice, max(again, default=None))
    return 1


@in_transaction
def _take(pk: UUID) -> Notice | None:
    """Claim a due notice, unless another worker has; it falls due again ``AGAIN`` later."""
    rows = lock(Wait.objects.to_tell().filter(pk=pk), skip_locked=True)
    wait: Wait | None = rows.annotate(present=clock.now()).first()
    if wait is None:
        return None
    present = clock.parse(wait.present)  # type: ignore[attr-defined]
    notice = wait.notice or {}
    if wait.deadline_at is not None and wait.deadline_at <= present:
        Wait.objects.filter(pk=pk).update(notice_at=None)
        return None
    if notice.get("tries", 0) >= MOST_TRIES:
        logger.error("question %r of %s: nobody could be told", wait.name, wait.root_id)
        Wait.objects.filter(pk=pk).update(**_following(wait, present))
        return None
    until = present + AGAIN
    tried = {**notice, "tries": notice.get("tries", 0) + 1}
    Wait.objects.filter(pk=pk).update(notice_at=until, notice=tried)
    return Notice(wait, notice["kind"], _whom(wait, notice), present, until)


def _whom(wait: Wait, notice: Mapping[str, Any]) -> list[str]:
    question, steps = Question.of(wait), notice.get("steps", 0)
    later = question.escalations()
    told = later[:steps]
    if notice["kind"] == ESCALATED:
        return [spec for after, spec in question.escalate if after == later[steps]]
    if notice["kind"] == REASSIGNED:
        return [spec for spec in notice["to"] if spec in wait.assignees]
    if notice["kind"] == ASKED:
        return list(wait.assignees)
    added = question.added(told[-1]) if told else []
    return list(dict.fromkeys([*wait.assignees, *added])) or list(EVERYBODY)


@in_transaction
def _settle(notice: Notice, again: timedelta | None) -> None:
    """Plan the next notice, unless the question has got another one meanwhile."""
    changes = _following(notice.wait, notice.now)
    if again is not None:
        changes = {"notice_at": clock.now() + min(max(again, timedelta(seconds=1)), LONGEST)}
    Wait.objects.open().filter(pk=notice.wait.pk, notice_at=notice.until).update(**changes)


def _following(wait: Wait, present: datetime) -> dict[str, Any]:
    """The notice columns of a question after its due notice was sent."""
    notice = wait.notice or {}
    steps = notice.get("steps", 0) + (notice.get("kind") == ESCALATED)
    after, kind = _next(Question.of(wait), steps, present - wait.opened_at)
    at = wait.opened_at + after if after is not None else None
    if at is not None and wait.deadline_at is not None and at >= wait.deadline_at:
        at = None
    return {"notice_at": at, "notice": {"kind": kind, "steps": steps}}
