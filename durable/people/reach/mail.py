"""Mail the people asked: one mail for each recipient, with personal links.

Setting ``DURABLE["PUBLIC_URL"]`` switches mails on: links need it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.mail import EmailMultiAlternatives
from django.db.models import Q, QuerySet
from django.dispatch import Signal
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse

from durable import conf
from durable.doors import access, workflows
from durable.models import AnswerLink, Wait
from durable.people import notices, who
from durable.people.question import Question
from durable.people.reach import inputs, links, words
from durable.people.reach.links import Made
from durable.showing.characters import visible

logger = logging.getLogger("durable.mail")

AT_ONCE = 200  # recipients of one notice
LATER = timedelta(minutes=5)  # until the next try, if no mail could be sent at all
SUBJECT_CHARACTERS = 150

KINDS = {signal: kind for kind, signal in notices.SIGNALS.items()}


def connect() -> None:
    """Connect ``receive`` to each signal of ``notices``."""
    for signal in KINDS:
        signal.connect(receive, dispatch_uid="durable.people.reach.mail")


def receive(signal: Signal, wait: Wait, to: Sequence[str], **kwargs: Any) -> timedelta | None:
    """Mail the notice of a signal."""
    return tell(KINDS[signal], wait, to)


def tell(kind: str, wait: Wait, to: Sequence[str]) -> timedelta | None:
    """Mail the people named in ``to`` who may answer.

    A mail that fails is logged; the others are still sent. If all fail, or this process lacks the
    workflow, returns the time after which to try again.
    """
    if not conf.get("PUBLIC_URL"):
        return None
    if workflows.lacking(wait):  # only workers with its code know who may answer
        return LATER
    people = list(recipients(wait, to))
    if not people:
        logger.warning("question %r of %s: nobody to mail among %s", wait.name, wait.root_id, to)
        return None
    sent = sum([_sent(kind, wait, person) for person in people])
    return None if sent else LATER


def recipients(wait: Wait, to: Iterable[str]) -> Iterator[Any]:
    """The users to mail: active, with an address, allowed to answer, and without a vote so far."""
    model = get_user_model()
    address = model.get_email_field_name()
    active = _named(model, to, wait.people or {}).filter(
        is_active=True, **{f"{address}__isnull": False}
    )
    found = active.exclude(**{address: ""}).order_by("pk").distinct()
    chosen = list(found[: AT_ONCE + 1])
    if len(chosen) > AT_ONCE:
        logger.warning(
            "question %r of %s is for more than %d people: only so many are mailed",
            wait.name,
            wait.root_id,
            AT_ONCE,
        )
    for person in chosen[:AT_ONCE]:
        if access.may_answer(person, wait) and not access.has_voted(person, wait):
            yield person


def _named(model: type[Any], to: Iterable[str], known: Mapping[str, who.Ids]) -> QuerySet[Any]:
    """Users by id or name, by group, and by a permission of their own or of a group.

    A permission does not select superusers.
    """
    asked = [known.get(role, {}) for role in (who.ASSIGNEES, who.ESCALATE)]
    ids = {spec: [pk for one in asked for pk in one.get(spec, ())] for spec in to}
    specs = who.by_kind(spec for spec in ids if not ids[spec])
    by_id = who.by_kind(f"{spec.partition(':')[0]}:{pk}" for spec in ids for pk in ids[spec])
    wanted = Q(**{f"{model.USERNAME_FIELD}__in": specs["user"]}) | Q(pk__in=by_id["user"])
    fields = {field.name for field in model._meta.get_fields()}
    if "groups" in fields and (specs["group"] or by_id["group"]):
        wanted |= Q(groups__name__in=specs["group"]) | Q(groups__pk__in=by_id["group"])
    for name in specs["perm"]:
        app, _dot, codename = name.partition(".")
        for prefix in ("user_permissions", "groups"):
            if prefix in fields:
                way = prefix if prefix == "user_permissions" else "groups__permissions"
                has = {f"{way}__content_type__app_label": app, f"{way}__codename": codename}
                wanted |= Q(**has)
    rows: QuerySet[Any] = model._default_manager.filter(wanted)
    return rows


# -- one mail --------------------------------------------------------------------------------------


def _sent(kind: str, wait: Wait, person: Any) -> bool:
    """Mail one person; if that fails, delete their links and return False."""
    made: list[Made] = []
    try:
        made = links.make(wait, person)
        _message(kind, wait, person, made).send()
    except Exception:  # from templates or from the mail backend
        logger.exception(
            "no mail to %s about %r of %s", person.get_username(), wait.name, wait.root_id
        )
        AnswerLink.objects.filter(pk__in=[one.link for one in made]).delete()
        return False
    return True


def _message(kind: str, wait: Wait, person: Any, made: Sequence[Made]) -> EmailMultiAlternatives:
    prompt = Question.of(wait).prompt or wait.name
    context = {
        "kind": kind,
        "wait": wait,
        "person": person,
        "title": words.title(wait),
        "prompt": visible(inputs.masking_for(person, wait).text(prompt)),
        "workflow": visible(wait.execution.workflow),
        "links": {one.decision or "answer": answer_url(one.token) for one in made},
        "until": made[0].until,
        "page": page_url(wait) if getattr(person, "is_staff", False) else "",
    }
    subject = " ".join(render_to_string("durable/mail/subject.txt", context).split())
    if len(subject) > SUBJECT_CHARACTERS:
        subject = f"{subject[: SUBJECT_CHARACTERS - 1]}…"
    text = re.sub(r"\n{3,}", "\n\n", render_to_string("durable/mail/notice.txt", context)).strip()
    address = getattr(person, person.get_email_field_name())
    mail = EmailMultiAlternatives(
        subject, f"{text}\n", to=[address], headers={"Auto-Submitted": "auto-generated"}
    )
    mail.attach_alternative(render_to_string("durable/mail/notice.html", context), "text/html")
    return mail


def answer_url(token: str) -> str:
    """The public address of a link."""
    return public(reverse("durable:answer", args=[token]))


def page_url(wait: Wait) -> str:
    """The public address of the question's page in the admin, if there is one."""
    try:
        return public(reverse("admin:durable_input_change", args=[wait.pk]))
    except NoReverseMatch:
        return ""


def public(path: str) -> str:
    """The public URL of a path of this site."""
    return f"{str(conf.get('PUBLIC_URL')).rstrip('/')}{path}"
