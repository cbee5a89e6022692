"""The object permissions of a project are asked wherever REST gives an object out."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.test import override_settings
from rest_framework.permissions import BasePermission

import durable
from durable import Data, Workflow, call_workflow, chain, step
from durable.engine.operators import queues
from durable.engine.operators.queues import QueueState
from durable.models import AuditEntry, Event, Execution, Schedule, StepRun, Wait, Worker
from durable.testing import run
from tests.doors.rest.cases import Api, RestTestCase


class OnlyAcme(BasePermission):
    """Objects of the tenant ``acme``, and what is called after it."""

    def has_object_permission(self, request: Any, view: Any, obj: Any) -> bool:
        if isinstance(obj, Execution):
            return bool(obj.tags.get("tenant") == "acme")
        if isinstance(obj, Schedule | QueueState | Worker):
            return obj.name.startswith("acme")
        if isinstance(obj, type):
            return obj.definition.name != "hidden"  # type: ignore[attr-defined]
        assert isinstance(obj, Event), f"nobody should be asked about {obj!r}"
        return obj.name.startswith("acme")


SITE = {"API_PERMISSIONS": [f"{__name__}.OnlyAcme"]}


def define() -> None:
    """What is asked, what waits, what has a child."""

    class Hidden(Workflow):
        @step
        def one(self, data: Data) -> Data:
            return data

    class Asks(Workflow):
        @step
        def ask(self, data: Data) -> Data:
            return {"ok": self.wait_for_approval("sure")}

        flow = chain(call_workflow(Hidden), ask)


class ObjectPermissionTests(RestTestCase):
    """Two tenants; each address, whatever Django's permissions say."""

    def setUp(self) -> None:
        super().setUp()
        define()
        self.api = Api(User.objects.create_superuser("super"))
        self.rows = {name: run("asks", {}, tags={"tenant": name}) for name in ("acme", "other")}
        Execution.objects.filter(role="child").update(tags={})  # one is of no tenant
        for name, row in self.rows.items():
            durable.send_event(row.pk, "note", {})
            durable.publish_event(f"{name}-news", {})
            durable.schedule("asks", "0 9 * * *", name=f"{name}-daily")
            queues.limit_queue(f"{name}-queue", 3, by=None)
            Worker.objects.create(
                name=f"{name}:1", queues=[], started_at=row.created_at,
                heartbeat_at=row.created_at, expires_at=row.created_at,
            )  # fmt: skip
        settings = override_settings(DURABLE=SITE)
        settings.enable()
        self.addCleanup(settings.disable)

    def addresses(self, name: str) -> dict[tuple[str, str], int]:
        """Each address of one object, and its status if the object may be given out."""
        one = f"executions/{self.rows[name].pk}"
        parts = ("", "steps/", "waits/", "events/", "children/", "graph/", "audit/", "inputs/sure/")
        found = {("GET", f"{one}/{part}"): 200 for part in parts}
        found |= {("GET", f"schedules/{name}-daily/"): 200, ("GET", f"queues/{name}-queue/"): 200}
        found |= {
            ("POST", f"{one}/events/"): 201,
            ("POST", f"{one}/inputs/sure/reassign/"): 200,
            ("POST", f"{one}/inputs/sure/"): 200,
            ("POST", f"{one}/pause/"): 200,
            ("POST", f"{one}/cancel/"): 200,
            ("POST", f"{one}/rerun/"): 201,
            ("POST", f"schedules/{name}-daily/disable/"): 200,
            ("POST", f"schedules/{name}-daily/trigger/"): 201,
            ("POST", f"queues/{name}-queue/pause/"): 200,
            ("POST", f"queues/{name}-queue/limit/"): 200,
        }
        return found

    def ask(self, method: str, path: str) -> int:
        body: Any = {}
        if path.endswith("/inputs/sure/"):
            body = {"answer": "approved"}
        elif path.endswith("reassign/"):
            body = {"to": ["user:super"]}
        elif path.endswith("events/"):
            body = {"name": "n"}
        elif path.endswith("limit/"):
            body = {"limit": 2}
        call = self.api.get(path) if method == "GET" else self.api.post(path, body)
        return int(call.status_code)

    def test_what_the_project_refuses_is_given_out_and_changed_at_no_address(self) -> None:
        before = self.stored()
        for method, path in self.addresses("other"):
            with self.subTest(path, method=method):
                self.assertEqual(self.ask(method, path), 403)
        self.assertEqual(self.stored(), before)

    def test_what_it_allows_is_there(self) -> None:
        for (method, path), status in self.addresses("acme").items():
            with self.subTest(path, method=method):
                self.assertIn(self.ask(method, path), (status, 409))

    def stored(self) -> list[Any]:
        return [
            *Execution.objects.order_by("pk").values_list("pk", "status", "pause_requested"),
            *Wait.objects.order_by("pk").values_list("pk", "status", "assignees"),
            *Schedule.objects.order_by("pk").values_list("pk", "enabled"),
            (Event.objects.count(), StepRun.objects.count(), AuditEntry.objects.count()),
        ]

    def test_no_list_has_what_the_project_refuses(self) -> None:
        for path, column, expected in (
            ("executions/", "tags", {"tenant": "acme"}),
            ("inputs/", "execution", str(self.rows["acme"].pk)),
            ("inputs/?mine=true", "execution", str(self.rows["acme"].pk)),
            ("schedules/", "name", "acme-daily"),
            ("queues/", "name", "acme-queue"),
            ("workers/", "name", "acme:1"),
        ):
            with self.subTest(path):
                rows = self.api.get(path).body["results"]
                self.assertEqual([row[column] for row in rows], [expected])
        names = [row["name"] for row in self.api.get("events/").body["results"]]
        self.assertEqual(sorted(names), ["acme-news", "note"])
        names = [row["name"] for row in self.api.get("workflows/").body["results"]]
        self.assertIn("asks", names)
        self.assertNotIn("hidden", names)
        self.assertEqual(self.api.get("workflows/hidden/").status_code, 403)

    def test_a_child_that_is_refused_is_not_among_the_children(self) -> None:
        path = f"executions/{self.rows['acme'].pk}/children/"
        self.assertEqual(self.api.get(path).body["results"], [])
        Execution.objects.filter(parent=self.rows["acme"]).update(tags={"tenant": "acme"})
        self.assertEqual(len(self.api.get(path).body["results"]), 1)
