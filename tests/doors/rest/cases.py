"""What the tests of the REST door share: people, tenants, workflows, a client that speaks JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.db import models
from django.http import HttpResponse
from django.test import Client, override_settings

import durable
from durable import Data, Workflow, WorkflowMeta, chain, parallel, step
from durable.doors.access import Policy
from durable.models import Execution
from durable.testing import drain, run
from tests.cases import WorkflowTestCase

VIEWS = (
    "view_execution", "view_event", "view_schedule", "view_queue", "view_worker",
    "view_auditentry",
)  # fmt: skip
ACTS = (
    "add_execution", "change_execution", "cancel", "retry", "send_event", "approve",
    "manage_schedules", "change_queue", "change_wait",
)  # fmt: skip

PROBLEM = "application/problem+json"
TENANCY = "tests.doors.rest.cases.Tenancy"


class Tenancy(Policy):
    """Users belong to the tenants that their groups name; so do executions, by a tag."""

    def executions(self, user: Any, executions: Any) -> Any:
        """Those of the user's tenants."""
        return executions.filter(tags__tenant__in=self._tenants(user))

    def allows(self, user: Any, action: str, target: Any) -> bool:
        """Nothing with what belongs to others."""
        tags = getattr(target, "tags", None) or getattr(
            getattr(target, "execution", None), "tags", None
        )
        return tags is None or tags.get("tenant") in self._tenants(user)

    def tags(self, user: Any) -> dict[str, Any]:
        """What a user starts belongs to the user's tenant."""
        return {"tenant": self._tenants(user)[0]} if self._tenants(user) else {}

    def _tenants(self, user: Any) -> list[str]:
        if not hasattr(user, "_tenants"):  # asked once for each request, as permissions are
            names = user.groups.filter(name__startswith="tenant-").values_list("name", flat=True)
            user._tenants = [name.removeprefix("tenant-") for name in names]
        found: list[str] = user._tenants
        return found


def user(name: str, *permissions: str, groups: tuple[str, ...] = ()) -> User:
    """A user with permissions of the app."""
    made = User.objects.create_user(name)
    found = Permission.objects.filter(content_type__app_label="durable", codename__in=permissions)
    assert len(found) == len(permissions), permissions
    made.user_permissions.set(found)
    made.groups.set([Group.objects.get_or_create(name=group)[0] for group in groups])
    return made


def counts() -> dict[str, int]:
    """How many rows each table of the app has."""
    found: dict[str, int] = {}
    for model in apps.get_app_config("durable").get_models():
        manager: models.Manager[Any] = model._base_manager
        found[model.__name__] = manager.count()
    return found


class Api:
    """A client logged in as somebody; it speaks JSON and remembers nothing else."""

    def __init__(self, who: User | None = None, **options: Any) -> None:
        self.client = Client(raise_request_exception=False, **options)
        if who is not None:
            self.client.force_login(who)

    def get(self, path: str, **query: Any) -> Any:
        return _with_body(self.client.get(f"/durable/{path}", query))

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        text = b"" if body is None else json.dumps(body).encode()
        return self.raw(path, text, **headers)

    def raw(self, path: str, body: bytes, kind: str = "application/json", **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return _with_body(
            self.client.post(f"/durable/{path}", body, content_type=kind, headers=named)
        )


def _with_body(response: HttpResponse) -> Any:
    found: Any = response
    is_json = "json" in response.get("Content-Type", "")
    found.body = json.loads(response.content) if is_json and response.content else None
    return found


class RestTestCase(WorkflowTestCase):
    """People with different permissions, and some workflows to work with."""

    def setUp(self) -> None:
        super().setUp()
        self.viewer = user("viv", *VIEWS, groups=("tenant-acme",))
        self.approver = user("ann", *VIEWS, "approve", groups=("tenant-acme",))
        self.operator = user("olga", *VIEWS, *ACTS, groups=("tenant-acme",))
        self.stranger = user("sam", *VIEWS, *ACTS, "view_payload", groups=("tenant-other",))
        self.boss = User.objects.create_superuser("boss")
        self.boss.groups.set(Group.objects.filter(name="tenant-acme"))
        self.as_viewer, self.as_operator = Api(self.viewer), Api(self.operator)
        self.workflows = define()

    def ask(self, **options: Any) -> Execution:
        """An execution that waits for an approval named manager."""
        options.setdefault("tags", {"tenant": "acme"})
        return run("asking", {"options": options.pop("wait", {})}, **options)

    def failed(self, **options: Any) -> Execution:
        """An execution that has failed."""
        return run("failing", {"token": "s3cret"}, tags={"tenant": "acme"}, **options)

    def assertProblem(self, response: Any, status: int, says: str = "") -> Any:
        """It is a problem document with this status; returns it."""
        self.assertEqual(response.status_code, status, response.content)
        self.assertEqual(response["Content-Type"], PROBLEM)
        self.assertEqual(response.body["status"], status)
        self.assertIn(says, response.body["detail"])
        return response.body

    def assertNothingStored(self, call: Callable[[], Any]) -> Any:
        """No table has more or fewer rows afterwards."""
        before = counts()
        result = call()
        self.assertEqual(counts(), before)
        return result


def define() -> Mapping[str, type[Workflow]]:
    """The workflows of these tests."""

    class Asking(Workflow):
        """Waits for an approval."""

        @step
        def ask(self, data: Data) -> Data:
            decision = self.wait_for_approval("manager", **data.get("options", {}))
            return {**data, "decision": decision}

    class Failing(Workflow):
        """Fails, and logs a secret."""

        class Meta(WorkflowMeta):
            on_failure = "hold"

        @step
        def prepare(self, data: Data) -> Data:
            self.log.warning("password=hunter2 prepared")
            return {**data, "prepared": True}

        @prepare.compensate
        def unprepare(self, data: Data) -> None:
            pass

        @step
        def explode(self, data: Data) -> Data:
            raise ValueError("token=abc123 is bad")

    class Plain(Workflow):
        """Passes its data on."""

        @step
        def go(self, data: Data) -> Data:
            return {**data, "done": True}

    class Waiting(Workflow):
        """Waits for an event."""

        class Meta(WorkflowMeta):
            key = "order"

        @step
        def wait(self, data: Data) -> Data:
            return {**data, "paid": self.wait_for_event("paid")}

    class TwoAsk(Workflow):
        """Two branches ask under one name."""

        @step
        def left(self, data: Data) -> Data:
            return {"left": self.wait_for_text("why")}

        @step
        def right(self, data: Data) -> Data:
            return {"right": self.wait_for_text("why")}

        flow = chain(parallel(left, right))

    found = (Asking, Failing, Plain, Waiting, TwoAsk)
    return {cls.definition.name: cls for cls in found}


def with_tenants() -> Any:
    """The site has several tenants."""
    return override_settings(DURABLE={"API_PERMISSIONS": [TENANCY]})


__all__ = ["Api", "RestTestCase", "counts", "drain", "durable", "user", "with_tenants"]
