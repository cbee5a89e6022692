"""What this process has no code for any more is named at every door, and never lost."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

from django.core.management import CommandError

import durable
from durable import Data, Workflow, days, step
from durable.authoring.parse import registry
from durable.doors.stranded import stranded, stranded_at_a_glance
from durable.models import Execution, Wait
from durable.people.reach import links
from durable.testing import assert_completed, drain, isolate_workflows, run
from tests.cases import WorkflowTestCase
from tests.doors.admin.site import browser, page, person
from tests.doors.commands.cases import Called, CommandTestCase
from tests.doors.rest.cases import Api
from tests.doors.test_links import address
from tests.life.cases import a_worker
from tests.people.asking import AskingMixin, ContractForm, change

ANSWER = {"company": "ACME", "seats": 3}


class FormTests(Called, AskingMixin, WorkflowTestCase):
    """A question whose form is not in the code of this process."""

    def setUp(self) -> None:
        super().setUp()
        self.people()
        self.named = self.users["named"]
        self.wait = self.asked("form", form="contract", assignees=["user:named", "user:root"])
        self.link = links.make(self.wait, self.users["named"])[0].token
        cls = registry.latest("asking")
        self.enterContext(mock.patch.object(cls, "forms", {}))
        self.cls = cls

    def assertNamed(self, text: str) -> None:
        for word in ("contract", "asking version 1", "forms", "deploy"):
            self.assertIn(word, text)

    def assertOpen(self) -> None:
        self.assertEqual(Wait.objects.get(pk=self.wait.pk).status, "open")

    def test_the_page_of_the_question_says_so_and_posting_records_nothing(self) -> None:
        client = browser(self.named)
        for response in (
            client.get(change(self.wait)),
            client.post(change(self.wait), {"company": "ACME", "seats": "3"}),
        ):
            self.assertEqual(response.status_code, 409)
            self.assertNamed(response.content.decode())
            self.assertNotContains(response, "Send answer", status_code=409)
            self.assertOpen()

    def test_the_page_of_a_link_says_so_and_the_link_stays_good(self) -> None:
        for response in (
            self.client.get(address(self.link)),
            self.client.post(address(self.link), {"company": "ACME", "seats": "3"}),
        ):
            self.assertEqual(response.status_code, 409)
            self.assertNamed(response.content.decode())
            self.assertOpen()
        with mock.patch.object(self.cls, "forms", {"contract": ContractForm}):
            answered = self.client.post(address(self.link), {"company": "ACME", "seats": "3"})
        self.assertEqual(answered.status_code, 200)
        drain()
        assert_completed(Execution.objects.get(pk=self.wait.root_id))

    def test_rest_says_so_where_it_lists_shows_and_takes_answers(self) -> None:
        api, where = Api(self.named), f"executions/{self.wait.root_id}/inputs/{self.wait.name}/"
        (listed,) = api.get("inputs/").body["results"]
        for shown in (listed, api.get(where).body):
            self.assertIsNone(shown["schema"])
            self.assertNamed(shown["form_missing"])
        refused = api.post(where, {"answer": ANSWER})
        self.assertEqual(refused.status_code, 409, refused.content)
        self.assertEqual(refused.body["type"], "urn:durable:form-missing")
        self.assertNamed(refused.body["detail"])
        self.assertOpen()

    def test_the_client_and_the_commands_say_so(self) -> None:
        pk, name = self.wait.root_id, self.wait.name
        with self.assertRaises(durable.FormMissing) as caught:
            durable.provide_input(pk, name, ANSWER)
        self.assertNamed(str(caught.exception))
        with self.assertRaises(CommandError) as told:
            self.call("provide_input", pk, name, json.dumps(ANSWER))
        self.assertNamed(str(told.exception))
        (shown,) = self.json("waits")["waits"]
        self.assertNamed(shown["form_missing"])
        self.call("waits")
        self.assertNamed(self.errors)
        self.assertOpen()

    def test_the_doctor_names_it(self) -> None:
        with self.assertRaises(CommandError):
            self.call("doctor", "--json")
        findings = json.loads(self.answered)["findings"]
        (found,) = [one for one in findings if one["code"] == "form-missing"]
        self.assertNamed(found["words"])
        self.assertEqual((found["count"], found["samples"]), (1, [str(self.wait.root_id)]))

    def test_a_type_of_question_that_this_version_does_not_know_is_named_as_that(self) -> None:
        stored: dict[str, Any] = {**self.wait.question, "type": "colour", "form": None}
        Wait.objects.filter(pk=self.wait.pk).update(question=stored)
        response = browser(self.named).get(change(self.wait))
        self.assertContains(response, "of the type &#x27;colour&#x27;", status_code=409)
        with self.assertRaisesRegex(durable.FormMissing, "'colour'.*newer version"):
            durable.provide_input(self.wait.root_id, self.wait.name, "red")

    def test_a_version_that_is_gone_is_named_too(self) -> None:
        with isolate_workflows():
            registry._classes.pop(("asking", 1))
            with self.assertRaisesRegex(durable.FormMissing, "no workflow 'asking' in this code"):
                durable.provide_input(self.wait.root_id, self.wait.name, ANSWER)
            response = browser(self.users["root"]).get(change(self.wait))
            self.assertContains(response, "no workflow", status_code=409)

    def test_an_answered_question_is_shown_without_its_form(self) -> None:
        with mock.patch.object(self.cls, "forms", {"contract": ContractForm}):
            durable.provide_input(self.wait.root_id, self.wait.name, ANSWER)
        api = Api(self.named)
        shown = api.get(f"executions/{self.wait.root_id}/inputs/{self.wait.name}/").body
        self.assertEqual((shown["form_missing"], shown["answer"]["company"]), ("", "ACME"))
        self.assertEqual(browser(self.named).get(change(self.wait)).status_code, 200)


def sleeper(number: int, *names: str) -> type[Workflow]:
    """A version of a workflow that sleeps in its first step."""

    def asleep(self: Any, data: Data) -> None:
        self.sleep(days(30))

    body: dict[str, Any] = {name: step(name=name)(asleep) for name in names or ("rest",)}
    meta = type("Meta", (), {"name": "renewal", "version": number})
    return type("Renewal", (Workflow,), {"Meta": meta, **body})


class StrandedTests(CommandTestCase):
    """Sleepers whose version a deploy has taken away."""

    def setUp(self) -> None:
        super().setUp()
        with isolate_workflows():
            self.asleep = [run(sleeper(1)) for _ in range(6)]
        self.words = "renewal version 1 is gone; this code has 2"
        sleeper(2)

    def test_the_doctor_names_them_at_once(self) -> None:
        with self.assertRaises(CommandError):
            self.call("doctor", "--json")
        findings = json.loads(self.answered)["findings"]
        (found,) = [one for one in findings if one["code"] == "stranded"]
        self.assertEqual((found["severity"], found["count"]), ("error", 6))
        self.assertIn(self.words, found["words"])
        self.assertEqual(found["samples"], [str(one.pk) for one in self.asleep[:3]])

    def test_status_names_them(self) -> None:
        self.assertIn(f"stranded, 6: {self.words}", self.call("status"))
        (told,) = self.json("status")["stranded"]
        self.assertEqual((told["count"], told["words"]), (6, self.words))

    def test_other_commands_show_one_all_the_same(self) -> None:
        for command in ("inspect", "status"):
            self.assertIn("renewal", self.call(command, self.asleep[0].pk))
        with self.assertRaisesRegex(CommandError, "renewal"):
            self.call("graph", "--execution", self.asleep[0].pk)

    def test_the_overview_names_them_for_whoever_may_see_them(self) -> None:
        response = browser(person("viewer")).get(page("overview"))
        self.assertContains(response, self.words)
        self.assertContains(response, page("execution_change", self.asleep[0].pk))
        sleeper(1)
        self.assertNotContains(browser(person("operator")).get(page("overview")), "Stranded")

    def test_the_page_of_one_keeps_a_flow_that_says_why_it_is_not_drawn(self) -> None:
        response = browser(person("viewer")).get(page("execution_change", self.asleep[0].pk))
        self.assertContains(response, ">Flow</h2>")
        self.assertContains(response, f"It can&#x27;t be drawn: {self.words}")

    def test_a_step_that_is_gone_is_named_by_its_path_and_the_page_is_shown(self) -> None:
        with isolate_workflows():
            lost = run(sleeper(2, "old"))
        (one,) = [one for one in stranded() if one.version == 2]
        glance = stranded_at_a_glance(Execution.objects.all())
        self.assertIn(one, glance)
        self.assertEqual((one.path, one.missing, one.ids), ("old", "step", [lost.pk]))
        response = browser(person("viewer")).get(page("execution_change", lost.pk))
        self.assertContains(response, ">Flow</h2>")

    def test_a_glance_sees_what_the_whole_look_sees(self) -> None:
        self.assertEqual(stranded_at_a_glance(Execution.objects.all()), stranded())
        self.assertEqual(stranded_at_a_glance(Execution.objects.none()), [])

    def test_live_workers_that_have_the_version_make_it_a_warning(self) -> None:
        with isolate_workflows():
            sleeper(1)
            a_worker()
        self.call("doctor", "--json")
        (found,) = [
            one for one in json.loads(self.answered)["findings"] if one["code"] == "stranded"
        ]
        self.assertEqual(found["severity"], "warning")
        self.assertIn("live workers have it still", found["words"])
