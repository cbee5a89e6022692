"""The doors as calls of the matrix: REST, webhooks, answer links, pages and forms of the admin."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.test import Client, override_settings
from django.urls import reverse

import durable
from durable.models import Wait
from durable.people.reach import links
from durable.testing import drain
from tests.concurrency import matrix
from tests.concurrency.matrix import World

SECRET = "plain-secret"
SETTINGS = {
    "PUBLIC_URL": "https://example.com",
    "WEBHOOKS": {
        "plain": {"scheme": "hmac", "secrets": [SECRET], "event": "literal:go", "key": "order"}
    },
}

#: with which a door may refuse because of the state of things: REST and webhooks; pages; links
REFUSALS = {"rest": {404, 409, 429}, "admin": {404, 409}, "link": {404, 409, 410}}


class Refusal(durable.DurableError):
    """A door has refused, with a status that its documentation names."""


class Visitor:
    """The superuser who comes in by all doors."""

    user: User
    session = ""

    @classmethod
    def arrives(cls) -> Any:
        """Log in once; within the context that is returned, the doors have their settings."""
        cls.user = User.objects.create_superuser("boss", "boss@example.com")
        cls.user.groups.add(Group.objects.create(name="x"))
        client = Client()
        client.force_login(cls.user)
        cls.session = client.cookies[settings.SESSION_COOKIE_NAME].value
        return override_settings(DURABLE=SETTINGS)

    @classmethod
    def client(cls) -> Client:
        """A browser of its own for each request: calls and acts are in different threads."""
        found = Client()
        found.cookies[settings.SESSION_COOKIE_NAME] = cls.session
        return found


def _judged(door: str, response: Any) -> Any:
    """The response; ``Refusal``, or ``AssertionError`` for a status that means a mistake."""
    status = response.status_code
    if status in REFUSALS[door]:
        raise Refusal(f"{status}: {response.content.decode()[:2000]}")
    assert status < 400, f"{status}: {response.content.decode()[:2000]}"
    return response


def get(path: str, **query: Any) -> Any:
    """Look at something by REST."""
    return _judged("rest", Visitor.client().get(f"/durable/{path}", query))


def post(path: str, body: Any = None, **headers: str) -> Any:
    """Do something by REST."""
    text = json.dumps({} if body is None else body)
    path = f"/durable/{path}"
    return _judged(
        "rest", Visitor.client().post(path, text, "application/json", headers=headers or None)
    )


def page(name: str, *args: Any) -> Any:
    """Look at a page of the admin."""
    return _judged("admin", Visitor.client().get(reverse(f"admin:durable_{name}", args=args)))


def form(page: str, /, *args: Any, **posted: Any) -> Any:
    """Send a form of the admin."""
    address = reverse(f"admin:durable_{page}", args=args)
    return _judged("admin", Visitor.client().post(address, posted))


def _webhook(world: World) -> Any:
    body = {"order": "o", "id": str(world.root)}
    signature = hmac.new(SECRET.encode(), json.dumps(body).encode(), hashlib.sha256).hexdigest()
    return post("webhooks/plain/", body, **{"X-Signature": signature})


def _question(world: World) -> UUID:
    """The question that the admin's pages are about."""
    asked = Wait.objects.questions().filter(root_id=world.root).values_list("pk", flat=True)
    return world.facts.get("wait") or asked.last() or world.root


def _link(world: World, answer: str = "by link") -> Any:
    address = reverse("durable:answer", args=[world.facts.get("token", "none")])
    return _judged("link", Client().post(address, {"answer": answer}))


def _act(name: str) -> Callable[[World], Any]:
    return lambda world: post(f"executions/{world.root}/{name}/")


def _child_act(name: str) -> Callable[[World], Any]:
    return lambda world: post(f"executions/{world.child or world.root}/{name}/")


def _admin_act(name: str) -> Callable[[World], Any]:
    return lambda world: form("execution_act", world.root, name, confirmed="1", reason="why")


def _look(part: str) -> Callable[[World], Any]:
    return lambda world: get(f"executions/{world.root}/{part}")


def _many(world: World, action: str = "retry") -> Any:
    chosen = {"_selected_action": [str(world.root), str(world.child or world.root)]}
    return form("execution_changelist", action=action, confirmed="1", **chosen)


def _queue(name: str) -> Callable[[World], Any]:
    return lambda world: post("queues/default/limit/", {"limit": 1 if name == "limit" else None})


CALLS: Mapping[str, Callable[[World], Any]] = {
    **{
        f"rest {name}": _act(name)
        for name in ("cancel", "retry", "pause", "resume", "rerun", "compensate")
    },
    "rest retry child": _child_act("retry"),
    "rest rerun child": _child_act("rerun"),
    "rest undo": lambda world: post(f"executions/{world.root}/cancel/", {"compensate": True}),
    "rest answer": lambda world: post(f"executions/{world.root}/inputs/ask/", {"answer": "rest"}),
    "rest reassign": lambda world: post(
        f"executions/{world.root}/inputs/ask/reassign/", {"to": ["group:x"]}
    ),
    "rest question": lambda world: get(f"executions/{world.root}/inputs/ask/"),
    "rest publish": lambda world: post("events/", {"name": "go", "payload": 3, "key": "o"}),
    "rest publish once": lambda world: post(
        "events/", {"name": "go", "payload": 3, "key": "o", "event_id": str(world.root)}
    ),
    "rest start": lambda world: post(
        "executions/", {"workflow": "fragile", "idempotency_key": str(world.root)}
    ),
    "rest look": _look(""),
    **{
        f"rest {part}": _look(f"{part}/")
        for part in ("steps", "waits", "events", "children", "graph", "audit")
    },
    "rest list": lambda world: (get("executions/"), get("inputs/", mine="true"), get("queues/")),
    "rest pause queue": lambda world: post("queues/default/pause/"),
    "rest resume queue": lambda world: post("queues/default/resume/"),
    "rest limit queue": _queue("limit"),
    "rest unlimit queue": _queue("unlimit"),
    "webhook": _webhook,
    "link": _link,
    "admin answer": lambda world: form("input_change", _question(world), answer="admin"),
    "admin reassign": lambda world: form("input_reassign", _question(world), others="group:x"),
    "admin question": lambda world: page("input_change", _question(world)),
    "admin reassigning": lambda world: page("input_reassign", _question(world)),
    "admin inputs": lambda world: page("input_changelist"),
    **{
        f"admin {name}": _admin_act(name)
        for name in ("cancel", "cancel_compensate", "retry", "pause", "resume", "rerun")
    },
    "admin compensate": _admin_act("compensate"),
    "admin retry many": _many,
    "admin cancel many": lambda world: _many(world, "cancel"),
    "admin pause queue": lambda world: form("queue_act", name="default", act="pause"),
    "admin limit queue": lambda world: form("queue_act", name="default", act="limit", limit="1"),
    "admin execution": lambda world: page("execution_change", world.root),
    "admin live": lambda world: page("execution_live", world.root),
    "admin raw": lambda world: page("execution_raw", world.root),
    "admin list": lambda world: page("execution_changelist"),
    "admin overview": lambda world: page("overview"),
}

ACTS: Mapping[str, Callable[[World], Any]] = {
    "link": _link,
    "rest answer": CALLS["rest answer"],
    "pause queue and resume": lambda world: (
        post("queues/default/pause/"),
        post("queues/default/resume/"),
    ),
    "answer, go on, cancel and prune": lambda world: (
        durable.provide_input(world.root, "ask", "1"),
        drain(),
        matrix.ACTS["cancel and prune"](world),
    ),
}


def _linked(situation: str) -> World:
    world = matrix.SITUATIONS[situation]()
    wait = Wait.objects.questions().open().get(root_id=world.root)
    world.facts["wait"] = wait.pk
    world.facts["token"] = links.make(wait, Visitor.user)[0].token
    return world


SITUATIONS: Mapping[str, Callable[[], World]] = {
    **matrix.SITUATIONS,
    "linked": lambda: _linked("asking"),
    "linked, limited": lambda: _linked("limited"),
}


class Cell(matrix.Cell):
    """A cell whose call is made at a door."""

    situations: ClassVar = SITUATIONS
    calls: ClassVar = CALLS
    acts: ClassVar = {**matrix.ACTS, **ACTS}
    pace = 4  # a page has many statements
