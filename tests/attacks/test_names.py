"""Names that are nobody's business: of others' workflows and queues, of rows one may not see."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.test import override_settings

import durable
from durable import Data, Workflow, WorkflowMeta, step
from durable.doors.access import Policy
from durable.models import Execution
from durable.testing import isolate_workflows, run
from tests.attacks.cases import AttackCase, attacker
from tests.doors.admin.site import browser, page
from tests.doors.rest.cases import Api
from tests.shop.models import Order

SECRET = ("secret_flow", "long_gone_flow", "secret-queue", "waiting-queue")


class ByName(Policy):
    """Workflows, queues and executions whose names begin as the user's does."""

    def executions(self, user: Any, executions: Any) -> Any:
        """Those of workflows of theirs."""
        return executions.filter(workflow__startswith=user.last_name)

    def allows(self, user: Any, action: str, target: Any) -> bool:
        """Classes, executions and queues alike."""
        definition = getattr(target, "definition", None)
        name = definition.name if definition is not None else getattr(target, "workflow", target)
        return not isinstance(name, str) or name.startswith(user.last_name)


POLICY = {
    "API_PERMISSIONS": ["tests.attacks.test_names.ByName"],
    "QUEUES": {"default": {}, "secret-queue": {}, "own-queue": {}},
}


class Theirs(AttackCase):
    """Two tenants with workflows and queues of their own."""

    def setUp(self) -> None:
        super().setUp()
        with isolate_workflows():
            self.a_workflow("long_gone_flow")
            durable.start("long_gone_flow", queue="waiting-queue")
        for name in ("secret_flow", "own_flow"):
            self.a_workflow(name)
            run(name)
        self.enterContext(override_settings(DURABLE=POLICY))
        self.user = attacker("kim")
        self.user.last_name = "own"
        self.user.save()

    def a_workflow(self, of: str) -> None:
        class Asking(Workflow):
            class Meta(WorkflowMeta):
                name = of

            @step
            def ask(self, data: Data) -> Data:
                return {"ok": self.wait_for_approval("q")}


class NameTests(Theirs):
    """No list, choice, page or answer tells another tenant's name."""

    def pages(self, user: User) -> Iterator[tuple[str, str]]:
        """Every page of the admin that offers names, and every answer of REST that has some."""
        for url in (
            page("execution_changelist"),
            page("workflows"),
            "/admin/durable/input/",
            "/admin/durable/event/",
            "/admin/durable/schedule/",
            page("workflow", "own_flow"),
        ):
            answer = browser(user).get(url)
            self.assertEqual(answer.status_code, 200, url)
            yield url, answer.content.decode()
        for url in ("workflows/", "executions/", "queues/", "inputs/", "schedules/"):
            found = Api(user).get(url)
            self.assertEqual(found.status_code, 200, url)
            yield url, json.dumps(found.body)

    def test_no_page_names_what_is_anothers(self) -> None:
        for url, text in self.pages(self.user):
            for name in SECRET:
                with self.subTest(page=url, name=name):
                    self.assertNotIn(name, text)

    def test_a_drawing_of_what_is_anothers(self) -> None:
        for name in ("secret_flow", "nothing_flow"):
            for command in ("graph", "run"):
                with self.subTest(command, name=name), self.assertRaises(CommandError) as refused:
                    call_command(f"durable_{command}", name, "--by", "kim")
                self.assertEqual(str(refused.exception), f"There is no workflow {name!r}.")
        call_command("durable_graph", "own_flow", "--by", "kim", stdout=io.StringIO())

    def test_what_is_ones_own_is_named(self) -> None:
        texts = dict(self.pages(self.user))
        for url in (page("execution_changelist"), page("workflows"), "workflows/", "executions/"):
            with self.subTest(page=url):
                self.assertIn("own_flow", texts[url])
        self.assertIn("own-queue", texts[page("execution_changelist")])

    unknown: ClassVar[Any] = {"workflow": ["There is no workflow of this name."]}

    def test_to_ask_for_anothers_is_as_to_ask_for_nothing(self) -> None:
        for name in ("secret_flow", "long_gone_flow", "nothing_flow"):
            with self.subTest(name=name):
                started = Api(self.user).post("executions/", {"workflow": name})
                self.assertEqual(started.body["errors"], self.unknown)
                asked = [
                    Api(self.user).get(f"executions/?workflow={name}"),
                    Api(self.user).get(f"workflows/{name}/"),
                    browser(self.user).get(page("workflow", name)),
                ]
                codes = [one.status_code for one in asked]
                self.assertEqual(codes, [400, 404, 404])

    def test_without_policies_everything_is_named(self) -> None:
        with override_settings(DURABLE={"QUEUES": POLICY["QUEUES"]}):
            texts = dict(self.pages(self.user))
        for name in SECRET:
            self.assertIn(name, texts[page("execution_changelist")])


class SubjectTests(AttackCase):
    """What a row is called, and that there is one, is for those who may see such rows."""

    def setUp(self) -> None:
        super().setUp()

        class About(Workflow):
            class Meta(WorkflowMeta):
                subject = "shop.Order"

            @step
            def ask(self, data: Data) -> Data:
                return {"ok": self.wait_for_approval("q")}

        self.order = Order.objects.create(reference="A-77-secret")
        self.execution: Execution = run("about", subject=self.order)
        self.wait = self.execution.waits.get()
        self.kim = attacker("kim")
        orders = Permission.objects.filter(content_type__app_label="shop")
        self.sight = orders.get(codename="view_order")

    def test_words_of_a_row(self) -> None:
        words = str(self.order)
        urls = ("/admin/durable/input/", page("input_change", self.wait.pk))
        for url in urls:
            with self.subTest(url):
                text = browser(self.kim).get(url).content.decode()
                self.assertIn(f"shop.order {self.order.pk}", text)
                self.assertNotIn(words, text)
        self.kim.user_permissions.add(self.sight)
        for url in urls:
            with self.subTest(url):
                self.assertIn(words, browser(self.kim).get(url).content.decode())

    def test_existence_of_a_row_for_commands(self) -> None:
        for command in (["run", "about"], ["list"]):
            said = []
            for pk in (self.order.pk, 99_999):
                with self.assertRaises(CommandError) as refused:
                    texts = [*command[1:], "--subject", f"shop.Order:{pk}", "--by", "kim"]
                    call_command(f"durable_{command[0]}", *texts)
                said.append(str(refused.exception))
            self.assertEqual(said[0], said[1])

    def test_existence_of_a_row(self) -> None:
        def start(pk: object) -> Any:
            return Api(self.kim).post("executions/", {"workflow": "about", "subject": str(pk)})

        there, not_there = start(self.order.pk), start(99_999)
        self.assertEqual((there.status_code, there.body), (not_there.status_code, not_there.body))
        self.assertEqual(there.status_code, 403)
        self.kim.user_permissions.add(self.sight)
        self.assertEqual((start(self.order.pk).status_code, start(99_999).status_code), (201, 400))
