"""What a duty fails with keeps it from nothing else that is due."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest import mock

from django.db import OperationalError

import durable
from durable import Data, Workflow, WorkflowMeta, step
from durable.engine import deliver
from durable.engine.calendar import fire
from durable.engine.duties import workers
from durable.engine.parts import report
from durable.models import Event, Execution, Schedule, Wait
from durable.people import notices
from durable.storage.share import each
from durable.testing import run
from tests.cases import ThreadedTestCase


class Tripped(Exception):
    """What the engine raises in these tests."""


class DutyTests(ThreadedTestCase):
    def setUp(self) -> None:
        super().setUp()

        class Hear(Workflow):
            class Meta(WorkflowMeta):
                key = "order"

            @step
            def hear(self, data: Data) -> Data:
                return {"heard": self.wait_for_event("go", key=data["order"])}

        class Ask(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                return {"answer": self.wait_for_text("q", assignees=["user:kim"])}

        class Parent(Workflow):
            @step
            def call(self, data: Data) -> Data:
                return {"child": self.call_workflow("hear", data)}

    def first_trips(self, module: Any, name: str, duty: Any) -> None:
        """The duty fails with the first thing that is due, and does all others."""
        real, seen = getattr(module, name), []

        def trips(thing: Any) -> Any:
            seen.append(thing)
            if len(seen) == 1:
                raise Tripped
            return real(thing)

        with mock.patch.object(module, name, trips), self.assertRaises(Tripped):
            duty()
        self.assertEqual(len(seen), 3)

    def test_events_to_carriers_of_keys(self) -> None:
        for key in "abc":
            durable.publish_event("go", key=key)
        self.first_trips(deliver, "sort_mailbox", deliver.deliver_due)
        self.assertEqual(Event.objects.pending().count(), 1)

    def test_events_in_inboxes(self) -> None:
        for execution in [run("hear", {"order": key}) for key in "abc"]:
            durable.send_event(execution.pk, "go")
        bad = Event.objects.in_order().first()
        add = deliver.Gifts.add

        def trips(gifts: deliver.Gifts, event: Event, wait: Wait) -> None:
            if event == bad:
                raise Tripped
            add(gifts, event, wait)

        with mock.patch.object(deliver.Gifts, "add", trips), self.assertRaises(Tripped):
            deliver.deliver_due()
        self.assertEqual(Execution.objects.filter(status="pending").count(), 2)
        self.assertEqual(list(Event.objects.pending()), [bad])

    def test_ends_of_children(self) -> None:
        for key in "abc":
            run("parent", {"order": key})
        for child in Execution.objects.filter(role="child"):
            durable.cancel(child.pk)
        self.first_trips(report, "report_to", report.report_due)
        self.assertEqual(Execution.objects.unreported().count(), 1)

    def test_slots(self) -> None:
        for name in "abc":
            durable.schedule("ask", "0 9 * * *", name=name)
        Schedule.objects.update(next_run_at="2020-01-01T09:00Z")
        self.first_trips(fire, "_fire", fire.fire_due)
        self.assertEqual(Schedule.objects.due().count(), 1)

    def test_notices(self) -> None:
        for _ in range(3):
            run("ask")
        Wait.objects.update(notice_at="2020-01-01T09:00Z")
        self.first_trips(notices, "_tell", notices.tell_due)

    def test_dead_workers(self) -> None:
        for name in "abc":
            workers.sign_on(name, [], [], -timedelta(hours=1), listening=False)
        dead = [pk for pk, _ in workers.expired()]
        self.first_trips(workers, "bury", lambda: workers.bury_all(dead))
        self.assertEqual(len(workers.expired()), 1)

    def test_an_outage_ends_it_at_once(self) -> None:
        seen: list[int] = []

        def away(thing: int) -> int:
            seen.append(thing)
            raise OperationalError("server closed the connection")

        with self.assertRaises(OperationalError):
            each(away, [1, 2, 3])
        self.assertEqual(seen, [1])

    def test_each_error_is_told(self) -> None:
        def trips(thing: int) -> int:
            raise Tripped(thing)

        with (
            self.assertLogs("durable.engine", "ERROR") as logs,
            self.assertRaisesMessage(Tripped, "1"),
        ):
            each(trips, [1, 2, 3])
        self.assertEqual(len(logs.records), 2)
