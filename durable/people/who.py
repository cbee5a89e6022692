"""People as short texts (users, groups, holders of permissions), and which users they fit.

The texts are for showing. Whom they meant when they were stored is remembered by id: a new name
takes nobody's duties or exclusions away, and whoever gets a name that is free again inherits none.
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


#: The accounts and groups (by id, as text) that specs meant when they were stored, by spec. What
#: is not in it had nobody's name then, or was stored before ids were: it is taken by its name.
Ids = Mapping[str, Sequence[str]]


class NamedPeople(NamedTuple):
    """People as texts, with the ids of those that were given as rows."""

    specs: list[str]
    ids: dict[str, list[str]]


def normalise(who: Any) -> list[str]:
    """People as stored: ``"user:kim"``, ``"group:finance"``, ``"perm:shop.approve"``.

    Takes users, groups and such texts, one or several. ``DefinitionError`` names anything else.
    """
    return named_people(who).specs


def named_people(who: Any) -> NamedPeople:
    """People as ``normalise`` writes them, with what else is known of them."""
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
    """The names of the users, the groups and the permissions among people."""
    named: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for spec in specs:
        kind, _, name = spec.partition(":")
        named[kind].append(name)
    return named


def ids_of(
    roles: Mapping[str, Sequence[str]], given: Mapping[str, Ids] | None = None
) -> dict[str, dict[str, Sequence[str]]]:
    """Whose the names of each role are now: the column ``Wait.people``.

    ``given`` is what is known already. Names are exact; only who is to be excluded is found in
    any letter case, if nobody has exactly that name.
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
    """Whether the user is one of the people; nobody inactive ever is.

    By id where ``ids`` knows it, else by name (in ``any_case``: where a match takes rights away).
    A superuser has every permission, but is no other user and in no group that he is not in.
    ``groups`` are those of the user (``groups_of``), if the caller has read them already.
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
    """Whether it is somebody who may act at all: known, and not deactivated."""
    return (
        user is not None
        and bool(getattr(user, "is_authenticated", False))
        and bool(getattr(user, "is_active", False))
    )
