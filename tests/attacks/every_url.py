"""The world that every URL is asked for in: its people, what there is of their tenant, its URLs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import URLPattern, get_resolver

from durable import Data, Fail, Workflow, WorkflowMeta, step
from durable.engine.operators import control, queues
from durable.models import Worker
from durable.people.reach import links
from durable.testing import run
from tests.attacks.cases import attacker
from tests.attacks.url_table import BODIES, METHODS, NOT_THERE, ROLES, TABLE
from tests.doors.admin.site import VIEW, OwnTenant, browser, world

#: What Django's permissions each role has, as ``docs/how-to/use-the-admin.md`` names the first
#: three; operators here send events and reassign questions, too.
PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    "nobody": (),
    "viewer": tuple(f"view_{name}" for name in VIEW),
    "approver": ("view_execution", "approve"),
    "operator": (
        *(f"view_{name}" for name in VIEW),
        *("view_payload", "add_execution", "change_execution", "cancel", "retry"),
        *("manage_schedules", "change_queue", "send_event", "change_wait"),
    ),
}


class Tenants(OwnTenant):
    """``OwnTenant``; the workers are those of ``umbrella``."""

    def allows(self, user: Any, action: str, target: Any) -> bool:
        if isinstance(target, Worker):
            return bool(user.last_name == "umbrella")
        return super().allows(user, action, target)


SETTINGS: dict[str, Any] = {
    "API_PERMISSIONS": ["tests.attacks.every_url.Tenants"],
    "WEBHOOKS": {"shop": {"scheme": "hmac", "secrets": ["s" * 16], "event": "type"}},
}


def undo() -> type[Workflow]:
    """A workflow that fails, and can be compensated by hand."""

    class Undo(Workflow):
        class Meta(WorkflowMeta):
            on_failure = "hold"

        @step
        def book(self, data: Data) -> Data:
            return data

        @book.compensate
        def cancel(self, data: Data) -> None:
            pass

        @step
        def burst(self, data: Data) -> Data:
            raise Fail("it broke")

    return Undo


def people() -> dict[str, User]:
    """One of each role, and whoever gets what another role gets."""
    found: dict[str, User] = {}
    for role, codenames in PERMISSIONS.items():
        found[role] = User.objects.create_user(f"umbrella-{role}", is_staff=True)
        found[role].user_permissions.set(
            Permission.objects.filter(content_type__app_label="durable", codename__in=codenames)
        )
    found["customer"] = User.objects.create_user("umbrella-customer")
    for role in ("superuser", "inactive"):
        found[role] = User.objects.create_superuser(f"umbrella-{role}")
    User.objects.filter(pk__in=[user.pk for user in found.values()]).update(last_name="umbrella")
    found["stranger"] = attacker("stranger")
    User.objects.filter(pk=found["stranger"].pk).update(last_name="other")
    return found


def sessions(users: Mapping[str, User]) -> dict[str, Any]:
    """The cookies of a browser in which each of them is logged in."""
    found = {role: browser(user).cookies for role, user in users.items()}
    User.objects.filter(pk=users["inactive"].pk).update(is_active=False)
    return found


def rows(approver: User) -> dict[str, str]:
    """One of everything, of the tenant ``umbrella``: what the words in braces are."""
    w, tags = world(), {"tenant": "umbrella"}
    queues.pause_queue("umbrella-held", by=None)
    paused = run("ship", {"parcels": []}, tags=tags)
    control.pause(paused.pk, by=None)
    approve, reject = links.make(w.wait, approver)
    return {
        "waiting": str(w.waiting.pk),
        "paused": str(paused.pk),
        "failed": str(run(undo(), {}, tags=tags).pk),
        "attempt": str(w.attempt.pk),
        "wait": str(w.wait.pk),
        "schedule": str(w.schedule.pk),
        "worker": str(w.worker.pk),
        "event": str(w.event.pk),
        "entry": str(w.entry.pk),
        "approve": approve.token,
        "reject": reject.token,
    }


class Row(NamedTuple):
    """One URL (with the name of a body), and by method the status of each of ``ROLES``."""

    name: str
    statuses: Mapping[str, tuple[str, ...]]
    body: Mapping[str, Any]

    def expected(self, method: str, role: str) -> str:
        """The status that a role gets; HEAD is answered as GET."""
        asked = "GET" if method == "HEAD" else method
        missing = NOT_THERE["rest" if self.is_rest else "elsewhere"]
        return self.statuses.get(asked, missing)[ROLES.index(role)]

    @property
    def url(self) -> str:
        """The URL that is asked for."""
        return self.name.partition("@")[0]

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that are tried."""
        return tuple(self.statuses) if "@" in self.name else METHODS

    @property
    def is_rest(self) -> bool:
        """Whether it is a view of REST's that asks who is there."""
        return self.url.startswith("/durable/") and not self.url.startswith(
            ("/durable/answer/", "/durable/webhooks/")
        )

    def ask(self, client: Client, method: str) -> Any:
        """The answer to this method, with the body that it takes."""
        is_json, has_body = self.is_rest, method not in ("GET", "HEAD", "OPTIONS")
        text = json.dumps(self.body) if is_json else urlencode(self.body, doseq=True)
        kind = "application/json" if is_json else "application/x-www-form-urlencoded"
        return client.generic(method, self.url, text if has_body else "", content_type=kind)


def table(named: Mapping[str, str]) -> list[Row]:
    """The table, with the rows of the world in its URLs and bodies."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for line in filter(None, (line.partition("#")[0].split() for line in TABLE.splitlines())):
        method, url, *statuses = line
        assert method in METHODS, line
        assert len(statuses) == len(ROLES), line
        assert method not in found.setdefault(url, {}), line
        found[url][method] = tuple(statuses)
    unknown = set(BODIES) - set(found)
    assert not unknown, unknown
    return [
        Row(
            url.format_map(named),
            statuses,
            {
                key: value.format_map(named) if isinstance(value, str) else value
                for key, value in BODIES.get(url, {}).items()
            },
        )
        for url, statuses in found.items()
    ]


def status_of(answer: Any) -> str:
    """The status, or ``login``."""
    redirected = answer.status_code == 302 and answer["Location"].startswith("/admin/login/")
    return "login" if redirected else str(answer.status_code)


def routes() -> set[str]:
    """The route of every URL of the app: its pages in the admin, and what a project mounts."""
    ours = ("admin/durable/", "durable/")
    return {route for route in _below(get_resolver().url_patterns, "") if route.startswith(ours)}


def _below(patterns: Iterable[Any], prefix: str) -> Iterator[str]:
    for one in patterns:
        route = prefix + str(one.pattern)
        if isinstance(one, URLPattern):
            yield route
        else:
            yield from _below(one.url_patterns, route)
