"""Events of many inboxes that are delivered in one commit: in order, each once, none lost."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

import durable
from durable import Data, Workflow, chain, foreach, hours, step
from durable.authoring.parse import registry
from durable.engine import deliver
from durable.engine.duties.inline import InlineSession
from durable.engine.run.claim import claim_due
from durable.engine.run.runner import run as run_claim
from durable.models import Event, Execution, Wait
from durable.testing import drain, run
from tests.cases import ThreadedTestCase, elsewhere, impatient, open_transaction
from tests.concurrency.interleave import after
from tests.life.cases import a_worker

MANY = 12


class InboxTests(ThreadedTestCase):
    """Executions that wait for an event each."""

    def setUp(self) -> None:
        super().setUp()

        class Hear(Workflow):
            @step
            def hear(self, data: Data) -> Data:
                first = self.wait_for_event("go", timeout=hours(1), timeout_value="late")
                return {"got": [first, self.wait_for_event("go")]}

        class Last(Workflow):
            @step
            def hear(self, data: Data) -> Data:
                return {"got": self.wait_for_event("go")}

        class All(Workflow):
            @step
            def hear(self, data: Data) -> Data:
                return {"got": self.wait_for_all(["a", "b"])}

        class Each(Workflow):
            @step
            def hear(self, data: Data, item: str, index: int) -> Any:
                return self.wait_for_event("go", key=item)

            flow = chain(foreach("items", hear, collect_as="got", concurrency=MANY))

    def waiting(self, many: int = MANY) -> list[Any]:
        started = durable.start_many("hear", [{} for _ in range(many)])
        drain()
        return [execution.pk for execution in started]

    def data(self, pk: Any) -> Any:
        return Execution.objects.get(pk=pk).data

    def test_all_get_theirs_in_order(self) -> None:
        ids = self.waiting()
        for number in (1, 2):
            for pk in ids:
                durable.send_event(pk, "go", [number, str(pk)])
        with mock.patch.object(deliver, "each", side_effect=AssertionError):
            deliver.empty_inboxes()
        self.assertEqual(Execution.objects.filter(status="pending").count(), MANY)
        self.assertEqual(Event.objects.filter(status="consumed").count(), MANY)
        self.assertEqual(Event.objects.filter(status="kept").count(), MANY)
        drain()
        for pk in ids:
            self.assertEqual(self.data(pk), {"got": [[1, str(pk)], [2, str(pk)]]})

    def test_many_inboxes_take_as_many_statements_as_one(self) -> None:
        ids = self.waiting()
        counts = []
        for some in (ids[:1], ids[1:]):
            for pk in some:
                durable.send_event(pk, "go")
            with CaptureQueriesContext(connection) as sent:
                deliver.empty_inboxes()
            counts.append(len([one for one in sent if "pg_notify" not in one["sql"]]))
        self.assertEqual(counts[0], counts[1])

    def test_from_an_event_to_the_end_of_its_execution_it_is_seventeen_statements(self) -> None:
        run("last")
        durable.send_event(Execution.objects.get().pk, "go")
        with CaptureQueriesContext(connection) as delivered:
            deliver.deliver_due()
        worker = a_worker()
        with CaptureQueriesContext(connection) as worked:
            (claim,) = claim_due(worker, "default", registry.kinds(), 1)
            run_claim(claim, InlineSession())
        self.assertEqual(Execution.objects.get().status, "completed")
        counts = [
            len([one for one in some if one["sql"] not in ("BEGIN", "BEGIN IMMEDIATE", "COMMIT")])
            for some in (delivered, worked)
        ]
        self.assertLessEqual(counts[0], 9)
        self.assertLessEqual(counts[1], 8)

    def test_a_portion_is_bounded_however_many_inboxes_it_is_for(self) -> None:
        ids = self.waiting(3)
        for number in range(6):
            durable.send_event(ids[number % 2], "go", number)
        durable.send_event(ids[2], "go", "last")
        with mock.patch.object(deliver, "EVENTS_AT_ONCE", 4):
            self.assertEqual(deliver.empty_inboxes(), 4)
            self.assertEqual(Event.objects.pending().count(), 3)
            self.assertEqual(deliver.empty_inboxes(), 3)
        drain()
        self.assertEqual(self.data(ids[0]), {"got": [0, 2]})
        self.assertEqual(self.data(ids[1]), {"got": [1, 3]})

    def test_waits_for_several_events_are_answered_with_the_last_of_them(self) -> None:
        ids = [run("all").pk for _ in range(3)]
        durable.send_event(ids[0], "a", 1)
        durable.send_event(ids[1], "a", 1)
        durable.send_event(ids[1], "a", "another")
        durable.send_event(ids[1], "b", 2)
        deliver.empty_inboxes()
        received = dict(Wait.objects.values_list("execution", "received"))
        self.assertEqual(received, {ids[0]: {"a": 1}, ids[1]: {"a": 1, "b": 2}, ids[2]: None})
        durable.send_event(ids[0], "b", 2)
        drain()
        for pk in ids[:2]:
            self.assertEqual(self.data(pk), {"got": {"a": 1, "b": 2}})
        self.assertEqual(Event.objects.get(status="kept").payload, "another")

    def test_items_take_the_events_of_their_keys(self) -> None:
        names = [f"k{number}" for number in range(MANY)]
        root = run("each", {"items": names})
        for name in reversed(names):
            durable.publish_event("go", name.upper(), key=name)
        drain()
        self.assertEqual(self.data(root.pk)["got"], [name.upper() for name in names])

    def test_a_wait_that_is_over_since_it_was_read_takes_nothing(self) -> None:
        first, second = self.waiting(2)
        for pk in (first, second):
            durable.send_event(pk, "go", 7)
        over = after(
            deliver._EVENT_WAITS,
            lambda: Wait.objects.filter(execution=first).resolve("timed_out"),
        )
        with mock.patch.object(deliver, "_EVENT_WAITS", over):
            deliver.empty_inboxes()  # what it has written is rolled back, and with it the end here
        found = Wait.objects.filter(consumed__isnull=False).values_list("status", flat=True)
        self.assertEqual(list(found), ["answered", "answered"])

    def test_an_event_that_was_consumed_since_it_was_read_is_given_to_nobody_else(self) -> None:
        (pk,) = self.waiting(1)
        durable.send_event(pk, "go", 7)
        taken = after(deliver._EVENT_WAITS, lambda: Event.objects.all().consume(None))
        with mock.patch.object(deliver, "_EVENT_WAITS", taken):
            deliver.empty_inboxes()
        self.assertEqual(Event.objects.get().wait, Wait.objects.get())

    @pytest.mark.only_on("postgresql")
    def test_a_root_that_is_locked_elsewhere_keeps_no_other_waiting(self) -> None:
        ids = self.waiting(3)
        for pk in ids:
            durable.send_event(pk, "go", 7)
        with elsewhere() as other, open_transaction(other):
            other(lambda: Execution.objects.filter(pk=ids[1]).update(tags={"a": 1}))
            with impatient():
                self.assertEqual(deliver.empty_inboxes(), 2)
        self.assertEqual(Event.objects.pending().get().execution_id, ids[1])
        self.assertEqual(deliver.empty_inboxes(), 1)

    @pytest.mark.only_on("postgresql")
    def test_nor_does_one_with_more_events_than_a_portion_holds(self) -> None:
        first, second = self.waiting(2)
        for number in range(5):
            durable.send_event(first, "go", number)
        durable.send_event(second, "go", 7)
        with (
            mock.patch.object(deliver, "EVENTS_AT_ONCE", 2),
            elsewhere() as other,
            open_transaction(other),
        ):
            other(lambda: Execution.objects.filter(pk=first).update(tags={"a": 1}))
            with impatient():
                self.assertEqual(deliver.empty_inboxes(), 1)
                self.assertEqual(deliver.empty_inboxes(), 0)
        self.assertEqual(set(Event.objects.pending().values_list("execution", flat=True)), {first})
