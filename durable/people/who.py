"""People as short texts (users, groups, holders of permissions), and which users they fit."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NoReturn

from django.apps import apps

from durable import codec
from durable.errors import DefinitionError

KINDS = ("user", "group", "perm")


def normalise(who: Any) -> list[str]:
    """People as stored: ``"user:kim"``, ``"group:finance"``, ``"perm:shop.approve"``.

    Takes users, groups and such texts, one or several. ``DefinitionError`` names anything else.
    """
    if who is None:
        return []
    single = _spec(who)
    several = single is None and isinstance(who, Iterable) and not isinstance(who, str | bytes)
    specs = [_spec(one) or _refuse(one) for one in who] if several else [single or _refuse(who)]
    codec.check(specs, "people")
    return list(dict.fromkeys(specs))


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


def matches(user: Any, specs: Iterable[str], groups: Collection[str] | None = None) -> bool:
    """Whether the user is one of the people; nobody inactive ever is.

    A superuser has every permission, but is no other user and in no group that he is not in.
    ``groups`` are the names of the user's groups, if the caller has read them already.
    """
    if not is_active(user):
        return False
    named = by_kind(specs)
    if user.get_username() in named["user"]:
        return True
    if hasattr(user, "has_perm") and any(user.has_perm(name) for name in named["perm"]):
        return True
    if groups is not None:
        return not set(named["group"]).isdisjoint(groups)
    theirs = getattr(user, "groups", None) if named["group"] else None
    return theirs is not None and bool(theirs.filter(name__in=named["group"]).exists())


def is_active(user: Any) -> bool:
    """Whether it is somebody who may act at all: known, and not deactivated."""
    return (
        user is not None
        and bool(getattr(user, "is_authenticated", False))
        and bool(getattr(user, "is_active", False))
    )
