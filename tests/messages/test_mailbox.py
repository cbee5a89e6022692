"""Published events are sorted in portions; what lies in a mailbox is not read for each."""

from __future__ import annotations

from typing import Any
from unittest import mock

from django.db import connection
from django.db.models.signals import post_init
from django.test.utils import CaptureQueriesContext

import durable
from durable import OnEvent, Workflow, step
from durable.engine import deliver
from durable.models import Event, Execution
from durable.testing import drain, run
from tests.cases import WorkflowTestCase


class MailboxTests(WorkflowTestCase):
    def test_a_burst_is_sorted_in_portions_and_in_order(self) -> None:
        class Triggered(Workflow):
            class Meta:
                triggers = [OnEvent("go")]

            @step
            def only(self, data: Any) -> Any:
                return {**data, "then": [self.wait_for_event("go") for _ in range(4)]}

        for n in range(5):
            durable.publish_event("go", {"n": n}, key="k")
        with mock.patch.object(deliver, "EVENTS_AT_ONCE", 2):
            self.assertEqual(deliver.sort_mailbox("k"), 2)
            self.assertEqual(Event.objects.pending().filter(execution__isnull=True).count(), 3)
            drain()
        execution = Execution.objects.get()
        self.assertEqual(
            [execution.data["n"], *execution.data["then"]][1:], [{"n": n} for n in range(1, 5)]
        )

    def test_events_that_nobody_takes_are_not_read_again_with_each_new_one(self) -> None:
        class Taking(Workflow):
            @step
            def only(self, data: Any) -> Any:
                return {"got": [self.wait_for_event("go") for _ in range(3)]}

        for n in range(2):
            durable.publish_event("go", n, key="k")
            drain()
        durable.publish_event("go", 2, key="k")
        with CaptureQueriesContext(connection) as seen:
            deliver.sort_mailbox("k")
        read = [one["sql"] for one in seen if "'kept'" in one["sql"] and "payload" in one["sql"]]
        self.assertEqual(read, [])
        self.assertEqual(run(Taking, keys=["k"]).data, {"got": [0, 1, 2]})


class InboxTests(WorkflowTestCase):
    def test_a_wait_reads_of_a_long_inbox_what_it_takes(self) -> None:
        class Taking(Workflow):
            @step
            def only(self, data: Any) -> Any:
                return {"one": self.wait_for_event("a"), "all": self.wait_for_all(["a", "b", "c"])}

        execution = durable.start(Taking)
        for n in range(20):
            durable.send_event(execution.id, "abx"[n % 3], n)
        for n in (1, 2):
            durable.send_event(execution.id, "c", n)
        deliver.empty_inboxes(execution.pk)  # none of them has a wait yet
        read: list[Event] = []

        def note(instance: Event, **_: Any) -> None:
            read.append(instance)

        post_init.connect(note, sender=Event)
        try:
            drain()
        finally:
            post_init.disconnect(note, sender=Event)
        self.assertEqual(len(read), 4)
        execution.refresh_from_db()
        self.assertEqual(execution.data, {"one": 0, "all": {"a": 3, "b": 1, "c": 1}})
        self.assertEqual(execution.events.filter(status="kept").count(), 18)
