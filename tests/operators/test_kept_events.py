"""Published events that lie in no inbox have an end: ``KEEP_EVENTS``, or one of their own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest import mock

from django.test import override_settings

import durable
from durable import Workflow, days, hours, step
from durable.engine.operators import sweep as sweeping
from durable.engine.operators.sweep import sweep
from durable.management import doctor
from durable.management.doctor import database
from durable.models import Event, Execution
from durable.testing import advance, drain, run, time_travel
from tests.calendar.cases import MORNING
from tests.cases import WorkflowTestCase


@time_travel(MORNING)
class KeptEventTests(WorkflowTestCase):
    """How long, and what happens then."""

    def setUp(self) -> None:
        super().setUp()

        class Hears(Workflow):
            @step
            def hear(self, data: dict[str, Any]) -> dict[str, Any]:
                return {"heard": self.wait_for_event("go", timeout=days(400))}

        self.workflow = Hears

    def names(self) -> list[str]:
        return sorted(Event.objects.values_list("name", flat=True))

    def test_it_is_kept_for_thirty_days(self) -> None:
        durable.publish_event("go", 1, key="k", event_id="e")
        advance(days=29)
        self.assertEqual(self.names(), ["go"])
        self.assertFalse(durable.publish_event("go", 1, key="k", event_id="e").created)
        advance(days=1, hours=1)
        self.assertEqual(self.names(), [])
        self.assertTrue(durable.publish_event("go", 1, key="k", event_id="e").created)

    def test_workers_remove_it_and_so_does_the_clean_up(self) -> None:
        for remove in (lambda: drain(), lambda: sweep().events, lambda: sweep(days(900)).events):
            durable.publish_event("go", 1, key="k")
            drain()
            advance(days=31, work=False)
            remove()
            self.assertEqual(self.names(), [])

    def test_one_that_was_delivered_goes_and_leaves_its_copies(self) -> None:
        execution = run(self.workflow, {}, keys=["k"])
        durable.publish_event("other", 1, key="k")
        advance(days=31)
        copy = Event.objects.get()
        self.assertEqual((copy.execution_id, copy.source), (execution.pk, None))

    def test_the_inbox_of_an_unfinished_execution_has_no_end(self) -> None:
        execution = run(self.workflow)
        durable.send_event(execution.pk, "other", 1)
        advance(days=300)
        self.assertEqual(self.names(), ["other"])

    def test_nobody_gets_what_is_over_though_it_is_still_there(self) -> None:
        durable.publish_event("go", "late", key="k", keep=hours(1))
        durable.publish_event("go", "in time", key="k", keep=hours(3))
        drain()
        advance(hours=2, work=False)
        execution = run(self.workflow, {}, keys=["k"])
        self.assertEqual(execution.result, {"heard": "in time"})

    def test_one_that_no_worker_has_looked_at_is_delivered_however_late(self) -> None:
        durable.start(self.workflow, {}, keys=["k"])
        durable.publish_event("go", 1, key="k", keep=hours(1))
        advance(days=50, work=False)
        drain()
        self.assertEqual(Execution.objects.get().result, {"heard": 1})

    def test_a_time_of_its_own_may_be_shorter_or_longer(self) -> None:
        durable.publish_event("short", key="k", keep=days(2))
        durable.publish_event("long", key="k", keep=days(90))
        durable.publish_event("usual", key="k")
        drain()
        left = {3: ["long", "usual"], 40: ["long"], 91: []}
        for day, expected in left.items():
            with self.subTest(day), time_travel(MORNING + timedelta(days=day)):
                drain()
                self.assertEqual(self.names(), expected)

    def test_the_setting_holds_for_what_is_there_and_none_is_for_ever(self) -> None:
        durable.publish_event("go", key="k")
        drain()
        with override_settings(DURABLE={"KEEP_EVENTS": None}):
            advance(days=2000)
            self.assertEqual((self.names(), sweep().events), (["go"], 0))
        with override_settings(DURABLE={"KEEP_EVENTS": days(2001)}):
            self.assertEqual(sweep().events, 0)
        with override_settings(DURABLE={"KEEP_EVENTS": 3600}):
            self.assertEqual(sweep().events, 1)

    def test_a_time_that_is_none_is_refused(self) -> None:
        for keep in (timedelta(0), days(-1), timedelta.max, 30, "30d"):
            with self.subTest(keep), self.assertRaises(durable.DurableError):
                durable.publish_event("go", key="k", keep=keep)  # type: ignore[arg-type]
        self.assertEqual(self.names(), [])

    def test_thousands_go_in_portions(self) -> None:
        Event.objects.bulk_create(
            Event(name="x", key=str(n), status="kept", created_at=MORNING) for n in range(2_000)
        )
        advance(days=31, work=False)
        self.assertEqual(sweeping.expire_events(300), 300)
        drain()
        self.assertEqual(self.names(), [])

    def test_the_doctor_says_when_there_are_very_many(self) -> None:
        for count, expected in ((2, []), (3, ["many-events"])):
            Event.objects.all().delete()
            for number in range(count):
                durable.publish_event("go", key=str(number))
            with self.subTest(count), mock.patch.object(database, "MANY_EVENTS", 3):
                codes = [one.code for one in doctor.examine().findings]
                self.assertEqual([code for code in codes if code == "many-events"], expected)
