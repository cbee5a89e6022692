"""The page behind a link in a mail: a GET shows the question, a POST answers it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from durable.dashboard.people.input_forms import COMMENT, CommentForm, answer_form, answer_of
from durable.dashboard.people.input_page import facts
from durable.dashboard.shared.base import as_typed, or_404
from durable.errors import AlreadyAnswered, DurableError, InvalidInput, NotAllowed, WaitNotFound
from durable.models import AnswerLink
from durable.people.form import missing
from durable.people.reach import inputs, links, words
from durable.showing.characters import visible, visible_line
from durable.showing.masking import Masking

STYLESHEETS = ("durable/inputs.css", "durable/answer.css")


@require_http_methods(["GET", "HEAD", "POST"])
@csrf_protect
@or_404
def answer(request: HttpRequest, token: str) -> HttpResponse:
    """Ask the recipient of a link, without a login; a POST records the answer.

    404 if this site has not signed the link or has removed it, 410 if the link or its question is
    over, 403 if the recipient may not answer (any more), 409 while this process lacks the form.
    """
    link = links.read(token)
    if link is None:
        raise Http404
    closed = links.closed(link)
    if closed is not None:
        return _page(request, link, "closed.html", closed.status, reason=closed.reason)
    if why := missing(link.wait):
        return _page(request, link, "later.html", 409, reason=visible_line(why))
    if request.method == "POST":
        return _answer(request, link)
    return _ask(request, link)


def _ask(request: HttpRequest, link: AnswerLink, status: int = 200, **context: Any) -> HttpResponse:
    context.setdefault("form", answer_form(link.wait, _masking(link)))
    context.setdefault("comment_form", CommentForm(use_required_attribute=False))
    title, asked = words.title(link.wait), facts(link.recipient, link.wait)
    return _page(request, link, "ask.html", status, title=title, asked=asked, **context)


def _answer(request: HttpRequest, link: AnswerLink) -> HttpResponse:
    value = link.decision or answer_of(link.wait, request.POST)
    comment = as_typed(request.POST.get(COMMENT, ""))
    try:
        with inputs.coming_from(request, "link"):
            wait = links.use(link, value, comment=comment)
    except (AlreadyAnswered, NotAllowed, links.LinkOver) as refusal:
        now = links.read_again(link)
        closed = links.closed(now) or links.Closed(409, visible(refusal))
        return _page(request, now, "closed.html", closed.status, reason=closed.reason)
    except InvalidInput as refusal:
        form = answer_form(link.wait, _masking(link), request.POST, refusal.errors)
        typed = CommentForm(request.POST, use_required_attribute=False)
        refused = _("Not recorded: please look at what is marked below.")
        return _ask(request, link, 422, form=form, comment_form=typed, refused=refused)
    except WaitNotFound:
        raise
    except DurableError as refusal:  # for example a text that can't be stored
        return _ask(request, link, 422, refused=_("Not recorded: %s") % visible(refusal))
    title = words.title(wait)
    return _page(request, link, "done.html", title=title, done=words.done(wait))


def _masking(link: AnswerLink) -> Masking:
    return inputs.masking_for(link.recipient, link.wait)


def _page(
    request: HttpRequest, link: AnswerLink, template: str, status: int = 200, **context: Any
) -> HttpResponse:
    """A page of its own, with headers against caching, framing, indexing and leaking its address.

    The referrer policy is ``same-origin``: with ``no-referrer`` browsers post ``Origin: null``,
    which Django's CSRF protection refuses. The page has no link to another site, so no other site
    gets its address.
    """
    reader = visible_line(link.recipient.get_username())
    context = {"link": link, "reader": reader, "stylesheets": STYLESHEETS, **context}
    response = render(request, f"durable/answer/{template}", context, status=status)
    response.headers["Cache-Control"] = "no-store, private"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = _policy()
    # Django logs the address of each refused request: this address may still open a question
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _policy() -> str:
    own = f"'self' {_origin_of(static(STYLESHEETS[0]))}".strip()
    return (
        f"default-src 'none'; style-src {own}; script-src {own}; img-src {own}; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def _origin_of(address: str) -> str:
    """The origin of the static files if they have a host of their own; empty if they have not."""
    parts = urlsplit(address)
    return f"{parts.scheme or 'https'}://{parts.netloc}" if parts.netloc else ""
