"""The kit does all the due work that a worker does, by the same list."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest import mock

import durable
from durable import Cron, Workflow, clock, step
from durable.engine.duties import inline, workers
from durable.engine.duties.duty import Duty
from durable.models import Execution, Schedule, Worker
from durable.testing import assert_completed, drain, isolate_workflows, running, time_travel
from tests.calendar.cases import MORNING, outcomes, scheduled
from tests.cases import WorkflowTestCase
from tests.life.cases import a_worker, claim_as


class StrayTests(WorkflowTestCase):
    """A claim under an id that no worker has any more is freed."""

    def setUp(self) -> None:
        super().setUp()

        class Plain(Workflow):
            @step
            def only(self, data: Any) -> None: ...

        self.execution = durable.start(Plain)
        self.worker = a_worker()
        claim_as(self.worker)

    def assertFreed(self) -> None:
        """The kit takes the execution over, and works on it."""
        self.assertEqual(drain(), 1)
        assert_completed(self.execution)

    def test_what_a_stopped_worker_holds_is_freed(self) -> None:
        Worker.objects.filter(pk=self.worker).update(stopped_at=clock.now())
        self.assertFreed()

    def test_what_an_unknown_worker_holds_is_freed(self) -> None:
        Worker.objects.filter(pk=self.worker).delete()
        self.assertFreed()

    def test_what_a_live_worker_holds_is_left_to_it(self) -> None:
        drain()
        self.execution.refresh_from_db()
        self.assertEqual((self.execution.status, self.execution.recoveries), ("running", 0))


class ScheduleTests(WorkflowTestCase):
    """A schedule needs nothing but its declaration."""

    def test_a_declared_schedule_exists_and_fires(self) -> None:
        scheduled(Cron("0 9 * * *", timezone="UTC"))
        with time_travel(MORNING):
            self.assertEqual(inline.work(10), 0)
        with time_travel(MORNING + timedelta(hours=1)):
            self.assertEqual(inline.work(10), 1)
        self.assertEqual(outcomes(), [(MORNING + timedelta(hours=1), "started")])
        self.assertEqual(Execution.objects.get().status, "completed")

    def test_one_that_is_declared_no_longer_goes(self) -> None:
        with isolate_workflows():
            scheduled(Cron("0 9 * * *"))
            inline.work(1)
            self.assertEqual(Schedule.objects.count(), 1)
            scheduled(version=2)
            inline.work(1)
            self.assertEqual(Schedule.objects.count(), 0)

    def test_one_that_is_declared_no_longer_does_not_fire_once_more(self) -> None:
        for crons, at in (((Cron("0 9 * * *", timezone="UTC"),), 0), ((), 2)):
            with isolate_workflows(), time_travel(MORNING + timedelta(hours=at)):
                scheduled(*crons)
                self.assertEqual(inline.work(10), 0)


class ListTests(WorkflowTestCase):
    """An entry in the list is all that a duty needs."""

    def test_a_duty_that_is_listed_is_done(self) -> None:
        left, seen = [5], list[int]()

        def count_down(limit: int) -> int:
            seen.append(limit)
            done = min(limit, left[0])
            left[0] -= done
            return done

        def listed(**options: Any) -> tuple[Duty, ...]:
            return (Duty("count", count_down, at_once=2, due=lambda pulse: left[0] > 0),)

        with mock.patch.object(running, "duties_of", listed):
            drain()
        self.assertEqual((left, seen), ([0], [2, 2, 2]))


class PortionTests(WorkflowTestCase):
    """Upkeep is bounded, so that a look does not take long."""

    def test_a_portion_of_what_was_blocked_is_given_another_try_at_a_time(self) -> None:
        class Plain(Workflow):
            @step
            def only(self, data: Any) -> None: ...

        for _ in range(3):
            durable.start(Plain)
        workers.block_orphans([])
        left = Execution.objects.filter(status="blocked")
        self.assertEqual(left.count(), 3)
        with mock.patch.object(workers, "BLOCKED_AT_ONCE", 2):
            for count in (1, 0):
                workers.block_orphans(["plain@1"])
                self.assertEqual(left.count(), count)

    def test_what_some_of_many_stopped_workers_hold_is_freed_at_a_time(self) -> None:
        class Plain(Workflow):
            @step
            def only(self, data: Any) -> None: ...

        for name in ("a", "b", "c"):
            durable.start(Plain)
            claim_as(a_worker(name))
        Worker.objects.update(stopped_at=clock.now())
        self.assertEqual([workers.free_strays(2) for _ in range(3)], [2, 1, 0])


class OrphanTests(WorkflowTestCase):
    """What nobody has the code for is blocked, also if a step of this very drain has started it."""

    def test_what_a_step_starts_is_blocked_if_nobody_has_its_code(self) -> None:
        class Known(Workflow):
            @step
            def only(self, data: Any) -> None:
                with isolate_workflows():

                    class Foreign(Workflow):
                        @step
                        def other(self, data: Any) -> None: ...

                    durable.start(Foreign)

        durable.start(Known)
        drain()
        foreign = Execution.objects.get(workflow="foreign")
        self.assertEqual((foreign.status, foreign.blocked_by), ("blocked", "worker"))

    def test_what_was_blocked_runs_in_the_drain_that_finds_its_code(self) -> None:
        class Plain(Workflow):
            @step
            def only(self, data: Any) -> None: ...

        execution = durable.start(Plain)
        workers.block_orphans([])
        self.assertBlocked(execution, "NoWorker")
        self.assertEqual(drain(), 1)
        assert_completed(execution)
