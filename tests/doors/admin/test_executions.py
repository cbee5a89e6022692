"""The list and the pages of executions: what they find, what they show, what they do."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any
from unittest import mock

from django.contrib.messages import get_messages
from django.db import connection
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone

from durable import Data, Fail, Workflow, chain, foreach, step
from durable.dashboard.list import bulk
from durable.dashboard.shared import paging
from durable.dashboard.shared.paging import BoundedPaginator
from durable.engine.start.start import StartOptions, start, start_many
from durable.models import AuditEntry, Event, Execution, StepRun
from durable.showing.masking import HIDDEN
from durable.states import Status
from durable.testing import advance, drain, run, time_travel
from tests.cases import WorkflowTestCase
from tests.doors.admin.site import browser, page, person, world


class Pages(WorkflowTestCase):
    """A browser of an operator, and of a viewer."""

    def setUp(self) -> None:
        super().setUp()
        self.operator, self.viewer = browser(person("operator")), browser(person("viewer"))

    def text(self, address: str, client: Any = None) -> str:
        answer = (client or self.operator).get(address)
        self.assertEqual(answer.status_code, 200, address)
        return str(answer.content.decode())


def simple() -> type[Workflow]:
    """One step."""

    class Simple(Workflow):
        @step
        def only(self, data: Data) -> Data:
            if data.get("fail"):
                raise Fail("no", type="No")
            return data

    return Simple


class ListTests(Pages):
    """What the list shows of all that there is."""

    def found(self, query: str = "") -> set[Any]:
        answer = self.operator.get(page("execution_changelist") + query)
        self.assertEqual(answer.status_code, 200)
        return {row.pk for row in answer.context["cl"].result_list}

    def test_it_shows_roots_unless_asked_for_others(self) -> None:
        class Parent(Workflow):
            @step
            def call(self, data: Data) -> Data:
                self.start_workflow("simple", {})
                return data

        simple()
        parent = run(Parent, {})
        (child,) = Execution.objects.filter(parent=parent)
        other = run("simple", {})
        self.assertEqual(self.found(), {parent.pk, other.pk})
        self.assertEqual(self.found("?family=children"), {child.pk})
        self.assertEqual(self.found("?family=parents"), {parent.pk})
        self.assertEqual(self.found("?family=all"), {parent.pk, child.pk, other.pk})
        self.assertEqual(self.found(f"?parent={parent.pk}"), {child.pk})
        self.assertEqual(self.found(f"?q={child.pk}"), {child.pk})
        self.assertEqual(self.found("?parent=x"), set())

    def test_each_filter_finds_what_it_says(self) -> None:
        flow = simple()
        subject = person("nobody", "about")
        one = run(flow, {}, tags={"tenant": "a", "n": 7}, subject=subject, queue="default")
        two = run(flow, {"fail": 1}, tags={"tenant": "b"})
        late = start(flow, {}, StartOptions(queue="slow"))
        everything = {one.pk, two.pk, late.pk}
        for query, expected in {
            "": everything,
            "status=failed": {two.pk},
            "workflow=simple": everything,
            "workflow=other": set(),
            "queue=slow": {late.pk},
            "tag=tenant=a": {one.pk},
            "tag=n=7": {one.pk},
            "tag=tenant=a,n=7": {one.pk},
            "tag=tenant=b,n=7": set(),
            "tag=tenant": set(),
            f"subject=auth.user:{subject.pk}": {one.pk},
            "subject=auth.user": {one.pk},
            "created=1h": everything,
            "from=2001-01-01T00:00&until=2002-01-01T00:00": set(),
            "from=2001-01-01T00:00": everything,
            "from=nonsense": everything,
            "status=failed&tag=tenant=b&created=24h": {two.pk},
        }.items():
            with self.subTest(query=query):
                self.assertEqual(self.found(f"?{query}"), expected)

    def test_a_tag_that_many_have_is_found_without_its_index(self) -> None:
        flow = simple()
        given = StartOptions(tags={"tenant": "a"})
        rows = start_many(flow, [{} for _ in range(4)], given)
        run(flow, {})
        with mock.patch("durable.dashboard.list.written_filters.COUNTED", 2):
            self.assertEqual(self.found("?tag=tenant=a"), {row.pk for row in rows})

    def test_a_search_finds_ids_their_beginnings_and_keys(self) -> None:
        flow = simple()
        given = StartOptions(idempotency_key="once-1", keys=["order:9"])
        one = start(flow, {}, given)
        start(flow, {}, StartOptions())
        for text in (str(one.pk), one.pk.hex, str(one.pk)[:-1], "once-1", "order:9", " order:9 "):
            with self.subTest(text=text):
                self.assertEqual(self.found(f"?q={text.replace(' ', '%20')}"), {one.pk})
        for text in ("order:", "zz", "'; --", "x" * 3000):
            with self.subTest(text=text[:10]):
                self.assertEqual(self.found(f"?q={text}"), set())

    def test_no_other_column_can_be_asked_for(self) -> None:
        world()
        for query in ("input__contains=pw", "data__startswith=%7B", "error__isnull=1"):
            answer = self.operator.get(page("execution_changelist") + f"?{query}")
            self.assertEqual(answer.status_code, 400)

    def test_it_counts_no_further_than_anybody_leafs(self) -> None:
        start_many(simple(), [{} for _ in range(5)], StartOptions())
        with mock.patch.object(paging, "COUNTED", 3):
            pages = BoundedPaginator(Execution.objects.order_by("pk"), 2)
            self.assertEqual((pages.count, pages.num_pages, pages.more), (3, 2, True))
            text = self.text(page("execution_changelist"))
        self.assertIn("There are more than 3", text)
        with CaptureQueriesContext(connection) as queries:
            self.text(page("execution_changelist"))
        counts = [q["sql"] for q in queries if "COUNT(" in q["sql"] and "durable_exec" in q["sql"]]
        self.assertTrue(counts)
        for sql in counts:
            self.assertIn("LIMIT", sql)

    def test_it_reads_no_values(self) -> None:
        world()
        with CaptureQueriesContext(connection) as queries:
            self.text(page("execution_changelist"))
        rows = [q["sql"] for q in queries if '"durable_execution"."workflow"' in q["sql"]]
        self.assertTrue(rows)
        for column in ('"data"', '"input"', '"error"'):
            self.assertNotIn(f'"durable_execution".{column}', "".join(rows))


class BulkTests(Pages):
    """Many at once: a page that asks first, then an answer for each."""

    def post(self, action: str, rows: list[Execution], **more: Any) -> Any:
        data = {"action": action, "_selected_action": [str(row.pk) for row in rows], **more}
        return self.operator.post(page("execution_changelist"), data)

    def told(self, answer: Any) -> str:
        return " | ".join(str(message) for message in get_messages(answer.wsgi_request))

    def test_it_asks_first_and_then_says_what_came_of_each(self) -> None:
        flow = simple()
        open_ones = [run(flow, {}), *start_many(flow, [{} for _ in range(2)], StartOptions())]
        asked = self.post("cancel", open_ones)
        self.assertContains(asked, "This is about 3 executions")
        self.assertEqual(Execution.objects.filter(status=Status.CANCELLED).count(), 0)
        answer = self.post("cancel", open_ones, confirmed="1", reason="bad batch")
        self.assertEqual(answer.status_code, 302)
        cancelled = Execution.objects.filter(status=Status.CANCELLED)
        self.assertEqual(cancelled.count(), 2)
        self.assertEqual(set(cancelled.values_list("cancel_reason", flat=True)), {"bad batch"})
        told = self.told(answer)
        self.assertIn("2 executions: cancelled.", told)
        self.assertIn("can't be cancelled: it is completed", told)
        self.assertEqual(AuditEntry.objects.filter(action="cancel").count(), 2)

    def test_every_action_works_on_many(self) -> None:
        flow = simple()
        failed, paused = run(flow, {"fail": 1}), start(flow, {}, StartOptions())
        steps: list[tuple[str, Execution, Status]] = [
            ("pause", paused, Status.PAUSED),
            ("resume", paused, Status.PENDING),
            ("retry", failed, Status.PENDING),
            ("cancel", paused, Status.CANCELLED),
        ]
        for action, row, expected in steps:
            with self.subTest(action=action):
                self.post(action, [row], confirmed="1")
                row.refresh_from_db()
                self.assertEqual(row.status, expected)
        done, undone = run(flow, {}), start(flow, {}, StartOptions())
        self.post("cancel_compensate", [undone], confirmed="1")
        drain()
        undone.refresh_from_db()
        self.assertIn(undone.status, (Status.CANCELLED, Status.COMPENSATED))
        self.post("rerun", [paused, done], confirmed="1")
        self.assertEqual((paused.reruns.count(), done.reruns.count()), (1, 1))

    def test_all_of_a_filter_are_taken_but_not_more_than_can_be_looked_after(self) -> None:
        flow = simple()
        start_many(flow, [{} for _ in range(4)], StartOptions())
        keep = start(flow, {}, StartOptions(tags={"keep": "yes"}))
        address = page("execution_changelist") + "?tag=keep=yes"
        data = {"action": "pause", "_selected_action": [str(keep.pk)], "select_across": "1"}
        self.assertContains(self.operator.post(address, data), "This is about 1 execution.")
        with mock.patch.object(bulk, "AT_ONCE", 3):
            data = {**data, "select_across": "1"}
            answer = self.operator.post(page("execution_changelist"), data)
        self.assertIn("At most 3 executions", self.told(answer))

    def test_nonsense_does_nothing(self) -> None:
        row = start(simple(), {}, StartOptions())
        for action in ("", "delete_selected", "compensate"):
            self.assertEqual(self.post(action, [row], confirmed="1").status_code, 302)
        data = {"action": "cancel", "_selected_action": ["x", "1"], "confirmed": "1"}
        self.assertEqual(self.operator.post(page("execution_changelist"), data).status_code, 302)
        row.refresh_from_db()
        self.assertEqual(row.status, Status.PENDING)


class PageTests(Pages):
    """The page of one execution."""

    def test_the_beginning_of_an_id_leads_to_it(self) -> None:
        row = start(simple(), {}, StartOptions())
        answer = self.operator.get(page("execution_change", str(row.pk)[:-2]))
        self.assertRedirects(answer, page("execution_change", row.pk))
        for text in ("zz", "00000000-0000-7000-8000-000000000000", "ab"):
            self.assertEqual(self.operator.get(page("execution_change", text)).status_code, 404)

    def test_secrets_are_hidden_from_who_may_not_see_payloads(self) -> None:
        w = world()
        secrets = ("pw-1", "pw-2", "pw-4", "tok-secret", "tok-3")
        for address in (
            page("execution_change", w.waiting.pk),
            page("execution_change", w.failed.pk),
            page("execution_raw", w.waiting.pk),
            page("execution_raw", w.failed.pk),
            page("execution_step", w.waiting.pk, w.attempt.pk),
            page("event_change", w.event.pk),
            page("schedule_change", w.schedule.pk),
            page("auditentry_change", w.entry.pk),
            page("auditentry_changelist"),
        ):
            with self.subTest(page=address):
                hidden, whole = self.text(address, self.viewer), self.text(address)
                shown = [hidden[hidden.find(s) - 90 :][:120] for s in secrets if s in hidden]
                self.assertEqual(shown, [])
                self.assertIn(HIDDEN, hidden)
                if "changelist" not in address and address != page("auditentry_changelist"):
                    self.assertTrue(any(secret in whole for secret in secrets))

    def test_a_filter_finds_no_tag_whose_value_is_hidden(self) -> None:
        row = start(simple(), {}, StartOptions(tags={"api_token": "t-1", "shop": "Oslo"}))
        for client, tag, sees in (
            (self.viewer, "api_token=t-1", False),
            (self.viewer, "shop=Oslo,api_token=t-1", False),
            (self.viewer, "shop=Oslo", True),
            (self.operator, "api_token=t-1", True),
        ):
            with self.subTest(tag=tag, sees=sees):
                text = self.text(page("execution_changelist") + f"?tag={tag}", client)
                self.assertEqual(page("execution_change", row.pk) in text, sees)

    def test_it_tells_where_it_stands_and_what_can_be_done(self) -> None:
        w = world()
        text = self.text(page("execution_change", w.waiting.pk))
        self.assertIn("waits for input boss", text)
        for action in ("pause", "cancel", "cancel_compensate"):
            self.assertIn(f"/do/{action}/", text)
        text = self.text(page("execution_change", w.failed.pk))
        for words in ("Broken", "/do/retry/", "/do/rerun/", "it broke"):
            self.assertIn(words, text)
        self.assertNotIn(f"{w.failed.pk}/do/cancel/", text)

    def test_a_compensation_is_told_by_the_name_of_its_step(self) -> None:
        class Undone(Workflow):
            @step
            def one(self, data: Data) -> None: ...

            @one.compensate(retry=2)
            def undo(self, data: Data) -> None:
                raise ConnectionError

            @step
            def two(self, data: Data) -> None:
                raise Fail("no")

        with time_travel():
            row = run(Undone, {})
            self.assertEqual(row.path[0], "~")
            text = self.text(page("execution_change", row.pk))
            self.assertRegex(text, r"<strong>compensation of one</strong>\s+is due")
            advance(minutes=1, work=False)
            text = self.text(page("execution_change", row.pk))
        self.assertNotIn(f"~{row.path[1:]}<", text)

    def test_logs_have_the_times_of_the_readers_zone(self) -> None:
        class Says(Workflow):
            @step
            def it(self, data: Data) -> None:
                self.log.warning("here")

        row = run(Says, {})
        (run_,) = StepRun.objects.filter(execution=row)
        at = datetime.fromisoformat(json.loads(run_.logs.splitlines()[0])["at"])
        with timezone.override("Asia/Kathmandu"):
            text = self.text(page("execution_step", row.pk, run_.pk))
            self.assertIn(f"{timezone.localtime(at):%H:%M:%S}.", text)

    def test_a_long_prompt_is_cut_and_leads_to_its_page(self) -> None:
        class Asks(Workflow):
            @step
            def it(self, data: Data) -> None:
                self.wait_for_approval("boss", prompt="please " * 700)

        row = run(Asks, {})
        text = self.text(page("execution_change", row.pk))
        self.assertEqual(text.count("please"), 43)
        self.assertIn(page("input_change", row.waits.get().pk), text)

    def test_branches_and_items_have_pages_below_their_parent(self) -> None:
        w = world()
        part = Execution.objects.filter(parent=w.waiting, role="item").first()
        assert part is not None
        text = self.text(page("execution_change", part.pk))
        self.assertIn(page("execution_change", w.waiting.pk), text)
        self.assertIn(
            page("execution_change", part.pk), self.text(page("execution_change", w.waiting.pk))
        )

    def test_a_dangerous_action_asks_first_and_keeps_the_reason(self) -> None:
        row = start(simple(), {}, StartOptions())
        address = page("execution_act", row.pk, "cancel")
        self.assertContains(self.operator.post(address, {}), "Reason")
        row.refresh_from_db()
        self.assertEqual(row.status, Status.PENDING)
        self.operator.post(address, {"confirmed": "1", "reason": "wrong order"})
        row.refresh_from_db()
        self.assertEqual((row.status, row.cancel_reason), (Status.CANCELLED, "wrong order"))

    def test_a_refusal_is_told_in_words(self) -> None:
        row = run(simple(), {})
        answer = self.operator.post(page("execution_act", row.pk, "cancel"), {"confirmed": "1"})
        self.assertContains(answer, "can&#x27;t be cancelled: it is completed")
        answer = self.operator.post(page("execution_act", row.pk, "pause"), follow=True)
        self.assertContains(answer, "can&#x27;t be paused: it is completed")

    def test_run_again_begins_at_the_chosen_step(self) -> None:
        class Two(Workflow):
            @step
            def one(self, data: Data) -> Data:
                return {**data, "one": 1}

            @step
            def two(self, data: Data) -> Data:
                return data

        row = run(Two, {})
        address = page("execution_act", row.pk, "rerun")
        self.assertContains(self.operator.get(address), '<option value="two">')
        answer = self.operator.post(address, {"confirmed": "1", "from_step": "two"})
        new = row.reruns.get()
        self.assertEqual((new.path, new.data), ("two", {"one": 1}))
        self.assertRedirects(answer, page("execution_change", new.pk))
        wrong = self.operator.post(address, {"confirmed": "1", "from_step": "three"})
        self.assertContains(wrong, "three is not one of the available choices")

    def test_large_values_are_on_a_page_of_their_own(self) -> None:
        row = run(simple(), {"text": "y" * 30_000})
        attempt = row.steps.get()
        text = self.text(page("execution_change", row.pk))
        self.assertLess(len(text), 150_000)
        self.assertIn(page("execution_step", row.pk, attempt.pk), text)
        self.assertIn("y" * 30_000, self.text(page("execution_step", row.pk, attempt.pk)))

    def test_a_step_of_another_execution_is_not_shown_below_this_one(self) -> None:
        flow = simple()
        one, two = run(flow, {}), run(flow, {})
        address = page("execution_step", one.pk, two.steps.get().pk)
        self.assertEqual(self.operator.get(address).status_code, 404)


class LiveTests(Pages):
    """The part that refreshes itself."""

    def test_what_has_not_changed_is_not_sent_again(self) -> None:
        with time_travel():
            row = start(simple(), {}, StartOptions())
            address = page("execution_live", row.pk)
            first = self.operator.get(address)
            self.assertEqual((first.status_code, first["X-Durable-Final"]), (200, "0"))
            again = self.operator.get(address, headers={"If-None-Match": first["ETag"]})
            self.assertEqual((again.status_code, again.content), (304, b""))
            drain()
            after = self.operator.get(address, headers={"If-None-Match": first["ETag"]})
            self.assertEqual((after.status_code, after["X-Durable-Final"]), (200, "1"))
            self.assertContains(after, "Completed")

    def test_it_is_the_same_for_a_minute_while_nothing_happens(self) -> None:
        with time_travel():
            w = world()
            advance(minutes=31, work=False)
            address = page("execution_live", w.waiting.pk)
            tags = [self.operator.get(address)["ETag"]]
            advance(seconds=5, work=False)
            tags.append(self.operator.get(address)["ETag"])
            self.assertEqual(tags[0], tags[1])
            advance(hours=2, work=False)
            self.assertNotEqual(self.operator.get(address)["ETag"], tags[0])

    def test_the_page_says_whether_there_is_anything_to_wait_for(self) -> None:
        w = world()
        self.assertIn('data-final="0"', self.text(page("execution_change", w.waiting.pk)))
        self.assertIn('data-final="1"', self.text(page("execution_change", w.failed.pk)))


class BoundTests(Pages):
    """However much there is, a page takes a bounded number of queries."""

    def queries(self, address: str) -> int:
        self.text(address)  # what is looked up once
        with CaptureQueriesContext(connection) as queries:
            self.text(address)
        return len(queries)

    def large(self, size: int) -> Execution:
        class Many(Workflow):
            @step
            def each(self, data: Data, item: int, index: int) -> Data:
                return data

            flow = chain(foreach("items", each))

        row = run(Many, {"items": list(range(size))})
        moment = row.started_at
        StepRun.objects.bulk_create(
            StepRun(
                execution=row, path=f"s{n}", status="completed", started_at=moment, ended_at=moment
            )
            for n in range(size // 2)
        )
        Event.objects.bulk_create(
            Event(execution=row, name=f"e{n}", created_at=moment) for n in range(size)
        )
        Execution.objects.bulk_create(
            Execution(
                root_id=row.pk,
                parent=row,
                role="child",
                workflow="many",
                kind="many@1",
                created_at=moment,
            )
            for _ in range(size)
        )
        return row

    def test_a_hundred_children_and_fifty_steps_take_no_more_than_a_few(self) -> None:
        small, large = self.large(2), self.large(100)
        few = self.queries(page("execution_change", small.pk))
        many = self.queries(page("execution_change", large.pk))
        self.assertLessEqual(many, few + 1)
        self.assertLessEqual(many, 34)
        self.assertLessEqual(self.queries(page("execution_live", large.pk)), 34)

    def test_lists_take_no_query_for_each_row(self) -> None:
        self.large(100)
        world()
        for name, limit in (
            ("execution_changelist", 10),
            ("overview", 30),
            ("workflows", 10),
            ("schedule_changelist", 10),
            ("queue_changelist", 10),
            ("worker_changelist", 10),
            ("event_changelist", 10),
            ("auditentry_changelist", 10),
        ):
            with self.subTest(page=name):
                self.assertLessEqual(
                    self.queries(page(name) + "?all=1" * (name[:6] == "worker")), limit
                )

    def test_thousands_of_attempts_are_shown_in_pages(self) -> None:
        row = self.large(120)
        text = self.text(page("execution_change", row.pk))
        self.assertIn("?steps=2#", text)
        second = self.text(page("execution_change", row.pk) + "?steps=2")
        self.assertIn(">s59<", second)
        for wrong in ("0", "x", "99999", "-1"):
            self.text(
                page("execution_change", row.pk) + f"?steps={wrong}&parts={wrong}&undone={wrong}"
            )
        self.assertIn(">Item 119<", self.text(page("execution_change", row.pk) + "?parts=3"))


class RefusalTests(Pages):
    """Odd requests get an answer, never an error of ours."""

    def test_odd_addresses_are_not_found(self) -> None:
        row = start(simple(), {}, StartOptions())
        for address in (
            page("execution_act", row.pk, "explode"),
            page("workflow", "nothing"),
            page("workflow", "simple") + "?version=9",
            page("workflow", "simple") + "?version=x",
            page("schedule_change", "x"),
            page("event_change", "x"),
            page("auditentry_change", "x"),
        ):
            with self.subTest(page=address):
                self.assertEqual(self.operator.get(address).status_code, 404)

    @override_settings(ROOT_URLCONF="tests.urls")
    def test_a_cross_site_post_is_refused(self) -> None:
        from django.test import Client

        client = Client(enforce_csrf_checks=True)
        client.force_login(person("superuser"))
        row = start(simple(), {}, StartOptions())
        answer = client.post(page("execution_act", row.pk, "cancel"), {"confirmed": "1"})
        self.assertEqual(answer.status_code, 403)

    def test_a_form_leads_back_to_this_site_only(self) -> None:
        for target in ("https://evil.example/", "//evil.example/"):
            row = start(simple(), {}, StartOptions())
            address = page("execution_act", row.pk, "pause")
            answer = self.operator.post(address, {"next": target})
            self.assertRedirects(answer, page("execution_change", row.pk))
        self.assertIsNone(re.search("evil", answer["Location"]))
