"""Approve or reject one or many questions: a page with a comment, then the result of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from durable.authoring.self.decision import APPROVED
from durable.dashboard.people.input_forms import COMMENT, CommentForm
from durable.dashboard.shared.base import as_typed
from durable.doors import access
from durable.errors import AlreadyAnswered, DurableError, NotAllowed
from durable.models import Input, Wait
from durable.people.question import Question
from durable.people.reach import inputs, words
from durable.showing.characters import visible, visible_line
from durable.states import WaitStatus

AT_ONCE = 200  # decisions in one request


class AdminPages(Protocol):
    """The admin of inputs, as far as these pages need it."""

    def address(self, name: str, *args: Any) -> str:
        """The URL of one of its pages."""

    def render(
        self, request: HttpRequest, template: str, status: int = 200, **context: Any
    ) -> HttpResponse:
        """A page in the frame of the admin."""


@dataclass(frozen=True)
class Row:
    """One of the chosen questions, and the message about it."""

    wait: Wait
    title: str
    told: str = ""  # why it can't be decided, or the result
    status: int = 200


def chosen(values: QueryDict) -> list[UUID]:
    """The valid ids in a query or a posted form, each once."""
    found: list[UUID] = []
    for text in values.getlist("id"):
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return list(dict.fromkeys(found))


def confirm(
    page: AdminPages, request: HttpRequest, decision: str, rows: Iterable[Wait]
) -> HttpResponse:
    """Ask for confirmation and a comment before the decision."""
    seen = _seen(request, rows)
    told = [Row(wait, words.title(wait), _obstacle(request.user, wait)) for wait in seen]
    ready = [row for row in told if not row.told]
    return page.render(
        request,
        "decide.html",
        title=_title(decision, len(ready) or len(told)),
        decision=decision,
        rows=told,
        ready=ready,
        comment_form=CommentForm(use_required_attribute=False),
        action=page.address("decide", decision),
        back=page.address("changelist"),
    )


def decide(page: AdminPages, request: HttpRequest, decision: str) -> HttpResponse:
    """Decide on each question in a transaction of its own; show the result of each."""
    ids = chosen(request.POST)
    rows = Input.objects.filter(pk__in=ids).questions().select_related("execution")
    waits = sorted(_seen(request, rows), key=lambda wait: ids.index(wait.pk))
    comment = as_typed(request.POST.get(COMMENT, ""))
    told = [_decide(request, wait, decision, comment) for wait in waits[:AT_ONCE]]
    worked = sum(row.status == 200 for row in told)
    if len(told) == worked == 1:
        messages.success(request, f"{told[0].title}: {told[0].told}")
        return HttpResponseRedirect(page.address("changelist"))
    return page.render(
        request,
        "decided.html",
        200 if worked else max(row.status for row in told),
        title=_summary(worked, len(told)),
        rows=told,
        left_out=max(0, len(waits) - AT_ONCE),
        back=page.address("changelist"),
    )


def _seen(request: HttpRequest, rows: Iterable[Wait]) -> list[Wait]:
    seen = [wait for wait in rows if inputs.seen_by(request.user, wait)]
    if not seen:
        raise Http404
    return seen


def _decide(request: HttpRequest, wait: Wait, decision: str, comment: str) -> Row:
    title = words.title(wait)
    if not Question.of(wait).is_approval:
        return Row(wait, title, _obstacle(request.user, wait), 422)
    try:
        with inputs.coming_from(request, "admin"):
            answered = inputs.answer(wait.pk, decision, by=request.user, comment=comment)
    except AlreadyAnswered as refusal:
        ended = words.outcome(Wait.objects.get(pk=wait.pk))
        return Row(wait, title, _("already %s") % ended if ended else visible(refusal), 409)
    except NotAllowed as refusal:
        return Row(wait, title, visible(refusal), 403)
    except DurableError as refusal:
        return Row(wait, title, visible(refusal), 422)
    return Row(wait, title, words.done(answered))


def _obstacle(user: Any, wait: Wait) -> str:
    """Why the user can't decide on this question; empty if they can."""
    if wait.status != WaitStatus.OPEN:
        return _("already %s") % words.outcome(wait)
    if not Question.of(wait).is_approval:
        return _("this is no approval: open it to answer it")
    if access.has_voted(user, wait):
        return _("you have approved it already")
    reason = access.why_not(user, wait)
    return (
        _("you may not answer this: %(reason)s") % {"reason": visible_line(reason)}
        if reason
        else ""
    )


def _title(decision: str, count: int) -> str:
    if decision == APPROVED:
        return ngettext("Approve %d input", "Approve %d inputs", count) % count
    return ngettext("Reject %d input", "Reject %d inputs", count) % count


def _summary(worked: int, count: int) -> str:
    return _("%(worked)s of %(count)s recorded") % {"worked": worked, "count": count}
