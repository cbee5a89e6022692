"""Overview, workflows, schedules, queues, workers, events and audit: what they tell and take."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.test import override_settings

from durable import Cron, Data, Workflow, WorkflowMeta, step
from durable.engine.calendar import schedules
from durable.engine.operators import queues
from durable.engine.start import send
from durable.engine.start.start import StartOptions, start, start_many
from durable.models import AuditEntry, Execution, Queue, Schedule, Worker
from durable.testing import advance, drain, run, time_travel
from tests.cases import WorkflowTestCase
from tests.doors.admin.site import POLICY, browser, page, person, world

NOON = datetime(2025, 3, 28, 12, tzinfo=UTC)


class Pages(WorkflowTestCase):
    """A browser of an operator."""

    def setUp(self) -> None:
        super().setUp()
        self.user = person("operator", tenant="umbrella")
        self.operator = browser(self.user)

    def text(self, address: str) -> str:
        answer = self.operator.get(address)
        self.assertEqual(answer.status_code, 200, address)
        return str(answer.content.decode())

    def told(self, answer: Any) -> str:
        return " | ".join(str(message) for message in get_messages(answer.wsgi_request))


def simple() -> type[Workflow]:
    """One step, which fails if asked to."""

    class Simple(Workflow):
        """Says what it is for."""

        @step
        def only(self, data: Data) -> Data:
            if data.get("fail"):
                raise ValueError("no")
            return data

    return Simple


class OverviewTests(Pages):
    """How everything stands."""

    def test_it_counts_what_is_and_what_ended_in_a_day(self) -> None:
        flow = simple()
        with time_travel(NOON):
            run(flow, {})
            advance(hours=25)
            run(flow, {"fail": 1})
            for _again in range(3):
                run(flow, {})
            start_many(flow, [{}, {}], StartOptions())
            answer = self.operator.get(page("overview"))
        tiles = {tile["status"]: tile for tile in answer.context["tiles"]}
        self.assertEqual(tiles["pending"]["count"], "2")
        self.assertEqual(tiles["pending"]["note"], "2 due")
        self.assertEqual((tiles["completed"]["count"], tiles["failed"]["count"]), ("3", "1"))
        self.assertEqual((answer.context["done"], answer.context["failed"]), (3, 1))
        (worst,) = answer.context["failing"]
        self.assertEqual((worst["step"], worst["failures"], worst["share"]), ("only", 1, 20))

    def test_what_has_waited_is_not_slow(self) -> None:
        class Sleeper(Workflow):
            @step
            def nap(self, data: Data) -> Data:
                self.sleep(timedelta(hours=1))
                return data

        with time_travel(NOON):
            run(Sleeper, {})
            run(simple(), {})
            advance(hours=2)
            answer = self.operator.get(page("overview"))
        steps = [row["step"] for row in answer.context["slowest"]]
        self.assertNotIn("nap", steps)

    def test_each_part_is_for_who_may_see_it(self) -> None:
        world()
        whole = self.text(page("overview"))
        for words in ("Waiting for me", "umbrella-queue", "host:1", "umbrella-daily"):
            (self.assertNotIn if words == "Waiting for me" else self.assertIn)(words, whole)
        approver = browser(person("approver")).get(page("overview")).content.decode()
        self.assertIn("Waiting for me", approver)
        for words in ("umbrella-queue", "host:1", "umbrella-daily"):
            self.assertNotIn(words, approver)

    def test_the_pages_of_the_app_lead_to_it(self) -> None:
        self.assertIn(page("overview"), self.text("/admin/durable/"))
        self.assertIn(page("overview"), self.text(page("execution_changelist")))


class CatalogueTests(Pages):
    """Workflows before, and after, they have run."""

    def test_a_workflow_is_shown_before_it_has_run(self) -> None:
        simple()
        self.assertIn(page("workflow", "simple"), self.text(page("workflows")))
        text = self.text(page("workflow", "simple"))
        for words in ("Says what it is for.", "<svg", ">only<", "Start an execution"):
            self.assertIn(words, text)

    def test_it_tells_how_the_last_executions_went(self) -> None:
        flow = simple()
        with time_travel(NOON):
            for n in range(4):
                run(flow, {"fail": n == 3})
            answer = self.operator.get(page("workflow", "simple"))
        recent = answer.context["recent"]
        self.assertEqual(recent.counts, [("completed", 3), ("failed", 1)])
        self.assertEqual((recent.p50, recent.p95), (timedelta(0), timedelta(0)))

    def test_one_that_this_process_lacks_is_shown_without_its_flow(self) -> None:
        row = run(simple(), {})
        Execution.objects.filter(pk=row.pk).update(workflow="gone", kind="gone@1")
        text = self.text(page("workflow", "gone"))
        self.assertIn("does not have the code", text)
        self.assertNotIn("Start an execution", text)
        self.assertEqual(self.operator.post(page("workflow", "gone"), {}).status_code, 404)

    def test_each_version_has_its_page(self) -> None:
        class One(Workflow):
            class Meta(WorkflowMeta):
                name = "many"

            @step
            def old(self, data: Data) -> Data:
                return data

        class Two(Workflow):
            class Meta(WorkflowMeta):
                name = "many"
                version = 2

            @step
            def new(self, data: Data) -> Data:
                return data

        self.assertIn(">new<", self.text(page("workflow", "many")))
        self.assertIn(">old<", self.text(page("workflow", "many") + "?version=1"))
        self.operator.post(page("workflow", "many") + "?version=1", {"input": "{}"})
        self.assertEqual(Execution.objects.get().version, 1)

    def test_it_starts_with_what_is_written_and_says_what_is_wrong_in_place(self) -> None:
        simple()
        address = page("workflow", "simple")
        for text, problem in (
            ("{", "This is not JSON"),
            ("[1]", "It must be an object"),
            ('{"a": NaN}', "is not JSON"),
            ("[" * 20_000, "nested too deeply|This is not JSON"),
            ('{"a": 1e999}', "input"),
            ('{"a": "' + "x" * 1_100_000 + '"}', "input"),
        ):
            with self.subTest(text=text[:12]):
                answer = self.operator.post(address, {"input": text})
                self.assertEqual(answer.status_code, 200)
                self.assertRegex(answer.content.decode(), problem)
        self.assertFalse(Execution.objects.exists())
        data = {"input": '{"n": 1}', "tags": '{"a": "b"}', "idempotency_key": "k"}
        first = self.operator.post(address, data)
        row = Execution.objects.get()
        self.assertRedirects(first, page("execution_change", row.pk))
        self.assertEqual((row.input, row.tags, row.idempotency_key), ({"n": 1}, {"a": "b"}, "k"))
        again = self.operator.post(address, data)
        self.assertRedirects(again, page("execution_change", row.pk))
        clash = self.operator.post(address, {**data, "input": "{}"})
        self.assertContains(clash, "with another input")
        self.assertEqual(Execution.objects.count(), 1)

    def test_permissions_of_the_class_and_tags_of_the_policy_hold(self) -> None:
        class Guarded(Workflow):
            class Meta(WorkflowMeta):
                permissions = ("auth.view_group",)

            @step
            def only(self, data: Data) -> Data:
                return data

        address = page("workflow", "guarded")
        self.assertNotIn("Start an execution", self.text(address))
        self.assertEqual(self.operator.post(address, {"input": "{}"}).status_code, 403)
        self.user.user_permissions.add(Permission.objects.get(codename="view_group"))
        with override_settings(DURABLE=POLICY):
            self.operator.post(address, {"input": "{}", "tags": '{"tenant": "other", "x": 1}'})
        self.assertEqual(Execution.objects.get().tags, {"tenant": "umbrella", "x": 1})


class ScheduleTests(Pages):
    """Schedules."""

    def made(self, **options: Any) -> Schedule:
        simple()
        options = {"timezone": "Europe/Berlin", "input": {"n": 1}, "name": "daily", **options}
        return schedules.schedule("simple", Cron("30 2 * * *", **options), by=None)

    def test_the_next_runs_are_shown_in_its_own_zone_across_a_change_of_clocks(self) -> None:
        with time_travel(NOON):
            row = self.made()
            text = self.text(page("schedule_change", row.pk))
        for slot in (
            "Sat 2025-03-29 02:30 CET",
            "Sun 2025-03-30 03:00 CEST",
            "Mon 2025-03-31 02:30",
        ):
            self.assertIn(slot, text)

    def test_last_slots_and_failures_are_told(self) -> None:
        with time_travel(NOON, schedules=True):
            row = self.made()
            advance(days=1)
            Schedule.objects.filter(pk=row.pk).update(failures=3, last_error="KeyError: <b>")
            text = self.text(page("schedule_change", row.pk))
        self.assertIn("Started", text)
        self.assertIn("KeyError: &lt;b&gt;", text)
        self.assertIn(page("execution_change", Execution.objects.get().pk), text)

    def test_it_is_switched_run_and_changed(self) -> None:
        row = self.made()
        self.operator.post(page("schedule_act", row.pk, "disable"))
        row.refresh_from_db()
        self.assertFalse(row.enabled)
        self.operator.post(page("schedule_act", row.pk, "enable"))
        answer = self.operator.post(page("schedule_act", row.pk, "run"))
        self.assertRedirects(answer, page("execution_change", Execution.objects.get().pk))
        data = {"cron": "0 7 * * 1", "timezone": "UTC", "catch_up": "none", "overlap": "skip"}
        data |= {"jitter": "60", "input": '{"n": 2}'}
        self.operator.post(page("schedule_act", row.pk, "edit"), data)
        row.refresh_from_db()
        self.assertEqual(
            (row.cron, row.timezone, row.catch_up, row.overlap, row.jitter, row.input, row.enabled),
            ("0 7 * * 1", "UTC", "none", "skip", timedelta(minutes=1), {"n": 2}, True),
        )

    def test_what_is_wrong_is_said_in_place_and_nothing_is_saved(self) -> None:
        row = self.made()
        good = {"cron": "0 7 * * 1", "timezone": "UTC", "catch_up": "none", "overlap": "skip"}
        for wrong, problem in (
            ({"cron": "99 * * * *"}, "is not one of 0-59"),
            ({"cron": "0 0 31 2 *"}, "never fires"),
            ({"timezone": "Mars/Base"}, "there is no time zone"),
            ({"catch_up": "sometimes"}, "not one of the available choices"),
            ({"jitter": "-5"}, "greater than or equal to 0"),
            ({"input": "[]"}, "It must be an object"),
        ):
            with self.subTest(wrong=wrong):
                data = {**good, "input": "{}", **wrong}
                answer = self.operator.post(page("schedule_act", row.pk, "edit"), data)
                self.assertIn(problem, answer.content.decode().replace("&#x27;", "'"))
        unchanged = Schedule.objects.get(pk=row.pk)
        self.assertEqual((unchanged.cron, unchanged.input), (row.cron, row.input))

    def test_saving_what_was_shown_keeps_types_that_json_lacks(self) -> None:
        row = self.made(input={"since": NOON, "n": 1})
        form = self.operator.get(page("schedule_change", row.pk)).context["form"]
        data = {name: value for name, value in form.data.items() if value is not None}
        self.operator.post(page("schedule_act", row.pk, "edit"), {**data, "cron": "1 1 * * *"})
        row.refresh_from_db()
        self.assertEqual((row.cron, row.input), ("1 1 * * *", {"since": NOON, "n": 1}))

    def test_one_that_a_class_declares_is_not_changed_here(self) -> None:
        class Nightly(Workflow):
            class Meta(WorkflowMeta):
                schedules = (Cron("0 1 * * *"),)

            @step
            def only(self, data: Data) -> Data:
                return data

        drain()
        row = Schedule.objects.get(declared=True)
        text = self.text(page("schedule_change", row.pk))
        self.assertIn("declared in the Meta of nightly", text)
        self.assertNotIn(page("schedule_act", row.pk, "edit"), text)
        data = {"cron": "0 7 * * 1", "timezone": "UTC", "catch_up": "none", "overlap": "skip"}
        answer = self.operator.post(page("schedule_act", row.pk, "edit"), data)
        self.assertIn("declared in the Meta", self.told(answer))
        row.refresh_from_db()
        self.assertEqual(row.cron, "0 1 * * *")

    def test_who_may_not_see_a_value_can_not_overwrite_it(self) -> None:
        row = self.made(input={"token": "t-1"})
        user = person("viewer")
        user.user_permissions.add(Permission.objects.get(codename="manage_schedules"))
        text = browser(user).get(page("schedule_change", row.pk)).content.decode()
        self.assertIn(page("schedule_act", row.pk, "edit"), text)
        self.assertNotIn('name="input"', text)
        data = {"cron": "0 7 * * 1", "timezone": "UTC", "catch_up": "none", "overlap": "skip"}
        browser(user).post(page("schedule_act", row.pk, "edit"), {**data, "input": "{}"})
        row.refresh_from_db()
        self.assertEqual((row.cron, row.input), ("0 7 * * 1", {"token": "t-1"}))


class NewScheduleTests(Pages):
    """Making a schedule, and removing one."""

    GOOD = {
        "workflow": "simple", "name": "nightly", "cron": "0 1 * * *", "timezone": "Asia/Tokyo",
        "catch_up": "none", "overlap": "skip", "jitter": "60", "input": '{"n": 1}',
    }  # fmt: skip

    def post(self, **changes: str) -> Any:
        return self.operator.post(page("schedule_add"), {**self.GOOD, **changes})

    def test_it_is_made_as_it_is_written_and_its_page_follows(self) -> None:
        simple()
        self.assertIn(page("schedule_add"), self.text(page("schedule_changelist")))
        self.assertIn('value="UTC"', self.text(page("schedule_add")))
        answer = self.post()
        row = Schedule.objects.get()
        self.assertRedirects(answer, page("schedule_change", row.pk))
        self.assertEqual(
            (row.name, row.workflow, row.cron, row.timezone, row.catch_up, row.overlap, row.jitter),
            ("nightly", "simple", "0 1 * * *", "Asia/Tokyo", "none", "skip", timedelta(minutes=1)),
        )
        self.assertEqual((row.input, row.declared, row.enabled), ({"n": 1}, False, True))
        entry = AuditEntry.objects.get()
        self.assertEqual(
            (entry.action, entry.actor, entry.target), ("schedule", self.user, row.name)
        )

    def test_what_is_wrong_is_said_in_place_and_nothing_is_made(self) -> None:
        simple()
        for field, wrong, problem in (
            ("cron", "every day", "has 2 fields instead of five"),
            ("cron", "daily", "has 1 field instead of five"),
            ("cron", "", "This field is required"),
            ("timezone", "Mars/Base", "there is no time zone"),
            ("workflow", "unknown", "not one of the available choices"),
            ("workflow", "", "This field is required"),
            ("name", "", "This field is required"),
            ("name", "x" * 101, "at most 100 characters"),
            ("name", "\x00", "Null characters are not allowed"),
            ("overlap", "sometimes", "not one of the available choices"),
            ("jitter", "-1", "greater than or equal to 0"),
            ("input", "{", "This is not JSON"),
            ("input", "[1]", "It must be an object"),
        ):
            with self.subTest(field=field, wrong=wrong):
                answer = self.post(**{field: wrong})
                self.assertEqual(answer.status_code, 200)
                told = " ".join(answer.context["form"].errors.get(field, []))
                self.assertIn(problem, told)
        self.assertFalse(Schedule.objects.exists())

    def test_a_name_that_is_taken_changes_nothing(self) -> None:
        simple()
        row = schedules.schedule("simple", Cron("0 5 * * *", name="nightly"), by=None)
        answer = self.post()
        self.assertEqual(
            answer.context["form"].errors["name"], ["There is a schedule of this name."]
        )
        row.refresh_from_db()
        self.assertEqual((row.cron, row.input), ("0 5 * * *", {}))

    def test_it_takes_the_permissions_of_the_workflow(self) -> None:
        class Simple(Workflow):
            class Meta(WorkflowMeta):
                permissions = ("auth.view_group",)

            @step
            def only(self, data: Data) -> Data:
                return data

        self.assertIn("workflow", self.post().context["form"].errors)
        self.user.user_permissions.add(Permission.objects.get(codename="view_group"))
        self.assertEqual(self.post().status_code, 302)

    def test_it_is_removed_unless_a_class_declares_it(self) -> None:
        class Nightly(Workflow):
            class Meta(WorkflowMeta):
                schedules = (Cron("0 1 * * *"),)

            @step
            def only(self, data: Data) -> Data:
                return data

        drain()
        simple()
        self.post(name="ours")
        ours, declared = Schedule.objects.order_by("declared")
        self.assertNotIn("/do/remove/", self.text(page("schedule_change", declared.pk)))
        answer = self.operator.post(page("schedule_act", declared.pk, "remove"))
        self.assertIn("is declared by nightly", self.told(answer))
        answer = self.operator.post(page("schedule_act", ours.pk, "remove"))
        self.assertRedirects(answer, page("schedule_changelist"))
        self.assertEqual(list(Schedule.objects.all()), [declared])


class QueueTests(Pages):
    """Queues."""

    def test_a_queue_that_no_worker_serves_is_told(self) -> None:
        world()  # its worker serves the default queue
        start_many(simple(), [{}], StartOptions(queue="mail"))
        start_many(simple(), [{}], StartOptions())
        for name in ("queue_changelist", "overview"):
            answer = self.operator.get(page(name))
            rows = {row["state"].name: row["deserted"] for row in answer.context["queues"]}
            self.assertEqual((rows["mail"], rows["default"]), (True, False))
            self.assertContains(answer, "no worker", count=1)

    def test_depth_lag_and_limits_are_shown(self) -> None:
        with time_travel(NOON):
            start_many(simple(), [{}, {}], StartOptions(queue="mail"))
            queues.limit_queue("mail", 4, by=None)
            advance(minutes=5, work=False)
            answer = self.operator.get(page("queue_changelist"))
        rows = {row["state"].name: row for row in answer.context["queues"]}
        self.assertEqual((rows["mail"]["state"].depth, rows["mail"]["state"].limit), (2, 4))
        self.assertEqual(rows["mail"]["lag"], timedelta(minutes=5))
        self.assertIn("default", rows)

    def test_it_is_paused_resumed_and_limited(self) -> None:
        def post(**data: str) -> str:
            return self.told(self.operator.post(page("queue_act"), {"name": "mail", **data}))

        self.assertIn("mail is paused", post(act="pause"))
        self.assertTrue(Queue.objects.get().paused)
        self.assertIn("mail goes on", post(act="resume"))
        self.assertIn("at most 3", post(act="limit", limit="3"))
        self.assertEqual(Queue.objects.get().concurrency, 3)
        self.assertIn("no limit", post(act="limit", limit=""))
        for wrong in ("0", "-1", "x", "99999999999999"):
            post(act="limit", limit=wrong)
            self.assertIsNone(Queue.objects.get().concurrency)
        post(act="explode")
        self.assertEqual(AuditEntry.objects.count(), 4)


class WorkerTests(Pages):
    """Workers."""

    def test_the_living_are_shown_with_what_they_run(self) -> None:
        w = world()
        row = start(simple(), {}, StartOptions())
        Execution.objects.filter(pk=row.pk).held(w.worker.pk)
        Worker.objects.create(
            name="stopped:1",
            started_at=w.worker.started_at,
            heartbeat_at=w.worker.heartbeat_at,
            expires_at=w.worker.heartbeat_at,
            stopped_at=w.worker.heartbeat_at,
        )
        text = self.text(page("worker_changelist"))
        self.assertIn("host:1", text)
        self.assertIn(page("execution_change", row.pk), text)
        self.assertNotIn("stopped:1", text)
        self.assertIn("stopped:1", self.text(page("worker_changelist") + "?all=1"))
        listed = self.operator.get(page("execution_changelist") + f"?worker={w.worker.pk}")
        self.assertEqual([one.pk for one in listed.context["cl"].result_list], [row.pk])


class TableTests(Pages):
    """Events and audit entries."""

    def rows(self, name: str, query: str) -> int:
        return len(self.operator.get(page(name) + query).context["cl"].result_list)

    def test_events_are_found_by_name_key_and_status(self) -> None:
        send.publish_event("paid", {"n": 1}, key="order:1", event_id="e-1", by=None)
        send.publish_event("lost", {}, key="order:2", event_id=None, by=None)
        found = {"?q=paid": 1, "?q=order:2": 1, "?q=e-1": 1, "?q=none": 0, "?status__exact=kept": 0}
        for query, expected in {**found, "?status__exact=pending": 2}.items():
            with self.subTest(query=query):
                self.assertEqual(self.rows("event_changelist", query), expected)

    def test_entries_are_found_by_user_action_and_execution(self) -> None:
        w = world()
        everything = AuditEntry.objects.count()
        pk = w.waiting.pk
        self.assertEqual(self.rows("auditentry_changelist", ""), everything)
        self.assertEqual(self.rows("auditentry_changelist", "?q=root"), everything)
        self.assertEqual(self.rows("auditentry_changelist", "?action=limit_queue"), 1)
        self.assertEqual(self.rows("auditentry_changelist", f"?execution={pk}&action=start"), 1)
        self.assertEqual(self.rows("auditentry_changelist", "?execution=x"), 0)
