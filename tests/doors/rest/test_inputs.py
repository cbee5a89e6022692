"""Questions over REST: who knows of them, what is asked; one answer only, by no other's id."""

from __future__ import annotations

from typing import Any
from unittest import mock

from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from durable import Data, Workflow, step
from durable.doors import access
from durable.models import AuditEntry, Wait
from durable.people.question import Question
from durable.testing import assert_completed, drain, run
from tests.doors.rest.cases import Api, RestTestCase, user, with_tenants


class InputTests(RestTestCase):
    """executions/{id}/inputs/{name}/"""

    def path(self, row: Any, name: str = "manager") -> str:
        return f"executions/{row.pk}/inputs/{name}/"

    def test_what_is_asked_is_a_json_schema(self) -> None:
        class Form(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                fields: list[dict[str, Any]] = [
                    {"name": "seats", "type": "integer", "label": "Seats"},
                    {"name": "why", "type": "text", "required": False},
                ]
                return self.wait_for_form("form", fields=fields, metadata={"token": "x", "n": 1})

        asked = self.as_viewer.get(self.path(run("form"), "form")).body
        self.assertEqual(asked["type"], "form")
        self.assertEqual(asked["metadata"], {"token": "••••••", "n": 1})
        schema = asked["schema"]
        self.assertEqual(schema["required"], ["seats"])
        self.assertEqual(schema["properties"]["seats"], {"title": "Seats", "type": "integer"})
        row = self.ask(wait={"prompt": "Buy?"})
        asked = self.as_viewer.get(self.path(row)).body
        self.assertEqual(asked["schema"]["enum"], ["approved", "rejected"])
        self.assertEqual((asked["prompt"], asked["status"]), ("Buy?", "open"))

    def test_an_answer_moves_the_execution_and_is_audited(self) -> None:
        row = self.ask()
        api = Api(self.approver)
        answer = api.post(self.path(row), {"answer": "approved", "comment": "fine"})
        self.assertEqual(answer.status_code, 200, answer.content)
        self.assertEqual(
            [answer.body[name] for name in ("status", "by", "comment", "answer")],
            ["answered", "ann", "fine", "approved"],
        )
        drain()
        assert_completed(row)
        entry = AuditEntry.objects.get()
        self.assertEqual((entry.action, entry.actor), ("provide_input", self.approver))
        self.assertEqual(entry.origin, "rest 127.0.0.1")
        again = api.post(self.path(row), {"answer": "rejected"})
        problem = self.assertProblem(again, 409, "already approved by ann at ")
        self.assertEqual(problem["type"], "urn:durable:already-answered")

    def test_what_does_not_fit_has_messages_by_field_and_stores_nothing(self) -> None:
        row = self.ask()
        api = Api(self.approver)
        wrong: list[tuple[Any, str]] = [
            ({"answer": "perhaps"}, "__all__"),
            ({"answer": None}, "__all__"),
            ({"answer": {"a": 1}}, "__all__"),
            ({}, "answer"),
            ({"answer": "approved", "coment": ""}, "coment"),
            ({"answer": "approved", "branch": "x"}, "branch"),
            ({"answer": "approved", "comment": 5}, "comment"),
        ]
        for body, field in wrong:
            answer = self.assertNothingStored(lambda body=body: api.post(self.path(row), body))
            self.assertIn(field, self.assertProblem(answer, 400)["errors"])
        self.assertEqual(Wait.objects.open().count(), 1)

    def test_who_may_see_but_not_answer_gets_403(self) -> None:
        row = self.ask(wait={"assignees": ["user:ann"], "exclude": ["user:olga"]})
        for api in (self.as_viewer, self.as_operator):
            self.assertProblem(api.post(self.path(row), {"answer": "approved"}), 403)
        answered = Api(self.approver).post(self.path(row), {"answer": "approved"})
        self.assertEqual(answered.status_code, 200)

    def test_who_is_named_needs_no_permission_and_sees_nothing_else(self) -> None:
        named = user("nora")
        row, other = self.ask(wait={"assignees": ["user:nora"]}), self.ask()
        api = Api(named)
        self.assertProblem(api.get(f"executions/{row.pk}/"), 404)
        self.assertProblem(api.get(self.path(other)), 404)
        self.assertProblem(api.post(self.path(other), {"answer": "approved"}), 404)
        self.assertProblem(api.get(self.path(row, "other")), 404)
        listed = api.get("inputs/").body["results"]
        self.assertEqual([one["execution"] for one in listed], [str(row.pk)])
        self.assertEqual(api.get(self.path(row)).status_code, 200)
        self.assertEqual(api.post(self.path(row), {"answer": "approved"}).status_code, 200)
        self.assertProblem(api.post(self.path(row), {"answer": "approved"}), 409, "nora")

    def test_the_id_of_one_execution_posted_to_anothers_input_changes_nothing(self) -> None:
        class Other(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                return {"other": self.wait_for_text("director")}

        mine, other, two = self.ask(), run("other"), run("two_ask")
        part = two.waits.model.objects.filter(root_id=two.pk)[0].execution_id
        api = Api(self.approver)
        cases = [
            (self.path(mine, "director"), {"answer": "x"}),
            (self.path(other, "manager"), {"answer": "approved"}),
            (self.path(mine), {"answer": "approved", "branch": str(other.pk)}),
            (self.path(mine), {"answer": "approved", "branch": str(part)}),
            (self.path(two, "why"), {"answer": "x", "branch": str(mine.pk)}),
            (f"executions/{part}/inputs/manager/", {"answer": "approved"}),
        ]
        for path, body in cases:
            with self.subTest(path, body=body):
                answer = self.assertNothingStored(lambda p=path, b=body: api.post(p, b))
                self.assertProblem(answer, 404)
        self.assertEqual(Wait.objects.open().filter(kind="input").count(), 4)

    def test_several_open_questions_of_one_name_are_told_apart_by_branch(self) -> None:
        two = run("two_ask")
        ids = sorted(str(w.execution_id) for w in Wait.objects.open().filter(kind="input"))
        for answer in (
            self.as_viewer.get(self.path(two, "why")),
            Api(self.approver).post(self.path(two, "why"), {"answer": "x"}),
        ):
            self.assertEqual(sorted(self.assertProblem(answer, 409)["branches"]), ids)
        asked = self.as_viewer.get(self.path(two, "why"), branch=ids[0])
        self.assertEqual(asked.body["branch"], ids[0])
        self.assertProblem(self.as_viewer.get(self.path(two, "why"), branch="x"), 400)
        for part in ids:
            body = {"answer": "x", "branch": part}
            self.assertEqual(Api(self.approver).post(self.path(two, "why"), body).status_code, 200)
        drain()
        assert_completed(two)

    def test_a_quorum_counts_people_and_tells_who_comes_twice(self) -> None:
        row = self.ask(wait={"quorum": 2})
        api = Api(self.approver)
        first = api.post(self.path(row), {"answer": "approved"})
        self.assertEqual((first.body["status"], first.body["votes"]), ("open", 1))
        self.assertProblem(api.post(self.path(row), {"answer": "approved"}), 409, "ann")
        second = self.as_operator.post(self.path(row), {"answer": "approved"})
        self.assertEqual((second.body["status"], second.body["votes"]), ("answered", 2))

    def test_reassigning_puts_others_in_charge(self) -> None:
        row = self.ask()
        path = f"{self.path(row)}reassign/"
        self.assertProblem(self.as_viewer.post(path, {"to": ["user:viv"]}), 403)
        for wrong in ({"to": ["viv"]}, {"to": "user:viv"}, {}, {"to": [5]}):
            self.assertProblem(self.as_operator.post(path, wrong), 400)
        done = self.as_operator.post(path, {"to": ["user:viv"]})
        self.assertEqual(done.body["assignees"], ["user:viv"])
        self.assertEqual(
            [(one.action, one.actor_name, one.origin) for one in AuditEntry.objects.all()],
            [("reassign", "olga", "rest 127.0.0.1")],
        )
        self.assertProblem(Api(self.approver).post(self.path(row), {"answer": "approved"}), 403)
        answered = self.as_viewer.post(self.path(row), {"answer": "approved"})
        self.assertEqual(answered.status_code, 200)

    def test_a_hidden_question_is_spoken_of_as_one_that_is_not_there(self) -> None:
        hidden, api = self.ask(), Api(user("nora"))
        for pk in (str(hidden.pk), str(hidden.pk).upper(), hidden.pk.hex):
            for none, body in ((pk, {"answer": "x"}), (pk[:-1] + "0", {"answer": "x"})):
                path = f"executions/{none}/inputs/manager/"
                for answer in (api.get(path), api.post(path, body)):
                    problem = self.assertProblem(answer, 404)
                    self.assertEqual(problem["detail"], f"there is no execution {none}")

    def test_of_two_open_questions_of_one_name_a_stranger_knows_only_their_own(self) -> None:
        two, api = run("two_ask"), Api(user("nora"))
        mine, other = Wait.objects.open().filter(kind="input", root_id=two.pk)
        Wait.objects.filter(pk=mine.pk).update(assignees=["user:nora"])
        path = self.path(two, "why")
        body = {"answer": "x", "branch": str(other.execution_id)}
        self.assertProblem(api.post(path, body), 404)
        self.assertEqual(api.get(path).body["branch"], str(mine.execution_id))
        self.assertEqual(api.post(path, {"answer": "x"}).status_code, 200)
        self.assertEqual([row.pk for row in Wait.objects.open().filter(kind="input")], [other.pk])

    def test_who_may_answer_is_decided_once_in_an_answer(self) -> None:
        named = user("nora")
        for who, wait in ((self.approver, {}), (named, {"assignees": ["user:nora"]})):
            row = self.ask(wait=wait)
            with (
                mock.patch.object(access, "refusals", wraps=access.refusals) as decided,
                mock.patch.object(Question, "why_not", autospec=True, return_value=None) as asked,
            ):
                answer = Api(who).post(self.path(row), {"answer": "approved"})
            self.assertEqual(answer.status_code, 200)
            self.assertEqual((decided.call_count, asked.call_count), (1, 1))

    def test_names_are_not_confused_with_addresses(self) -> None:
        class Odd(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                return {"a": self.wait_for_text("a/b é?")}

        row = run("odd")
        path = f"executions/{row.pk}/inputs/a%2Fb%20%C3%A9%3F/"
        self.assertEqual(self.as_viewer.get(path).body["name"], "a/b é?")
        self.assertEqual(Api(self.approver).post(path, {"answer": "x"}).status_code, 200)


class ListTests(RestTestCase):
    """GET inputs/"""

    def test_open_questions_of_what_one_sees_and_mine_of_what_one_may_answer(self) -> None:
        one = self.ask()
        two = self.ask(wait={"assignees": ["user:olga"]})
        done = self.ask()
        Api(self.approver).post(f"executions/{done.pk}/inputs/manager/", {"answer": "approved"})

        def ids(api: Api, **query: Any) -> list[str]:
            return [row["execution"] for row in api.get("inputs/", **query).body["results"]]

        both, first = [str(one.pk), str(two.pk)], [str(one.pk)]
        self.assertEqual(ids(self.as_viewer), both)
        self.assertEqual(ids(self.as_viewer, mine="true"), [])
        self.assertEqual(ids(Api(self.approver), mine="true"), first)
        self.assertEqual(ids(self.as_operator, mine="true"), both)
        self.assertProblem(self.as_viewer.get("inputs/", mine="perhaps"), 400)

    def test_it_costs_the_same_however_many_there_are(self) -> None:
        self.approver.groups.add(Group.objects.create(name="finance"))
        api = Api(self.approver)

        def cost(**query: Any) -> tuple[int, int]:
            with CaptureQueriesContext(connection) as caught:
                answer = api.get("inputs/", **query)
            return len(caught), len(answer.body["results"])

        wait = {"assignees": ["group:finance"], "exclude": ["group:other"]}
        with with_tenants():
            self.ask(wait=wait)
            few = {mine: cost(mine=mine)[0] for mine in ("true", "false")}
            for _ in range(49):
                self.ask(wait=wait)
            self.assertEqual(Wait.objects.count(), 50)
            for mine in ("true", "false"):
                self.assertEqual(cost(mine=mine), (few[mine], 50))
                self.assertLessEqual(few[mine], 12)

    def test_a_page_of_mine_reads_on_past_what_is_not_mine(self) -> None:
        mine = []
        for number in range(12):
            named = "user:ann" if number % 4 == 0 else "perm:shop.nothing"
            row = self.ask(wait={"assignees": [named]})
            mine += [str(row.pk)] if number % 4 == 0 else []
        api = Api(self.approver)
        page = api.get("inputs/", mine="true", page_size=2)
        first = [one["execution"] for one in page.body["results"]]
        rest = api.get(page.body["next"].split("/durable/")[1])
        self.assertEqual(first + [one["execution"] for one in rest.body["results"]], mine)
        self.assertIsNone(rest.body["next"])
