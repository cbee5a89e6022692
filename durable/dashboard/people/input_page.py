"""The content of one question's page: prompt, assignees, answer, votes and history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.apps import apps
from django.core.exceptions import ValidationError
from django.urls import NoReverseMatch, reverse
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from durable import clock
from durable.authoring.self.decision import APPROVED, REJECTED
from durable.conf import database
from durable.dashboard.shared.shown import VALUE_CHARACTERS, cut
from durable.doors import access
from durable.models import AnswerLink, AuditEntry, Execution, Wait
from durable.people.form import missing
from durable.people.question import Question
from durable.people.reach import inputs, words
from durable.showing import values
from durable.showing.characters import visible, visible_line
from durable.showing.masking import Masking
from durable.states import WaitStatus

MOST_ENTRIES = 200  # entries of a history, of each kind


@dataclass(frozen=True)
class Entry:
    """One line of a question's history."""

    at: datetime
    who: str
    what: str
    comment: str = ""
    origin: str = ""


@dataclass(frozen=True)
class QuestionFacts:
    """The parts of a question that a person needs to answer; of the execution only its subject."""

    prompt: str
    metadata: list[tuple[str, str]]
    workflow: str
    subject: str
    overdue: bool


@dataclass(frozen=True)
class QuestionPage:
    """A question as this user may see it."""

    wait: Wait
    asked: QuestionFacts
    title: str
    execution_url: str  # empty if the user may not see the execution
    data: str  # the execution's data; empty likewise
    assignees: list[str]
    exclude: list[str]
    later: list[tuple[datetime, list[str]]]  # escalations to come, with the assignees they add
    quorum: int
    outcome: str
    answer: str
    comment: str
    votes: list[Entry]
    why_not: str
    form_missing: str  # why this process can't show the form; empty if it can
    may_reassign: bool
    history: list[Entry] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether the question has no outcome yet."""
        return self.wait.status == WaitStatus.OPEN

    @property
    def may_answer(self) -> bool:
        """Whether this user can answer it now."""
        return self.is_open and not self.why_not

    @property
    def is_approval(self) -> bool:
        """Whether the answer is one of two buttons."""
        return Question.of(self.wait).is_approval


def facts(user: Any, wait: Wait) -> QuestionFacts:
    """The question's prompt, metadata and subject; secrets masked unless the user may see them."""
    question = Question.of(wait)
    root = Execution.objects.defer(*access.LARGE).filter(pk=wait.root_id).first()
    masking = inputs.masking_for(user, wait)
    known = masking.value(question.metadata)
    return QuestionFacts(
        prompt=visible(masking.text(question.prompt)),
        metadata=[(visible(name), shown(value)) for name, value in known.items()],
        workflow=visible(wait.execution.workflow),
        subject=subjects([root] if root is not None else [], user).get(wait.root_id, ""),
        overdue=words.is_overdue(wait, clock.read(database())),
    )


def page_of(user: Any, wait: Wait) -> QuestionPage:
    """The question, with everything that this user may see of it."""
    now = clock.read(database())
    question = Question.of(wait)
    root = Execution.objects.filter(pk=wait.root_id).first()
    sees, masking = access.sees(user, wait.root_id), inputs.masking_for(user, wait)
    data = root.data if root is not None and sees else None
    added = question.added(now - wait.opened_at)
    return QuestionPage(
        wait=wait,
        asked=facts(user, wait),
        title=Truncator(words.title(wait)).chars(140),
        execution_url=execution_url(wait.root_id) if sees else "",
        data="" if data is None else shown(masking.value(data)),
        assignees=words.people_in_words([*wait.assignees, *added]),
        exclude=words.people_in_words(wait.exclude),
        later=later(question, wait.opened_at, now),
        quorum=question.quorum,
        outcome=words.outcome(wait),
        answer=_answer(wait, masking),
        comment=visible(masking.text(wait.comment)),
        votes=[_vote(vote, masking) for vote in wait.votes or ()],
        why_not=_why_not(user, wait),
        form_missing=visible_line(missing(wait)),
        may_reassign=inputs.may_reassign(user, wait),
        history=history(wait, masking, origins=access.may(user, "view_audit")),
    )


def _why_not(user: Any, wait: Wait) -> str:
    if wait.status != WaitStatus.OPEN:
        return ""
    if access.has_voted(user, wait):
        return _("you have approved it already")
    return visible_line(access.why_not(user, wait) or "")


def _answer(wait: Wait, masking: Masking) -> str:
    """The answer as a text; empty for an approval, whose answer is its outcome."""
    if wait.status != WaitStatus.ANSWERED or Question.of(wait).is_approval:
        return ""
    return shown(masking.answer(wait.name, wait.answer))


def later(
    question: Question, opened_at: datetime, now: datetime
) -> list[tuple[datetime, list[str]]]:
    """The coming escalations: the time of each, and the assignees it adds."""
    coming = [after for after in question.escalations() if opened_at + after > now]
    return [
        (
            opened_at + after,
            words.people_in_words(one for at, one in question.escalate if at == after),
        )
        for after in coming
    ]


def shown(value: Any) -> str:
    """A value for people: a text as it is, anything else as JSON; cut at ``VALUE_CHARACTERS``."""
    text = value if isinstance(value, str) else values.block(value)
    return cut(visible(text), VALUE_CHARACTERS)


# -- its execution ---------------------------------------------------------------------------------


def execution_url(pk: UUID) -> str:
    """The address of the execution's page in the admin; empty if it has none."""
    try:
        return reverse("admin:durable_execution_change", args=[pk])
    except NoReverseMatch:
        return ""


def subjects(executions: Iterable[Execution], user: Any) -> dict[UUID, str]:
    """The subjects of executions, by execution id: one query for each model.

    Users who may see rows of the model read the row's ``str()``; others read model and key.
    """
    by_model: dict[str, dict[UUID, str]] = {}
    for execution in executions:
        if execution.subject_type:
            by_model.setdefault(execution.subject_type, {})[execution.pk] = execution.subject_id
    found: dict[UUID, str] = {}
    for label, ids in by_model.items():
        try:
            model: Any = apps.get_model(label)
        except LookupError:
            model = None
        try:
            shown = model is not None and access.sees_rows(user, model)
            rows = {} if not shown else model._base_manager.in_bulk(set(ids.values()))
        except (ValueError, TypeError, ValidationError):  # stored keys that no longer fit the model
            rows = {}
        texts = {str(pk): str(row) for pk, row in rows.items()}
        for pk, subject_id in ids.items():
            found[pk] = visible(texts.get(subject_id, f"{label} {subject_id}"))
    return found


# -- its history -----------------------------------------------------------------------------------


def history(wait: Wait, masking: Masking, *, origins: bool) -> list[Entry]:
    """The history of a question, the oldest first: asked, mailed, answered, reassigned, ended."""
    entries = [Entry(wait.opened_at, "", _("asked"))]
    mails = AnswerLink.objects.filter(wait=wait).prefetch_related("recipient")
    seen: set[tuple[Any, Any]] = set()
    for link in mails.order_by("created_at", "id")[:MOST_ENTRIES]:
        if link.recipient is not None and (link.recipient_id, link.created_at) not in seen:
            seen.add((link.recipient_id, link.created_at))
            who = visible_line(link.recipient.get_username())
            entries.append(Entry(link.created_at, "", _("mailed to %s") % who))
    rows = AuditEntry.objects.filter(execution_id=wait.root_id, wait_id=wait.pk)
    for row in rows.order_by("at", "id")[:MOST_ENTRIES]:
        entries.append(_entry(wait, row, masking, origins=origins))
    if wait.status in (WaitStatus.TIMED_OUT, WaitStatus.CANCELLED) and wait.resolved_at:
        ended = _("its time was over") if wait.status == WaitStatus.TIMED_OUT else _("cancelled")
        entries.append(Entry(wait.resolved_at, "", ended))
    return sorted(entries, key=lambda entry: entry.at)


def _entry(wait: Wait, row: AuditEntry, masking: Masking, *, origins: bool) -> Entry:
    after: Any = row.after or {}
    comment = ""
    if row.action == "reassign":
        before, to = (
            ", ".join(words.people_in_words(who or [])) for who in (row.before, row.after)
        )
        what = _("reassigned from %(before)s to %(to)s") % {
            "before": before or _("everybody"),
            "to": to,
        }
    elif row.action == "provide_input":
        answer = after.get("answer")
        what = (
            _said(answer)
            if Question.of(wait).is_approval
            else _("answered: %s") % _line(masking.answer(wait.name, answer))
        )
        comment = visible(masking.text(after.get("comment") or ""))
    else:
        what = row.action.replace("_", " ")
    who = visible_line(row.actor_name) or _("the program")
    origin = visible_line(row.origin) if origins else ""
    return Entry(row.at, who, visible(what), comment, origin)


def _vote(vote: Mapping[str, Any], masking: Masking) -> Entry:
    who = visible_line(vote["by"]) or _("the program")
    comment = visible(masking.text(vote["comment"]))
    return Entry(vote["at"], who, _said(vote["decision"]), comment)


def _said(answer: Any) -> str:
    return {APPROVED: _("approved"), REJECTED: _("rejected")}.get(answer, visible_line(answer))


def _line(value: Any) -> str:
    text = value if isinstance(value, str) else values.line(value)
    return cut(text, 300)
