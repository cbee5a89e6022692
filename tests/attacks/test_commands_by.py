"""A command with ``--by`` shows and does what that user may see and do at any other door."""

from __future__ import annotations

from typing import Any
from unittest import mock

from django.core.management import CommandError
from django.test import override_settings

import durable
from durable import Data, Workflow, call_workflow, chain, foreach, step
from durable.models import Execution, Role
from durable.testing import drain, run
from tests.doors.admin.site import POLICY
from tests.doors.commands.cases import CommandTestCase, a_user, counts
from tests.doors.rest.cases import Api

#: command, arguments, and the permission without which it refuses ("": shows less)
LOOKS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("list",), "view_execution"),
    (("inspect", "{id}", "--data", "--logs"), "view_execution"),
    (("inspect", "{id}", "--show-secrets"), "view_payload"),
    (("status",), "view_execution"),
    (("status", "{id}"), "view_execution"),
    (("graph", "{name}"), "view_execution"),
    (("graph", "--execution", "{id}"), "view_execution"),
    (("queues",), "view_queue"),
    (("workers",), "view_worker"),
    (("schedules",), "view_schedule"),
    (("list", "--tag", "password=pw-1"), "view_payload"),
    (("list", "--tag", 'a={{"token": "pw-1"}}'), "view_payload"),
    (("list", "--tag", "note=password=pw-1"), "view_payload"),
    (("run", "{name}", "--wait"), "view_execution"),
    (("run", "{name}", "--wait", "--show-secrets"), "view_payload"),
    (("run", "{name}"), "add_execution"),
    (("cancel", "{id}"), "cancel"),
    (("pause", "{id}"), "change_execution"),
    (("send_event", "{id}", "go"), "send_event"),
    (("publish_event", "go"), "send_event"),
    (("queues", "pause", "default"), "change_queue"),
)
ALL = (
    "view_execution", "view_payload", "view_event", "view_queue", "view_worker", "view_schedule",
    "view_auditentry", "add_execution", "change_execution", "change_queue", "cancel", "send_event",
    "retry", "approve",
)  # fmt: skip


def define() -> type[Workflow]:
    """A workflow that has waited for an event and asks a question."""

    class Told(Workflow):
        @step
        def hear(self, data: Data) -> Data:
            return {**data, "got": self.wait_for_event("note"), "ok": self.wait_for_text("ok")}

    return Told


class PermissionTests(CommandTestCase):
    """Each command, with all permissions but one."""

    def setUp(self) -> None:
        super().setUp()
        self.told = run(define(), {"password": "pw-1"}, tags={"password": "pw-1", "n": 1})
        # the test's own transaction would be refused before anybody's permission is asked
        waits = mock.patch("durable.management.commands.durable_run.refuse_transaction")
        waits.start()
        self.addCleanup(waits.stop)
        durable.send_event(self.told.pk, "note", {"text": "from-the-event"})
        drain()

    def said(self, arguments: tuple[str, ...], name: str) -> str | None:
        """The answer; ``None`` for a refusal."""
        filled = [one.format(id=self.told.pk, name=self.told.workflow) for one in arguments]
        try:
            return self.call(*filled, "--by", name)
        except CommandError:
            return None

    def test_each_command_takes_the_permission_that_other_doors_take(self) -> None:
        for arguments, missing in LOOKS:
            with self.subTest(arguments, missing=missing):
                name = f"no-{missing}-{len(arguments)}-{LOOKS.index((arguments, missing))}"
                a_user(name, *(one for one in ALL if one != missing))
                before = counts()
                self.assertIsNone(self.said(arguments, name))
                self.assertEqual(counts(), before)

    def test_with_all_permissions_each_is_answered(self) -> None:
        a_user("all", *ALL)
        for arguments, missing in LOOKS:
            if "--wait" in arguments or missing in ("cancel", "change_execution"):
                continue
            with self.subTest(arguments):
                self.assertIsNotNone(self.said(arguments, "all"))

    def test_events_are_shown_to_who_may_see_events(self) -> None:
        a_user("without", *(one for one in ALL if one != "view_event"))
        a_user("with", *ALL)
        for form in ((), ("--json",)):
            told = ("inspect", str(self.told.pk), *form)
            self.assertNotIn('"payload"', str(self.said((*told, "--data"), "without")))
            self.assertIsNone(self.json("inspect", self.told.pk, "--by", "without")["events"])
            self.assertEqual(len(self.json("inspect", self.told.pk, "--by", "with")["events"]), 1)

    def test_rest_shows_the_events_of_an_execution_to_who_may_see_events(self) -> None:
        path = f"executions/{self.told.pk}/events/"
        blind = Api(a_user("blind", *(one for one in ALL if one != "view_event")))
        self.assertEqual(blind.get(path).status_code, 403)
        self.assertEqual(Api(a_user("seer", *ALL)).get(path).status_code, 200)


class TenantTests(CommandTestCase):
    """What another tenant's command shows."""

    def test_children_of_another_tenant_are_not_listed(self) -> None:
        class Sub(Workflow):
            @step
            def one(self, data: Data) -> Data:
                return data

        class Above(Workflow):
            flow = chain(call_workflow(Sub))

        row = run(Above, {}, tags={"tenant": "acme"})
        Execution.objects.filter(role=Role.CHILD).update(tags={"tenant": "other"})
        kim = a_user("kim", *ALL, last_name="acme")
        with override_settings(DURABLE=POLICY):
            self.assertEqual(self.json("inspect", row.pk, "--by", "kim")["children"], [])
            lists = Api(kim).get(f"executions/{row.pk}/children/").body["results"]
        self.assertEqual(lists, [])
        self.assertEqual(len(self.json("inspect", row.pk)["children"]), 1)

    def test_a_part_is_acted_on_with_the_rights_of_the_whole(self) -> None:
        class Items(Workflow):
            @step
            def each(self, data: Data, item: Any, index: int) -> Data:
                self.wait_for_event("go")
                return data

            flow = chain(foreach("items", each))

        row = run(Items, {"items": [1]}, tags={"tenant": "acme"})
        part = Execution.objects.get(role=Role.ITEM)
        Execution.objects.filter(pk=part.pk).update(tags={})
        a_user("kim", *ALL, last_name="acme")
        with override_settings(DURABLE=POLICY):
            self.call("inspect", part.pk, "--by", "kim")
            self.call("status", part.pk, "--by", "kim")
            self.call("graph", "--execution", part.pk, "--by", "kim")
        self.assertEqual(row.root_id, part.root_id)
