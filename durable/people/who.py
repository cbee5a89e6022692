"""Specs of people (``user:kim``, ``group:finance``, ``perm:…``), and which users match them.

A spec is a text to show. The ids of its users and groups are stored beside it: a renamed user
keeps all duties and exclusions, and a user who later gets a freed name inherits none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from django.apps import apps

from durable import codec
from durable.errors import DefinitionError

KINDS = ("user", "group", "perm")

#: The roles that people have in a question.
ASSIGNEES, EXCLUDE, ESCALATE = "assignees", "exclude", "escalate"


#: The ids (as text) of the accounts and groups that each spec meant when it was stored. A spec not
#: in it matched nobody then, or was stored before ids were; it is matched by name.
Ids = Mapping[str, Sequence[str]]


class NamedPeople(NamedTuple):
    """People as specs, with the ids of those given as users or groups."""

    specs: list[str]
    ids: dict[str, list[str]]


def normalise(who: Any) -> list[str]:
    """People as stored specs: ``"user:kim"``, ``"group:finance"``, ``"perm:shop.approve"``.

    Takes users, groups and specs, one or several; ``DefinitionError`` names anything else.
    """
    return named_people(who).specs


def named_people(who: Any) -> NamedPeople:
    """Specs as ``normalise`` writes them, with the ids of the given users and groups."""
    if who is None:
        return NamedPeople([], {})
    single = _spec(who)
    several = single is None and isinstance(who, Iterable) and not isinstance(who, str | bytes)
    each = list(who) if several else [who]
    specs = [_spec(one) or _refuse(one) for one in each]
    codec.check(specs, "people")
    rows = [(spec, getattr(one, "pk", None)) for spec, one in zip(specs, each, strict=True)]
    ids = {spec: [str(pk)] for spec, pk in rows if pk is not None}
    return NamedPeople(list(dict.fromkeys(specs)), ids)


def _spec(who: Any) -> str | None:
    if isinstance(who, str):
        kind, _, name = str.__str__(who).partition(":")
        app, _, codename = name.partition(".")
        known = kind in KINDS and name and (kind != "perm" or (app and codename))
        return f"{kind}:{name}" if known else None
    if apps.is_installed("django.contrib.auth"):
        from django.contrib.auth.base_user import AbstractBaseUser
        from django.contrib.auth.models import Group

        if isinstance(who, Group):
            return f"group:{who.name}"
        if isinstance(who, AbstractBaseUser) and who.get_username():
            return f"user:{who.get_username()}"
    return None


def _refuse(who: Any) -> NoReturn:
    shown = repr(str.__str__(who)) if isinstance(who, str) else f"a {type(who).__name__}"
    raise DefinitionError(
        f"{shown} names nobody; people are users, groups, "
        '"user:<username>", "group:<name>" or "perm:<app>.<codename>"'
    )


def by_kind(specs: Iterable[str]) -> dict[str, list[str]]:
    """The names of users, groups and permissions among the specs, by kind."""
    named: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for spec in specs:
        kind, _, name = spec.partition(":")
        named[kind].append(name)
    return named


def ids_of(
    roles: Mapping[str, Sequence[str]], given: Mapping[str, Ids] | None = None
) -> dict[str, dict[str, Sequence[str]]]:
    """The ids of the people named in each role: the column ``Wait.people``.

    ``given`` are the ids already known. Names match exactly; but an excluded name that nobody has
    exactly matches in any letter case.
    """
    found = {role: dict((given or {}).get(role, {})) for role in roles}
    if apps.is_installed("django.contrib.auth"):
        left = {role: [one for one in roles[role] if one not in found[role]] for role in roles}
        exact = _ids([spec for specs in left.values() for spec in specs], "in")
        for role, specs in left.items():
            found[role] |= {spec: exact[spec] for spec in specs if spec in exact}
        nobodys = [spec for spec in left.get(EXCLUDE, ()) if spec not in exact]
        found.get(EXCLUDE, {}).update(_ids(nobodys, "iexact"))
    return {role: ids for role, ids in found.items() if ids}


def _ids(specs: Iterable[str], lookup: str) -> dict[str, list[str]]:
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Group

    model, wanted = get_user_model(), by_kind(specs)
    found: dict[str, list[str]] = {}
    for kind, rows, column in (
        ("user", model._base_manager.all(), model.USERNAME_FIELD),
        ("group", Group.objects.all(), "name"),
    ):
        names = list(dict.fromkeys(wanted[kind]))
        for asked in [names] * bool(names) if lookup == "in" else names:
            for pk, name in rows.filter(**{f"{column}__{lookup}": asked}).values_list("pk", column):
                same = [one for one in names if one == name] or [
                    one for one in names if one.casefold() == str(name).casefold()
                ]
                for one in same:
                    found.setdefault(f"{kind}:{one}", []).append(str(pk))
    return found


def matches(
    user: Any,
    specs: Iterable[str],
    groups: Mapping[str, str] | None = None,
    ids: Ids | None = None,
    *,
    any_case: bool = False,
) -> bool:
    """Whether the user is one of the people; an inactive user never is.

    Matches by id where ``ids`` has the spec, else by name; ``any_case`` ignores letter case, for
    matches that take rights away. A superuser has every permission, but is no other user and in no
    group without being a member. ``groups`` are the user's (``groups_of``), if already read.
    """
    if not is_active(user):
        return False
    people, known = list(specs), ids or {}
    by_id = by_kind(
        f"{spec.partition(':')[0]}:{pk}" for spec in people for pk in known.get(spec, ())
    )
    named = by_kind(spec for spec in people if spec not in known)
    fold = str.casefold if any_case else str
    if str(getattr(user, "pk", None)) in by_id["user"]:
        return True
    if fold(user.get_username()) in map(fold, named["user"]):
        return True
    if hasattr(user, "has_perm") and any(user.has_perm(name) for name in named["perm"]):
        return True
    if not by_id["group"] and not named["group"]:
        return False
    theirs = groups_of(user) if groups is None else groups
    return not theirs.keys().isdisjoint(by_id["group"]) or not set(
        map(fold, theirs.values())
    ).isdisjoint(map(fold, named["group"]))


def groups_of(user: Any) -> dict[str, str]:
    """The groups of a user: their names by their ids."""
    rows = user.groups.values_list("pk", "name") if hasattr(user, "groups") else ()
    return {str(pk): name for pk, name in rows}


def is_active(user: Any) -> bool:
    """Whether the user may act at all: authenticated, and not deactivated."""
    return (
        user is not None
        and bool(getattr(user, "is_authenticated", False))
        and bool(getattr(user, "is_active", False))
    )
