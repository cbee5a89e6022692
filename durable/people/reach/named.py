"""Check the people named in a reassignment: they must exist, and may be named."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.utils.translation import gettext as _

from durable.doors import access
from durable.errors import DefinitionError, NotAllowed
from durable.models import Wait
from durable.people import who
from durable.people.question import Question


def refuse_wrong(wait: Wait, specs: Iterable[str], *, by: Any) -> None:
    """``DefinitionError`` for people unknown to ``by``, ``NotAllowed`` for excluded ones.

    A user who may not answer can't reassign the question to themselves either, by name, group or
    permission: that takes ``durable.approve``.
    """
    specs = list(specs)
    for spec in specs:
        found = _found(spec)
        if found is None or not access.agrees(by, "reassign_to", found):
            raise DefinitionError(_("There is no %(who)s.") % {"who": spec})
        if excludes(wait, spec):
            raise NotAllowed(_("%(who)s is excluded from this question.") % {"who": spec})
    if not may_take(wait, specs, by=by):
        raise NotAllowed(
            _("who may not answer a question may not take it over: it takes %(permission)s")
            % {"permission": access.PERMISSIONS["answer"]}
        )


def may_take(wait: Wait, specs: Iterable[str], *, by: Any) -> bool:
    """Whether the reassignment to ``specs`` gives ``by`` no new right to answer."""
    may = by.has_perm(access.PERMISSIONS["answer"]) or access.may_answer(by, wait)
    return may or not who.matches(by, specs)


def excludes(wait: Wait, spec: str) -> bool:
    """Whether the question excludes these people; groups are compared by name."""
    found = _found(spec) if spec.startswith("user:") else None
    return spec in wait.exclude if found is None else Question.of(wait).excludes(found)


def users(by: Any) -> list[Any]:
    """The active users that the policies let ``by`` name, in order of name."""
    model = get_user_model()
    rows = model._default_manager.filter(is_active=True).order_by(model.USERNAME_FIELD)
    return [user for user in rows[:MOST] if access.agrees(by, "reassign_to", user)]


def groups(by: Any) -> list[str]:
    """The names of the groups that the policies let ``by`` name."""
    rows = Group.objects.order_by("name")[:MOST]
    return [group.name for group in rows if access.agrees(by, "reassign_to", group)]


#: users or groups read for a list
MOST = 2_000


def _found(spec: str) -> Any:
    """The user, the group or the permission; ``None`` if there is none."""
    kind, _colon, name = spec.partition(":")
    model = get_user_model()
    if kind == "user":
        named = {model.USERNAME_FIELD: name, "is_active": True}
        return model._default_manager.filter(**named).first()
    if kind == "group":
        return Group.objects.filter(name=name).first()
    app, _dot, codename = name.partition(".")
    return Permission.objects.filter(content_type__app_label=app, codename=codename).first()
