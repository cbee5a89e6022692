"""Executions over REST: listed, started once per key, looked at, acted on; secrets are masked."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

import durable
from durable import Data, Workflow, WorkflowMeta, chain, foreach, step
from durable.models import AuditEntry, Event, Execution, StepRun, Wait
from durable.showing.values import plain
from durable.testing import drain, run, time_travel
from tests.doors.rest.cases import Api, RestTestCase, with_tenants
from tests.shop.models import Order

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class StartTests(RestTestCase):
    """POST executions/"""

    def test_a_start_answers_201_with_its_address_and_is_audited_with_user_and_origin(self) -> None:
        answer = self.as_operator.post(
            "executions/",
            {
                "workflow": "plain",
                "input": {"n": 1},
                "queue": "slow",
                "priority": 5,
                "keys": ["order:1"],
                "tags": {"tenant": "acme"},
            },
        )
        self.assertEqual(answer.status_code, 201, answer.content)
        row = Execution.objects.get(pk=answer.body["id"])
        self.assertEqual(answer["Location"], f"/durable/executions/{row.pk}/")
        self.assertEqual((row.queue, row.priority, row.tags), ("slow", 5, {"tenant": "acme"}))
        self.assertEqual([key.key for key in row.keys.all()], ["order:1"])
        entry = AuditEntry.objects.get()
        self.assertEqual((entry.action, entry.actor), ("start", self.operator))
        self.assertEqual((entry.origin, entry.execution_id), ("rest 127.0.0.1", row.pk))
        drain()
        detail = self.as_operator.get(f"executions/{row.pk}/")
        self.assertEqual(detail.body["result"], {"n": 1, "done": True})

    def test_the_header_makes_it_safe_to_repeat(self) -> None:
        body = {"workflow": "plain", "input": {"n": 1}}
        first = self.as_operator.post("executions/", body, Idempotency_Key="k1")
        again = self.as_operator.post("executions/", body, Idempotency_Key="k1")
        other = self.as_operator.post(
            "executions/", {**body, "input": {"n": 2}}, Idempotency_Key="k1"
        )
        self.assertEqual((first.status_code, again.status_code), (201, 200))
        self.assertEqual(first.body["id"], again.body["id"])
        self.assertProblem(other, 409, "k1")
        self.assertEqual(Execution.objects.count(), 1)
        self.assertEqual(AuditEntry.objects.count(), 1)

    def test_header_and_body_must_not_contradict_each_other(self) -> None:
        body = {"workflow": "plain", "idempotency_key": "b"}
        answer = self.as_operator.post("executions/", body, Idempotency_Key="a")
        self.assertIn("idempotency_key", self.assertProblem(answer, 400)["errors"])
        self.assertEqual(
            self.as_operator.post("executions/", body, Idempotency_Key="b").status_code, 201
        )

    def test_what_does_not_fit_is_refused_field_by_field_and_stores_nothing(self) -> None:
        cases: list[tuple[dict[str, Any], str]] = [
            ({}, "workflow"),
            ({"workflow": "nothing_like_it"}, "workflow"),
            ({"workflow": 5}, "workflow"),
            ({"workflow": "plain", "inptu": {}}, "inptu"),
            ({"workflow": "plain", "input": [1]}, "input"),
            ({"workflow": "plain", "input": None}, "input"),
            ({"workflow": "plain", "priority": "1"}, "priority"),
            ({"workflow": "plain", "priority": 2**31}, "priority"),
            ({"workflow": "plain", "priority": 1.5}, "priority"),
            ({"workflow": "plain", "keys": "order:1"}, "keys"),
            ({"workflow": "plain", "keys": [""]}, "keys.0"),
            ({"workflow": "plain", "tags": []}, "tags"),
            ({"workflow": "plain", "delay": -1}, "delay"),
            ({"workflow": "plain", "scheduled_at": "2026-01-01T00:00:00"}, "scheduled_at"),
            ({"workflow": "plain", "scheduled_at": "soon"}, "scheduled_at"),
            ({"workflow": "plain", "scheduled_at": "9999-12-31T23:59:59Z"}, "scheduled_at"),
            ({"workflow": "plain", "subject": "1"}, "subject"),
            ({"workflow": "plain", "idempotency_key": "x" * 256}, "idempotency_key"),
        ]
        for body, field in cases:
            with self.subTest(body=body):
                answer = self.assertNothingStored(
                    lambda body=body: self.as_operator.post("executions/", body)
                )
                self.assertIn(field, self.assertProblem(answer, 400)["errors"])

    def test_both_a_delay_and_a_time_are_refused(self) -> None:
        body = {"workflow": "plain", "delay": 5, "scheduled_at": "2030-01-01T00:00:00Z"}
        self.assertProblem(self.as_operator.post("executions/", body), 400, "exclude each other")

    def test_the_subject_is_a_row_of_the_model_that_the_workflow_names(self) -> None:
        class About(Workflow):
            class Meta(WorkflowMeta):
                subject = "shop.Order"

            @step
            def go(self, data: Data) -> None: ...

        order = Order.objects.create(reference="A-1")
        orders = Permission.objects.filter(content_type__app_label="shop")
        self.operator.user_permissions.add(orders.get(codename="view_order"))
        body = {"workflow": "about", "subject": str(order.pk)}
        answer = self.as_operator.post("executions/", body)
        self.assertEqual(answer.body["subject"], {"type": "shop.order", "id": str(order.pk)})
        for wrong in ("0", "x", "9" * 40):
            refused = self.as_operator.post("executions/", {**body, "subject": wrong})
            self.assertIn("subject", self.assertProblem(refused, 400)["errors"])

    def test_what_a_tenant_starts_is_the_tenants_and_its_keys_tell_others_nothing(self) -> None:
        with with_tenants():
            body = {"workflow": "plain", "input": {"n": 1}, "tags": {"tenant": "acme", "a": 1}}
            first = Api(self.stranger).post("executions/", body, Idempotency_Key="k")
            self.assertEqual(first.body["tags"], {"tenant": "other", "a": 1})
            for data in ({"n": 1}, {"n": 2}):
                answer = self.as_operator.post(
                    "executions/", {**body, "input": data}, Idempotency_Key="k"
                )
                problem = self.assertProblem(answer, 409)
                self.assertNotIn(first.body["id"], str(problem))

    def test_a_workflow_may_ask_for_permissions_of_its_own(self) -> None:
        class Guarded(Workflow):
            class Meta(WorkflowMeta):
                permissions = ("shop.add_order",)

            @step
            def go(self, data: Data) -> None: ...

        self.assertProblem(self.as_operator.post("executions/", {"workflow": "guarded"}), 403)
        self.operator.user_permissions.add(
            Permission.objects.get(codename="add_order", content_type__app_label="shop")
        )
        answer = self.as_operator.post("executions/", {"workflow": "guarded"})
        self.assertEqual(answer.status_code, 201)


class ListTests(RestTestCase):
    """GET executions/"""

    def ids(self, **query: Any) -> list[str]:
        answer = self.as_viewer.get("executions/", **query)
        self.assertEqual(answer.status_code, 200, answer.content)
        return [row["id"] for row in answer.body["results"]]

    def test_each_filter_finds_what_it_asks_for(self) -> None:
        order = Order.objects.create(reference="A-1")
        with time_travel(at=NOON):
            old = run("plain", tags={"n": 5, "tenant": "acme"}, idempotency_key="k")
        with time_travel(at=NOON + timedelta(days=1)):
            new = run("waiting", {"order": "o:1"}, queue="slow", subject=order, tags={"n": "5"})
            two = run("two_ask")
        asked: list[tuple[dict[str, Any], list[Execution]]] = [
            ({}, [two, new, old]),
            ({"workflow": "plain"}, [old]),
            ({"status": "completed"}, [old]),
            ({"status": ["completed", "waiting"]}, [two, new, old]),
            ({"queue": "slow"}, [new]),
            ({"tag": "n:5"}, [new, old]),
            ({"tag": ["n:5", "tenant:acme"]}, [old]),
            ({"tag": "tenant:"}, []),
            ({"subject": f"shop.Order:{order.pk}"}, [new]),
            ({"key": "o:1"}, [new]),
            ({"idempotency_key": "k"}, [old]),
            ({"created_after": "2026-03-03T00:00:00Z"}, [two, new]),
            ({"created_before": "2026-03-03T00:00:00Z"}, [old]),
            ({"has_children": "true"}, [two]),
            ({"has_children": "false"}, [new, old]),
            ({"roots": "true"}, [two, new, old]),
            ({"roots": "false"}, []),
        ]
        for query, expected in asked:
            with self.subTest(query=query):
                self.assertEqual(self.ids(**query), [str(row.pk) for row in expected])

    def test_a_wrong_filter_is_refused_by_name_and_an_unknown_one_too(self) -> None:
        wrong: list[dict[str, Any]] = [
            {"status": "done"},
            {"tag": "tenant"},
            {"subject": "order"},
            {"created_after": "yesterday"},
            {"created_after": "0001-01-01T00:00:00+14:00"},
            {"created_before": "9999-12-31T23:59:59-14:00"},
            {"has_children": "perhaps"},
            {"workflow": "plane"},
            {"workflow": "a\0b"},
            {"tag": "a\0:b"},
            {"tag": "a:\0"},
            {"subject": "a.b:\0"},
            {"key": "\0"},
            {"stauts": "failed"},
            {"page_size": "0"},
            {"page_size": "201"},
            {"page_size": "1e400"},
            {"page_size": "²"},
            {"cursor": "x"},
            {"cursor": "WzAsMSwyXQ"},
            {"cursor": "é"},
            {"cursor": "[" * 5000},
        ]
        for query in wrong:
            with self.subTest(query=query):
                answer = self.as_viewer.get("executions/", **query)
                self.assertEqual(list(self.assertProblem(answer, 400)["errors"]), list(query))

    def test_pages_hold_each_row_once_in_order_whichever_way_one_reads(self) -> None:
        class Each(Workflow):
            @step
            def go(self, data: Data) -> None: ...

        with time_travel(at=NOON):  # a full second, and all of them tie
            for _ in range(7):
                durable.start("each")
        with time_travel(at=NOON + timedelta(microseconds=1)):
            durable.start("each")
        durable.start_many("each", [{}] * 5)
        with time_travel(at=NOON - timedelta(seconds=1)):
            durable.start("each")
        everything = list(
            Execution.objects.order_by("-created_at", "-id").values_list("pk", flat=True)
        )
        for size in (1, 3, 14, 20):
            pages, page = [], self.as_viewer.get("executions/", page_size=size)
            pages.append(page)
            while page.body["next"]:
                page = self._follow(page.body["next"])
                pages.append(page)
            read = [row["id"] for page in pages for row in page.body["results"]]
            self.assertEqual(read, [str(pk) for pk in everything], f"pages of {size}")
            back = [row["id"] for row in pages[-1].body["results"]]
            while page.body["previous"]:
                page = self._follow(page.body["previous"])
                back = [row["id"] for row in page.body["results"]] + back
            self.assertEqual(back, [str(pk) for pk in everything], f"backwards, of {size}")

    def _follow(self, url: str) -> Any:
        return self.as_viewer.get(url.split("/durable/")[1])

    def test_a_page_is_a_range_of_the_index_and_sorts_nothing(self) -> None:
        durable.start_many("plain", [{}] * 60)
        page = self.as_viewer.get("executions/", page_size=20)
        for url in (page.body["next"], self._follow(page.body["next"]).body["previous"]):
            with CaptureQueriesContext(connection) as caught:
                self._follow(url)
            (sql,) = (q["sql"] for q in caught if 'FROM "durable_execution"' in q["sql"])
            with connection.cursor() as cursor:
                if connection.vendor == "postgresql":
                    # which a few rows would tempt it to
                    for way in ("seqscan", "bitmapscan", "sort"):
                        cursor.execute(f"SET LOCAL enable_{way} = off")
                    cursor.execute(f"EXPLAIN {sql}")
                else:
                    cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
                plan = "\n".join(str(row) for row in cursor.fetchall())
            self.assertIn("durable_exec_newest", plan)
            self.assertNotRegex(plan, r"Sort|TEMP B-TREE")
            self.assertRegex(plan, r"Index Cond: .*created_at|created_at[<>]")

    def test_a_list_costs_the_same_statements_however_long_it_is(self) -> None:
        def cost() -> int:
            with CaptureQueriesContext(
                connection,
            ) as caught:
                self.assertEqual(self.as_viewer.get("executions/").status_code, 200)
            return len(caught)

        durable.start("plain")
        one = cost()
        durable.start_many("plain", [{}] * 55)
        self.assertEqual(cost(), one)
        self.assertLessEqual(one, 6)

    def test_the_list_shows_no_data_and_leaves_it_in_the_database(self) -> None:
        run("plain", {"secret": "x" * 100})
        with CaptureQueriesContext(connection) as caught:
            answer = self.as_viewer.get("executions/")
        self.assertNotIn("input", answer.body["results"][0])
        self.assertFalse([q for q in caught if '"durable_execution"."input"' in q["sql"]])


class OneTests(RestTestCase):
    """GET executions/{id}/ and what hangs on it."""

    def test_values_are_shown_in_plain_json(self) -> None:
        value = {
            "at": NOON, "on": date(2026, 3, 2), "time": time(9, 30), "for": timedelta(seconds=90),
            "price": Decimal("1.50"), "id": UUID(int=1), "bytes": b"\x00\xff", "pair": (1, "b"),
            "set": {3, 1, 2}, "frozen": frozenset({"b", "a"}), "none": None, "yes": True, "x": 1.5,
        }  # fmt: skip
        shown = self.as_viewer.get(f"executions/{run('plain', value).pk}/").body["input"]
        self.assertEqual(
            shown,
            {
                "at": "2026-03-02T12:00:00+00:00", "on": "2026-03-02", "time": "09:30:00",
                "for": "P0DT00H01M30S", "price": "1.50", "id": str(UUID(int=1)), "bytes": "AP8=",
                "pair": [1, "b"], "set": [1, 2, 3], "frozen": ["a", "b"], "none": None,
                "yes": True, "x": 1.5,
            },
        )  # fmt: skip

    def test_counted_numbers_are_plain_numbers(self) -> None:
        data = durable.append(durable.increment({"n": Decimal(1)}, "n"), "l", 1)
        self.assertEqual(plain(data), {"n": "2", "l": [1]})

    def test_secrets_are_masked_unless_one_may_see_payloads(self) -> None:
        failed = self.failed()
        for path in ("", "steps/"):
            with self.subTest(path):
                shown = self.as_viewer.get(f"executions/{failed.pk}/{path}").content.decode()
                for secret in ("s3cret", "hunter2", "abc123"):
                    self.assertNotIn(secret, shown)
                whole = Api(self.boss).get(f"executions/{failed.pk}/{path}").content.decode()
                self.assertIn("s3cret", whole)
                self.assertIn("abc123", whole)

    def test_the_detail_says_what_can_be_done_by_whom(self) -> None:
        failed = self.failed()
        self.assertEqual(self.as_viewer.get(f"executions/{failed.pk}/").body["actions"], [])
        self.assertEqual(
            self.as_operator.get(f"executions/{failed.pk}/").body["actions"],
            ["retry", "rerun", "compensate"],
        )

    def test_steps_waits_events_children_and_graph_are_there(self) -> None:
        asking = self.ask()
        durable.send_event(asking.pk, "ping", {"password": "x"})
        steps = self.as_viewer.get(f"executions/{asking.pk}/steps/").body["results"]
        self.assertEqual([(one["name"], one["status"]) for one in steps], [("ask", "waiting")])
        waits = self.as_viewer.get(f"executions/{asking.pk}/waits/").body["results"]
        self.assertEqual([(one["kind"], one["name"]) for one in waits], [("input", "manager")])
        events = self.as_viewer.get(f"executions/{asking.pk}/events/").body["results"]
        self.assertEqual(events[0]["payload"], {"password": "••••••"})
        graph = self.as_viewer.get(f"executions/{asking.pk}/graph/").body
        self.assertEqual([node["path"] for node in graph["nodes"]], ["#start", "ask", "#end"])
        self.assertEqual(graph["edges"][0], {"source": "#start", "target": "ask", "label": ""})

    def test_branches_and_items_are_part_of_the_whole_and_can_be_looked_at_by_their_ids(
        self,
    ) -> None:
        two = run("two_ask")
        children = self.as_viewer.get(f"executions/{two.pk}/children/").body["results"]
        self.assertEqual([one["branch"] for one in children], ["left", "right"])
        waits = self.as_viewer.get(f"executions/{two.pk}/waits/").body["results"]
        self.assertEqual({one["execution"] for one in waits}, {one["id"] for one in children})
        part = children[0]["id"]
        self.assertEqual(self.as_viewer.get(f"executions/{part}/").body["root"], str(two.pk))
        self.assertEqual(len(self.as_viewer.get(f"executions/{part}/steps/").body["results"]), 1)
        for action in ("cancel", "retry", "pause", "resume", "rerun", "compensate"):
            refused = self.assertNothingStored(
                lambda action=action: self.as_operator.post(f"executions/{part}/{action}/")
            )
            self.assertProblem(refused, 409, "part")

    def test_lists_of_one_execution_cost_the_same_however_long_they_are(self) -> None:
        class Many(Workflow):
            @step
            def one(self, data: Data, item: int, index: int) -> Data:
                return {**data, "seen": self.wait_for_text("why", timeout=None)}

            flow = chain(foreach("items", one, concurrency=60))

        def cost(execution: Execution, path: str) -> int:
            with CaptureQueriesContext(connection) as caught:
                answer = self.as_viewer.get(f"executions/{execution.pk}/{path}/")
            self.assertEqual(answer.status_code, 200)
            return len(caught)

        few, many = run("many", {"items": [1]}), run("many", {"items": list(range(55))})
        self.assertEqual(Wait.objects.count(), 56)
        self.assertEqual(StepRun.objects.filter(path="one/one").count(), 0)
        for path in ("steps", "waits", "children", "events", "audit"):
            with self.subTest(path):
                self.assertEqual(cost(few, path), cost(many, path))
                self.assertLessEqual(cost(many, path), 8)

    def test_what_is_not_there_or_not_an_id_is_a_404_in_the_same_words(self) -> None:
        for id in (str(uuid4()), "x", "0", "é", "%00", "a" * 300):
            for path in ("", "steps/", "graph/", "audit/", "inputs/manager/"):
                self.assertProblem(self.as_viewer.get(f"executions/{id}/{path}"), 404)
        self.assertProblem(self.as_operator.post(f"executions/{uuid4()}/cancel/"), 404)

    def test_a_version_that_this_process_lacks_has_no_graph(self) -> None:
        row = self.ask()
        Execution.objects.filter(pk=row.pk).update(version=7)
        self.assertProblem(self.as_viewer.get(f"executions/{row.pk}/graph/"), 404, "version 7")


class ActionTests(RestTestCase):
    """POST executions/{id}/cancel/ and the others."""

    def test_each_action_does_what_it_says_and_is_audited_once(self) -> None:
        waiting, failed, held = self.ask(), self.failed(), self.failed()
        done = run("plain")
        calls: list[tuple[Execution, str, Any, int, str]] = [
            (waiting, "pause", None, 200, "paused"),
            (waiting, "resume", {}, 200, "waiting"),
            (waiting, "cancel", {"reason": "why"}, 200, "cancelled"),
            (failed, "retry", {"restart_step": True}, 200, "pending"),
            (held, "compensate", None, 200, "compensating"),
            (done, "rerun", {"from_step": "go"}, 201, "pending"),
        ]
        for row, action, body, code, status in calls:
            with self.subTest(action):
                known = set(AuditEntry.objects.values_list("pk", flat=True))
                answer = self.as_operator.post(f"executions/{row.pk}/{action}/", body)
                self.assertEqual(answer.status_code, code, answer.content)
                self.assertEqual(answer.body["status"], status)
                entry = AuditEntry.objects.exclude(pk__in=known).get()
                self.assertEqual((entry.action, entry.actor), (action, self.operator))
                self.assertEqual(entry.origin, "rest 127.0.0.1")
        trail = self.as_viewer.get(f"executions/{waiting.pk}/audit/").body["results"]
        self.assertEqual([one["action"] for one in trail], ["cancel", "resume", "pause"])
        self.assertEqual(trail[0]["after"], {"status": "cancelled", "reason": "why"})

    def test_cancel_can_undo_what_is_done(self) -> None:
        class Booked(Workflow):
            @step
            def book(self, data: Data) -> None: ...

            @book.compensate
            def unbook(self, data: Data) -> None: ...

            @step
            def wait(self, data: Data) -> None:
                self.wait_for_event("never")

        row = run("booked")
        answer = self.as_operator.post(f"executions/{row.pk}/cancel/", {"compensate": True})
        self.assertEqual(answer.status_code, 200)
        drain()
        row.refresh_from_db()
        self.assertEqual(row.status, "compensated")

    def test_what_the_state_does_not_allow_is_a_conflict_in_words(self) -> None:
        done = run("plain")
        for action in ("cancel", "retry", "pause", "resume", "compensate"):
            answer = self.assertNothingStored(
                lambda action=action: self.as_operator.post(f"executions/{done.pk}/{action}/")
            )
            problem = self.assertProblem(answer, 409, "it is completed")
            self.assertEqual(problem["type"], "urn:durable:invalid-transition")

    def test_a_field_that_means_nothing_is_refused(self) -> None:
        row = self.ask()
        wrong: list[tuple[str, Any]] = [
            ("cancel", {"resaon": "x"}),
            ("cancel", {"compensate": "yes"}),
            ("pause", {"x": 1}),
            ("retry", {"restart_step": 1}),
            ("cancel", []),
            ("cancel", "x"),
            ("cancel", 0),
        ]
        for action, body in wrong:
            answer = self.as_operator.post(f"executions/{row.pk}/{action}/", body)
            self.assertProblem(answer, 400)
        row.refresh_from_db()
        self.assertEqual(row.status, "waiting")


class EventTests(RestTestCase):
    """POST executions/{id}/events/ and events/"""

    def test_an_event_is_stored_once_per_id(self) -> None:
        row = run("waiting")
        path, body = f"executions/{row.pk}/events/", {"name": "paid", "payload": {"n": 1}}
        first = self.as_operator.post(path, body, Idempotency_Key="e1")
        again = self.as_operator.post(path, {**body, "event_id": "e1"})
        other = self.as_operator.post(path, {"name": "paid"}, Idempotency_Key="e1")
        self.assertEqual((first.status_code, again.status_code), (201, 200))
        self.assertEqual(first.body["id"], again.body["id"])
        self.assertProblem(other, 409, "e1")
        self.assertEqual(AuditEntry.objects.count(), 1)
        drain()
        row.refresh_from_db()
        self.assertEqual(row.result["paid"], {"n": 1})
        self.assertProblem(self.as_operator.post(path, {"name": "paid"}), 409, "completed")

    def test_a_published_event_finds_who_carries_the_key_and_is_kept_if_nobody_does(self) -> None:
        row = run("waiting", {"order": "o:1"})
        for key, status in (("o:1", "delivered"), ("o:2", "kept")):
            body = {"name": "paid", "key": key, "payload": 5}
            answer = self.as_operator.post("events/", body, Idempotency_Key=key)
            again = self.as_operator.post("events/", body, Idempotency_Key=key)
            self.assertEqual((answer.status_code, again.status_code), (201, 200))
            drain()
            listed = self.as_viewer.get("events/", event_id=key, key=key).body["results"]
            self.assertIn(status, [one["status"] for one in listed])
        row.refresh_from_db()
        self.assertEqual(row.result["paid"], 5)
        kept = self.as_viewer.get("events/", status="kept").body["results"]
        self.assertEqual([one["key"] for one in kept], ["o:2"])
        self.assertEqual(
            list(AuditEntry.objects.values_list("action", "actor_name", "origin")),
            [("publish_event", "olga", "rest 127.0.0.1")] * 2,
        )

    def test_a_list_of_events_costs_the_same_however_long_it_is(self) -> None:
        def cost() -> int:
            with CaptureQueriesContext(connection) as caught:
                self.assertEqual(self.as_viewer.get("events/").status_code, 200)
            return len(caught)

        row = run("waiting")
        durable.send_event(row.pk, "x")
        one = cost()
        for number in range(52):
            durable.send_event(row.pk, f"x{number}")
        self.assertEqual(Event.objects.count(), 53)
        self.assertEqual(cost(), one)


class OtherTests(RestTestCase):
    """What holds for every address."""

    def test_json_only_is_spoken(self) -> None:
        get = self.as_viewer.client.get
        answer: Any = get("/durable/executions/", headers={"accept": "text/html"})
        self.assertEqual(
            (answer.status_code, answer["Content-Type"]), (406, "application/problem+json")
        )
        for kind in ("text/plain", "application/xml", "multipart/form-data; boundary=x", "x"):
            refused = self.as_operator.raw("executions/", b"workflow=plain", kind)
            self.assertProblem(refused, 415)
        refused = self.as_operator.raw(
            "executions/", b"workflow=plain", "application/x-www-form-urlencoded"
        )
        self.assertProblem(refused, 415)
        self.assertProblem(self.as_viewer.get("executions/", format="xml"), 404)

    def test_a_method_that_is_not_there_is_a_problem_too(self) -> None:
        for method in ("put", "patch", "delete", "options", "trace"):
            answer: Any = getattr(self.as_operator.client, method)("/durable/executions/")
            self.assertEqual(answer.status_code, 405, method)
            self.assertEqual(answer["Content-Type"], "application/problem+json")
            self.assertIn("POST", answer["Allow"])
        self.assertEqual(self.as_viewer.client.head("/durable/executions/").status_code, 200)

    def test_csrf_holds_for_sessions(self) -> None:
        strict = Api(self.operator, enforce_csrf_checks=True)
        self.assertProblem(strict.post("executions/", {"workflow": "plain"}), 403, "CSRF")
