"""Schedules, queues, workers and workflows over REST, and how often one may ask."""

from __future__ import annotations

import dataclasses
from typing import Any, TypedDict
from unittest import mock

from django.core.cache import cache
from django.test import override_settings
from pydantic import BaseModel
from rest_framework.throttling import UserRateThrottle

import durable
from durable import Cron, Data, OnEvent, Workflow, WorkflowMeta, clock, minutes, step
from durable.models import AuditEntry, Execution, Queue, Schedule, Worker
from durable.testing import drain
from tests.doors.rest.cases import Api, RestTestCase


@dataclasses.dataclass
class Line:
    sku: str
    count: int = 1


class Order(TypedDict):
    id: str
    lines: list[dict[str, int]]
    note: str | None


class Paid(BaseModel):
    amount: int


class ScheduleTests(RestTestCase):
    """schedules/"""

    def setUp(self) -> None:
        super().setUp()
        durable.schedule("plain", "0 9 * * *", name="daily", input={"token": "x"})

    def test_they_are_listed_shown_switched_and_run(self) -> None:
        (listed,) = self.as_viewer.get("schedules/").body["results"]
        self.assertEqual((listed["name"], listed["workflow"]), ("daily", "plain"))
        self.assertEqual(listed["input"], {"token": "••••••"})
        one = "schedules/daily/"
        self.assertEqual(self.as_viewer.get(one).body, listed)
        self.assertFalse(self.as_operator.post(f"{one}disable/").body["enabled"])
        self.assertTrue(self.as_operator.post(f"{one}enable/", {}).body["enabled"])
        run = self.as_operator.post(f"{one}trigger/")
        self.assertEqual(run.status_code, 201)
        self.assertEqual(Execution.objects.get().pk, Execution.objects.get(pk=run.body["id"]).pk)
        self.assertEqual(
            list(
                AuditEntry.objects.filter(actor=self.operator)
                .order_by("at", "id")
                .values_list("action", "origin")
            ),
            [
                (action, "rest 127.0.0.1")
                for action in ("disable_schedule", "enable_schedule", "trigger_schedule")
            ],
        )

    def test_what_is_not_there_is_a_404_and_what_one_may_not_do_a_403(self) -> None:
        for path in ("nothing/", "nothing/enable/", "%00/", f"{'x' * 300}/"):
            api = self.as_operator
            answer = (
                api.post(f"schedules/{path}") if "enable" in path else api.get(f"schedules/{path}")
            )
            self.assertProblem(answer, 404)
        for change in ("enable", "disable", "trigger"):
            answer = self.assertNothingStored(
                lambda change=change: self.as_viewer.post(f"schedules/daily/{change}/")
            )
            self.assertProblem(answer, 403, "manage")
        self.assertTrue(Schedule.objects.get().enabled)

    def test_pages_go_by_name(self) -> None:
        for name in ("b", "a", "c"):
            durable.schedule("plain", "0 9 * * *", name=name)
        page = self.as_viewer.get("schedules/", page_size=3)
        names = [one["name"] for one in page.body["results"]]
        rest = self.as_viewer.get(page.body["next"].split("/durable/")[1]).body["results"]
        self.assertEqual([*names, *(one["name"] for one in rest)], ["a", "b", "c", "daily"])


class QueueTests(RestTestCase):
    """queues/ and workers/"""

    def test_a_queue_is_paused_limited_and_resumed(self) -> None:
        durable.start("plain")
        (listed,) = self.as_viewer.get("queues/").body["results"]
        self.assertEqual((listed["name"], listed["depth"], listed["paused"]), ("default", 1, False))
        post = self.as_operator.post
        self.assertTrue(post("queues/default/pause/").body["paused"])
        drain()
        self.assertEqual(Execution.objects.get().status, "pending")
        self.assertFalse(post("queues/default/resume/", {}).body["paused"])
        self.assertEqual(post("queues/default/limit/", {"limit": 3}).body["limit"], 3)
        self.assertIsNone(post("queues/default/limit/", {"limit": None}).body["limit"])
        self.assertEqual(self.as_viewer.get("queues/default/").body["limit"], None)
        self.assertEqual(
            list(AuditEntry.objects.order_by("at", "id").values_list("action", flat=True)),
            ["pause_queue", "resume_queue", "limit_queue", "limit_queue"],
        )

    def test_a_queue_that_nobody_knows_is_not_made_by_asking_for_it(self) -> None:
        for path in ("pause/", "resume/", "limit/"):
            answer = self.assertNothingStored(
                lambda path=path: self.as_operator.post(f"queues/defualt/{path}", {"limit": 1})
            )
            self.assertProblem(answer, 404)
        self.assertProblem(self.as_viewer.get("queues/defualt/"), 404)
        for body in ({}, {"limit": 0}, {"limit": "3"}, {"limit": 1e400}, {"limit": True}):
            answer = self.as_operator.post("queues/default/limit/", body)
            self.assertProblem(answer, 400)
        self.assertFalse(Queue.objects.exists())

    def test_workers_say_whether_they_are_alive(self) -> None:
        for name, shift in (("old", -1), ("new", 1)):
            Worker.objects.create(
                name=name, queues=["default"], kinds=["plain@1"], started_at=clock.now(),
                heartbeat_at=clock.now(), expires_at=clock.now() + minutes(shift),
            )  # fmt: skip
        listed = self.as_viewer.get("workers/").body["results"]
        self.assertEqual(
            [(one["name"], one["alive"]) for one in listed], [("new", True), ("old", False)]
        )


class WorkflowTests(RestTestCase):
    """workflows/"""

    def test_the_catalogue_has_versions_graphs_and_what_a_typed_start_needs(self) -> None:
        class Lines(Workflow):
            class Meta(WorkflowMeta):
                triggers = [OnEvent("line.added")]
                schedules = [Cron("0 9 * * *", name="lines_daily")]

            @step
            def go(self, data: Line) -> Data: ...

        class LinesTwo(Workflow):
            class Meta(WorkflowMeta):
                name = "lines"
                version = 2
                verbose_name = "Order lines"

            @step
            def go(self, data: Order) -> Data: ...

        class Payments(Workflow):
            @step
            def go(self, data: Paid) -> Data: ...

        summary = next(
            one
            for one in self.as_viewer.get("workflows/").body["results"]
            if one["name"] == "lines"
        )
        self.assertEqual((summary["version"], summary["versions"]), (2, [2, 1]))
        self.assertEqual(summary["verbose_name"], "Order lines")
        two, one = self.as_viewer.get("workflows/lines/").body["details"]
        self.assertEqual(one["steps"], ["go"])
        self.assertEqual([node["path"] for node in one["graph"]["nodes"]][1], "go")
        self.assertEqual(one["input_schema"]["required"], ["sku"])
        self.assertEqual(one["input_schema"]["properties"]["count"], {"type": "integer"})
        self.assertEqual(two["input_schema"]["required"], ["id", "lines", "note"])
        self.assertEqual(
            two["input_schema"]["properties"]["note"],
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
        )
        (paid,) = self.as_viewer.get("workflows/payments/").body["details"]
        self.assertEqual(paid["input_schema"]["properties"]["amount"]["type"], "integer")
        (plain,) = self.as_viewer.get("workflows/plain/").body["details"]
        self.assertIsNone(plain["input_schema"])
        self.assertProblem(self.as_viewer.get("workflows/nothing/"), 404)


class ThrottleTests(RestTestCase):
    """Rates are the project's, by scope."""

    def setUp(self) -> None:
        super().setUp()
        cache.clear()
        self.addCleanup(cache.clear)

    def rates(self, **rates: str) -> Any:
        return override_settings(REST_FRAMEWORK={"DEFAULT_THROTTLE_RATES": rates})

    def test_without_rates_there_is_no_limit(self) -> None:
        for _ in range(30):
            self.assertEqual(self.as_viewer.get("inputs/").status_code, 200)

    def test_too_many_requests_are_told_when_to_come_back(self) -> None:
        with self.rates(durable="2/min"):
            for _ in range(2):
                self.assertEqual(self.as_viewer.get("inputs/").status_code, 200)
            refused = self.as_viewer.get("inputs/")
            self.assertProblem(refused, 429)
            self.assertGreater(int(refused["Retry-After"]), 0)
            self.assertEqual(self.as_operator.get("inputs/").status_code, 200)

    def test_writing_has_a_rate_of_its_own(self) -> None:
        with self.rates(durable_write="1/min"):
            post = self.as_operator.post
            self.assertEqual(post("executions/", {"workflow": "plain"}).status_code, 201)
            self.assertProblem(post("executions/", {"workflow": "plain"}), 429)
            self.assertEqual(self.as_operator.get("executions/").status_code, 200)

    def test_the_projects_own_throttles_hold_too(self) -> None:
        rest = {
            "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.UserRateThrottle"],
            "DEFAULT_THROTTLE_RATES": {"user": "1/min"},
        }
        own = mock.patch.object(UserRateThrottle, "THROTTLE_RATES", {"user": "1/min"})
        with override_settings(REST_FRAMEWORK=rest), own:
            self.assertEqual(Api(self.viewer).get("inputs/").status_code, 200)
            self.assertProblem(Api(self.viewer).get("inputs/"), 429)
