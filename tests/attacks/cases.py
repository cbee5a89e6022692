"""What the attacks share: a deed at a door, what it has changed, and its undoing."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command
from django.db import models, transaction

from durable.models import IgnoredWebhooks
from tests.cases import WorkflowTestCase
from tests.doors.admin.site import browser, page
from tests.doors.rest.cases import Api


class Attack(NamedTuple):
    """One deed that a user tries at one door."""

    door: str
    name: str
    call: Callable[[User], Any]


def rest(name: str, path: Any, body: Any) -> Attack:
    """A POST to the REST door."""
    return Attack("rest", name, lambda user: Api(user).post(str(path), body))


def admin(name: str, where: str, /, *args: Any, **data: Any) -> Attack:
    """A POST to a page of the admin."""
    return Attack("admin", name, lambda user: browser(user).post(page(where, *args), data))


def command(name: str, *args: Any) -> Attack:
    """A command with ``--by``; its refusal is an answer."""

    def call(user: User) -> str:
        out = io.StringIO()
        texts = (*map(str, args), "--by", user.get_username())
        with suppress(CommandError):
            call_command(f"durable_{name}", *texts, stdout=out, stderr=io.StringIO())
        return out.getvalue()

    return Attack("command", " ".join(map(str, (name, *args))), call)


def attacker(name: str, *more: str, groups: tuple[str, ...] = ()) -> User:
    """Staff with every permission of the app, and ``more`` (``app.codename``)."""
    user: User = User.objects.create_user(name, f"{name}@example.com", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="durable"))
    for one in more:
        app, _, codename = one.partition(".")
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label=app, codename=codename)
        )
    user.groups.set([Group.objects.get_or_create(name=group)[0] for group in groups])
    return user


def stored() -> dict[str, list[Any]]:
    """Every value of every table of the app."""
    found: dict[str, list[Any]] = {}
    for model in apps.get_app_config("durable").get_models():
        if model is IgnoredWebhooks:
            continue
        manager: models.Manager[Any] = model._base_manager
        found[model.__name__] = list(manager.order_by("pk").values())
    return found


class Undone(Exception):
    """Ends a block whose writes are rolled back."""


@contextmanager
def undone() -> Iterator[None]:
    """Within, what is written is rolled back at the end."""
    with suppress(Undone), transaction.atomic():
        yield
        raise Undone


class AttackCase(WorkflowTestCase):
    """Tables of attacks, each tried for itself."""

    def assertRefused(self, attacks: list[Attack], user: User) -> None:
        """Not one of them changes anything."""
        before = stored()
        for attack in attacks:
            with self.subTest(door=attack.door, attack=attack.name), undone():
                attack.call(user)
                self.assertTrue(stored() == before, "it has changed something")

    def assertDone(self, attacks: list[Attack], user: User) -> None:
        """Each of them changes something: the deeds are real ones."""
        before = stored()
        for attack in attacks:
            with self.subTest(door=attack.door, attack=attack.name), undone():
                answer = attack.call(user)
                said = getattr(answer, "content", b"")[:300]
                self.assertTrue(stored() != before, said)
