"""Housekeeping takes a bounded share of a worker's time, however much of it is due."""

from __future__ import annotations

from typing import Any
from unittest import mock

from django.db import connection
from django.test.utils import CaptureQueriesContext

import durable
from durable import Data, Workflow, clock, parallel, step
from durable.engine import deliver
from durable.engine.duties.duty import Duty
from durable.engine.duties.rota import Rota
from durable.engine.parts import report
from durable.models import CorrelationKey, Event, Execution
from durable.storage import share
from durable.testing import drain
from tests.cases import WorkflowTestCase


class KeyTests(WorkflowTestCase):
    """Keys for which no event waits cost as much together as one of them."""

    def setUp(self) -> None:
        super().setUp()

        class Hear(Workflow):
            class Meta:
                key = "order"

            @step
            def hear(self, data: Data) -> Data:
                return {"heard": self.wait_for_event("go")}

    def start(self, *orders: Any) -> None:
        durable.start_many("hear", [{"order": str(order)} for order in orders])

    def statements(self) -> int:
        with CaptureQueriesContext(connection) as sent:
            deliver.deliver_due()
        return len(sent)

    def test_however_many_executions_start(self) -> None:
        self.start("one")
        few = self.statements()
        self.start(*range(300))
        self.assertEqual(self.statements(), few)
        self.assertFalse(CorrelationKey.objects.fresh().exists())

    def test_a_key_for_which_an_event_waits_gets_it(self) -> None:
        durable.publish_event("go", 1, key="3")
        drain()
        durable.publish_event("go", 2, key="4")  # not looked at yet
        self.start(*range(10))
        deliver.deliver_due()
        drain()
        heard = Execution.objects.filter(status="completed").values_list("data", flat=True)
        self.assertCountEqual([data["heard"] for data in heard], [1, 2])

    def test_an_event_that_was_kept_goes_to_the_first_that_gets_its_key(self) -> None:
        durable.publish_event("go", 1, key="k")
        drain()
        self.start("k")
        self.start("k")
        drain()
        done = list(Execution.objects.order_by("created_at", "id").values_list("status", flat=True))
        self.assertEqual(done, ["completed", "waiting"])

    def test_many_kept_events_are_copied_in_portions_and_in_order(self) -> None:
        for number in range(5):
            durable.publish_event("other", number, key="k")
        drain()
        self.start("k")
        with mock.patch.object(deliver, "EVENTS_AT_ONCE", 2):
            durable.publish_event("other", 5, key="k")
            for _ in range(6):
                deliver.deliver_due()
        got = Event.objects.filter(execution__isnull=False).order_by("created_at", "id")
        self.assertEqual(list(got.values_list("payload", flat=True)), [0, 1, 2, 3, 4, 5])

    def test_a_portion_is_smaller_where_more_executions_carry_the_key(self) -> None:
        self.start(*["k"] * 4)
        drain()
        for number in range(6):
            durable.publish_event("other", number, key="k")
        with mock.patch.object(deliver, "COPIES_AT_ONCE", 8):
            deliver.deliver_due()
        self.assertEqual(Event.objects.filter(execution__isnull=False).count(), 8)
        drain()
        self.assertEqual(Event.objects.filter(execution__isnull=False).count(), 24)


class ReportTests(WorkflowTestCase):
    """Parents get to know of what has ended below them, whatever else is due."""

    def setUp(self) -> None:
        super().setUp()

        class Both(Workflow):
            @step
            def left(self, data: Data) -> Data:
                return data

            @step
            def right(self, data: Data) -> Data:
                return {"right": self.wait_for_event("go")}

            flow = parallel(left, right)

        started = durable.start_many(Both, [{}] * 12)
        drain()
        self.parents = [one.pk for one in started]
        left = Execution.objects.filter(branch="left")
        left.update(unreported=True)

    def untold(self) -> int:
        return Execution.objects.unreported().values("parent").distinct().count()

    def test_some_are_told_though_one_takes_the_whole_share(self) -> None:
        with share.share(0.0):
            self.assertEqual(report.report_due(), 5)
        self.assertEqual(self.untold(), 7)
        for left in (2, 0):
            with share.share(0.0):
                report.report_due()
            self.assertEqual(self.untold(), left)

    def test_one_with_many_ended_children_hides_no_other(self) -> None:
        first = min(self.parents)
        Execution.objects.bulk_create(
            Execution(
                root_id=first,
                parent_id=first,
                role="item",
                index=number,
                workflow="both",
                kind="both@1",
                status="cancelled",
                created_at=clock.now(),
                finished_at=clock.now(),
                unreported=True,
                awaited=True,
            )
            for number in range(300)
        )
        told: list[Any] = []
        with mock.patch.object(report, "report_to", lambda parent: told.append(parent) or 1):
            report.report_due(5)
            self.assertEqual(told, sorted(self.parents)[:5])
        self.assertEqual(self.untold(), 12)


class ShareTests(WorkflowTestCase):
    """What doesn't fit into the share of a duty stays due."""

    def setUp(self) -> None:
        super().setUp()
        self.now = 0.0
        self.enterContext(mock.patch.object(share.time, "monotonic", side_effect=lambda: self.now))

    def work(self, things: int) -> int:
        done = 0
        for _ in share.within_share(range(things)):
            self.now += 0.03
            done += 1
        return done

    def rota(self, seconds: float | None, **options: Any) -> tuple[Rota, Duty]:
        duty = Duty("work", self.work, at_once=20, **options)
        return Rota([duty], seconds), duty

    def test_a_portion_ends_when_the_share_is_used_up(self) -> None:
        rota, duty = self.rota(0.1)
        self.assertEqual(rota.perform(duty), 4)

    def test_a_portion_that_takes_longer_than_that_is_one_thing(self) -> None:
        rota, duty = self.rota(0.0)
        self.assertEqual(rota.perform(duty), 1)

    def test_where_nothing_else_waits_a_portion_is_whole(self) -> None:
        rota, duty = self.rota(None)
        self.assertEqual(rota.perform(duty), 20)

    def test_a_duty_with_a_thread_of_its_own_takes_its_time(self) -> None:
        rota, duty = self.rota(0.1, own_thread=True)
        self.assertEqual(rota.perform(duty), 20)

    def test_a_duty_by_the_clock_whose_share_was_over_is_due_again_at_once(self) -> None:
        rota, duty = self.rota(0.1, every=durable.hours(1))
        rota.perform(duty)
        self.assertEqual(list(rota.due(mock.Mock())), [duty])
