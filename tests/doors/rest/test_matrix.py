"""Who may ask what of the REST door: every address and method, by everybody."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any, NamedTuple

from django.db import transaction
from django.test import override_settings
from django.urls import reverse

import durable
from durable.models import Execution
from durable.rest.urls import urlpatterns
from durable.testing import run
from tests.doors.rest.cases import TENANCY, Api, RestTestCase, counts, user

#: anonymous, somebody without permissions, viewer, approver, operator, superuser, other tenant
PEOPLE = ("nobody", "known", "viewer", "approver", "operator", "boss", "stranger")


class Row(NamedTuple):
    """One method of one address, and the statuses that each of ``PEOPLE`` gets."""

    name: str
    method: str
    args: tuple[str, ...]
    body: Any
    statuses: tuple[int, ...]


def read(name: str, *args: str, others: int = 404, known: int = 404) -> Row:
    return Row(name, "GET", args, None, (403, known, 200, 200, 200, 200, others))


def write(name: str, *args: str, body: Any = None, code: int = 200, known: int = 404) -> Row:
    """What an operator may do, to what the tenant has."""
    return Row(name, "POST", args, body, (403, known, 403, 403, code, code, 404))


#: arguments name rows that ``setUp`` makes
MATRIX = [
    read("executions", others=200, known=403),
    Row("executions", "POST", (), {"workflow": "plain"}, (403, 403, 403, 403, 201, 201, 201)),
    read("execution", "waiting"),
    read("execution-steps", "waiting"),
    read("execution-waits", "waiting"),
    read("execution-events", "waiting"),
    read("execution-children", "waiting"),
    read("execution-graph", "waiting"),
    read("execution-audit", "waiting"),
    write("execution-events", "waiting", body={"name": "x"}, code=201),
    write("execution-cancel", "waiting"),
    write("execution-pause", "waiting"),
    write("execution-resume", "paused"),
    write("execution-retry", "failed"),
    write("execution-rerun", "failed", code=201),
    write("execution-compensate", "failed"),
    read("execution-input", "waiting", "manager"),
    Row("execution-input", "POST", ("waiting", "manager"), {"answer": "approved"},
        (403, 404, 403, 200, 200, 200, 404)),
    # who reassigns must be somebody who may answer
    write("execution-reassign", "waiting", "manager", body={"to": ["user:viv"]}),
    read("inputs", others=200, known=200),
    read("events", others=200, known=403),
    Row("events", "POST", (), {"name": "x"}, (403, 403, 403, 403, 201, 201, 201)),
    read("workflows", others=200, known=403),
    read("workflow", "plain", others=200, known=403),
    read("schedules", others=200, known=403),
    read("schedule", "daily", others=200, known=403),
    *(
        Row(f"schedule-{change}", "POST", ("daily",), None, (403, 403, 403, 403, code, code, code))
        for change, code in (("enable", 200), ("disable", 200), ("trigger", 201))
    ),
    read("queues", others=200, known=403),
    read("queue", "default", others=200, known=403),
    *(
        Row(f"queue-{change}", "POST", ("default",), body, (403, 403, 403, 403, 200, 200, 200))
        for change, body in (("pause", None), ("resume", None), ("limit", {"limit": 2}))
    ),
    read("workers", others=200, known=403),
    Row("webhook", "POST", ("shop",), {"type": "x"}, (401,) * len(PEOPLE)),
]  # fmt: skip


class MatrixTests(RestTestCase):
    """The table above, with tenants."""

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(
            override_settings(
                DURABLE={
                    "API_PERMISSIONS": [TENANCY],
                    "WEBHOOKS": {"shop": {"scheme": "hmac", "secrets": ["s"], "event": "type"}},
                }
            )
        )
        waiting, paused = self.ask(), self.ask()
        durable.pause(paused.pk)
        self.ids = {
            "waiting": str(waiting.pk),
            "paused": str(paused.pk),
            "failed": str(self.failed().pk),
        }
        durable.schedule("plain", "0 9 * * *", name="daily")
        people = {
            "known": user("karl"), "viewer": self.viewer, "approver": self.approver,
            "operator": self.operator, "boss": self.boss, "stranger": self.stranger,
        }  # fmt: skip
        self.apis = {"nobody": Api(), **{name: Api(who) for name, who in people.items()}}
        self.before = counts()  # what is asked for is undone

    def ask_for(self, who: str, row: Row) -> int:
        """The status that somebody gets; nothing of it stays."""
        path = reverse(f"durable:{row.name}", args=[self.ids.get(arg, arg) for arg in row.args])
        path = path.removeprefix("/durable/")
        savepoint = transaction.savepoint()
        try:
            api = self.apis[who]
            answer = api.get(path) if row.method == "GET" else api.post(path, row.body)
            if answer.status_code >= 400:
                self.assertEqual(answer["Content-Type"], "application/problem+json")
                self.assertEqual(counts(), self.before)
            return int(answer.status_code)
        finally:
            transaction.savepoint_rollback(savepoint)

    def test_everybody_gets_what_the_table_says(self) -> None:
        for row in MATRIX:
            with self.subTest(row.name, method=row.method):
                found = tuple(self.ask_for(who, row) for who in PEOPLE)
                self.assertEqual(
                    dict(zip(PEOPLE, found, strict=True)),
                    dict(zip(PEOPLE, row.statuses, strict=True)),
                )

    def test_every_address_and_method_is_in_the_table(self) -> None:
        there = {
            (pattern.name, method)
            for pattern in urlpatterns
            for method in pattern.callback.view_class.operations
        }
        handlers = {
            (pattern.name, method.upper())
            for pattern in urlpatterns
            for method in ("get", "post", "put", "patch", "delete")
            if hasattr(pattern.callback.view_class, method)
        }
        self.assertEqual(there, handlers)
        self.assertEqual(there, {(row.name, row.method) for row in MATRIX})

    def test_who_is_not_active_any_more_is_nobody(self) -> None:
        self.boss.is_active = False
        self.boss.save()
        for row in MATRIX[:-1]:
            self.assertEqual(self.ask_for("boss", row), 403, row)

    def test_where_there_is_a_way_to_say_who_one_is_the_unknown_get_401(self) -> None:
        basic = ["rest_framework.authentication.BasicAuthentication"]
        with override_settings(REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": basic}):
            answer = Api().get("executions/")
            self.assertProblem(answer, 401)
            self.assertIn("Basic", answer["WWW-Authenticate"])

    def test_other_tenants_see_none_of_it_in_any_list(self) -> None:
        theirs = run("asking", {"options": {}}, tags={"tenant": "other"})
        durable.send_event(self.ids["waiting"], "x")
        stranger = self.apis["stranger"]
        for path, expected in (
            ("executions/", [str(theirs.pk)]), ("inputs/", [str(theirs.pk)]), ("events/", []),
            ("inputs/?mine=true", [str(theirs.pk)]),
        ):  # fmt: skip
            found = stranger.get(path).body["results"]
            self.assertEqual([one.get("execution") or one["id"] for one in found], expected, path)
        child = Execution.objects.get(pk=theirs.pk)
        self.assertEqual(stranger.get(f"executions/{child.pk}/").status_code, 200)

    def test_the_children_of_others_are_not_shown_below_ones_own(self) -> None:
        parent = Execution.objects.get(pk=self.ids["waiting"])
        for tenant in ("acme", "other"):
            row = durable.start("plain", tags={"tenant": tenant})
            Execution.objects.filter(pk=row.pk).update(parent=parent, role="child")
        found = self.apis["viewer"].get(f"executions/{parent.pk}/children/").body["results"]
        self.assertEqual([one["tags"]["tenant"] for one in found], ["acme"])


class ProjectPermissionTests(RestTestCase):
    """REST framework's permission classes in the same list hold at every address but webhooks."""

    def test_they_are_added_to_every_view(self) -> None:
        path = "rest_framework.permissions.IsAdminUser"
        sources = {"shop": {"scheme": "hmac", "secrets": ["s"], "event": "type"}}
        with override_settings(DURABLE={"API_PERMISSIONS": [path], "WEBHOOKS": sources}):
            for address in ("executions/", "inputs/", "workflows/"):
                self.assertProblem(self.as_operator.get(address), 403)
                self.assertEqual(Api(self.boss).get(address).status_code, 200)
            body = json.dumps({"type": "x"}).encode()
            signature = hmac.new(b"s", body, hashlib.sha256).hexdigest()
            answer = Api().raw("webhooks/shop/", body, X_Signature=signature)
            self.assertEqual(answer.status_code, 202)
