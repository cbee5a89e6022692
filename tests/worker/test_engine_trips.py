"""What fails in the engine itself, outside of a body, is tried again, then set aside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from django.db import OperationalError, connection

import durable
from durable import Workflow, WorkflowMeta, chain, clock, foreach, parallel, step
from durable.engine.ends import direct
from durable.engine.run import attempt, suspend
from durable.engine.undo import fail, rollback
from durable.models import Execution, StepRun
from durable.testing import advance, assert_completed, drain, run, time_travel
from tests.cases import ThreadedTestCase, WorkflowTestCase
from tests.life.cases import die_in_the_next_step


class Tripped(Exception):
    """What the engine raises in these tests."""


def trips(*args: Any, **kwargs: Any) -> Any:
    """A function of the engine with a mistake in it."""
    raise Tripped("the engine's own mistake")


def breaks(*args: Any, **kwargs: Any) -> Any:
    """A function of the engine that sends what the database refuses."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO durable_queue (name) VALUES (NULL)")


#: by what a body does: the function that trips then
PLACES: dict[str, tuple[Any, str]] = {
    "wait": (suspend, "park"),
    "fail": (fail, "fail_attempt"),
    "go on": (direct, "commit"),
}


class TripCase:
    """Runs that trip, the same in one transaction and where transactions commit."""

    def setUp(self) -> None:
        super().setUp()  # type: ignore[misc]
        self.ran: list[Any] = []

    def workflow(self, bound: int) -> type[Workflow]:
        ran = self.ran

        class P(Workflow):
            class Meta(WorkflowMeta):
                max_recoveries = bound

            @step(atomic=False)
            def one(self, data):
                ran.append(self.id)
                match data["do"]:
                    case "wait":
                        return {"got": self.wait_for_event("go")}
                    case "fail":
                        raise ValueError("no")

        return P

    @contextmanager
    def tripping(
        self: Any, place: tuple[Any, str], how: Callable[..., Any] = trips
    ) -> Iterator[Any]:
        """Trip at a place; yields the lines that the engine logged."""
        with (
            mock.patch.object(*place, how),
            time_travel(),
            self.assertLogs("durable.engine", "WARNING") as logs,
        ):
            yield logs

    def test_it_counts_waits_longer_and_longer_and_is_blocked_in_the_end(self: Any) -> None:
        for what, place in PLACES.items():
            for how, type_ in ((trips, "Tripped"), (breaks, "IntegrityError")):
                with self.subTest(what, how=how.__name__), self.tripping(place, how) as logs:
                    self.ran.clear()
                    execution = run(self.workflow(3), {"do": what})
                    pauses = []
                    for count in range(1, 4):
                        execution.refresh_from_db()
                        self.assertEqual(
                            (execution.status, execution.recoveries), ("pending", count)
                        )
                        pauses.append(execution.wake_at - clock.frozen_at())
                        advance(seconds=pauses[-1].total_seconds())
                    self.assertEqual(pauses, sorted(set(pauses)))
                    self.assertBlocked(execution, type_)
                    self.assertIn(how.__name__, execution.error["traceback"])
                    self.assertEqual((execution.blocked_by, execution.recoveries), ("code", 0))
                    advance(days=1)
                    self.assertLessEqual(len(self.ran), 4)
                    self.assertEqual([r.levelname for r in logs.records].count("ERROR"), 1)

    def test_a_retry_frees_it_with_as_many_recoveries_as_before(self: Any) -> None:
        with self.tripping(PLACES["wait"]):
            execution = run(self.workflow(1), {"do": "wait"})
            for _ in range(2):
                advance(hours=1)
                self.assertBlocked(execution, "Tripped")
                durable.retry(execution.id)
                drain()
                execution.refresh_from_db()
                self.assertEqual((execution.status, execution.recoveries), ("pending", 1))
        with time_travel():
            advance(hours=9)
        execution.refresh_from_db()
        self.assertEqual((execution.status, execution.error), ("waiting", None))

    def test_none_are_allowed_if_it_says_zero(self: Any) -> None:
        with self.tripping(PLACES["wait"]):
            self.assertBlocked(run(self.workflow(0), {"do": "wait"}), "Tripped")

    def test_a_rollback_goes_on_after_it_was_blocked(self: Any) -> None:
        undone: list[Any] = []

        class P(Workflow):
            class Meta(WorkflowMeta):
                max_recoveries = 1

            @step
            def one(self, data):
                pass

            @one.compensate
            def undo(self, data):
                undone.append(1)

            @step
            def two(self, data):
                raise ValueError("no")

        for where, status in (("look", "pending"), ("undo_at", "compensating")):
            undone.clear()
            with self.subTest(where):
                with self.tripping((rollback, where)):
                    execution = run(P)
                    execution.refresh_from_db()
                    self.assertEqual((execution.status, execution.recoveries), (status, 1))
                    advance(hours=1)
                    self.assertBlocked(execution, "Tripped")
                durable.retry(execution.id)
                drain()
                execution.refresh_from_db()
                self.assertEqual(execution.status, "compensated", execution.error)
                self.assertEqual((execution.error["type"], undone), ("ValueError", [1]))

    def test_an_item_that_trips_holds_up_no_other(self: Any) -> None:
        once = attempt.StepAttempt._once

        def trips_at_two(attempted: Any) -> Any:
            return trips() if "2" in attempted.claim.element else once(attempted)

        for what, place, how in (
            ("as it leaves to wait", PLACES["wait"], trips),
            ("as it begins", (attempt.StepAttempt, "_once"), trips_at_two),
        ):
            with self.subTest(what):
                self.trip_in_a_batch(place, how)

    def trip_in_a_batch(self: Any, place: tuple[Any, str], how: Callable[..., Any]) -> None:
        seen: list[int] = []

        class P(Workflow):
            class Meta(WorkflowMeta):
                max_recoveries = 1

            @step(atomic=False)  # so that its checkpoint is kept for the batch's
            def each(self, data, item, index):
                seen.append(item)
                if item == 2:
                    self.wait_for_event("go")
                return {}

            flow = foreach("items", each, batch_size=3, concurrency=2, collect_as="found")

        with self.tripping(place, how):
            execution = run(P, {"items": [0, 1, 2, 3, 4]})
            advance(hours=1)
            parts = Execution.objects.filter(parent=execution).order_by("index")
            statuses = [part.status for part in parts]
            self.assertEqual(
                statuses, ["completed", "completed", "blocked", "completed", "completed"]
            )
        self.assertEqual([seen.count(item) for item in (0, 1, 3, 4)], [1, 1, 1, 1])
        others = StepRun.objects.filter(execution__parent=execution, status="completed")
        if not connection.in_atomic_block:  # else a savepoint takes back that the others were left
            self.assertEqual(set(others.values_list("recoveries", flat=True)), {0})
        self.assertLessEqual(seen.count(2), 2)
        durable.retry(execution.id)
        drain()
        execution.refresh_from_db()
        self.assertEqual(execution.status, "waiting")
        durable.cancel(execution.pk)

    def test_workers_that_die_outside_of_any_body_are_counted(self: Any) -> None:
        class P(Workflow):
            class Meta(WorkflowMeta):
                max_recoveries = 1

            @step
            def left(self, data):
                pass

            @step
            def right(self, data):
                pass

            flow = chain(parallel(left, right))

        execution = durable.start(P)
        for _ in range(2):
            die_in_the_next_step()
        with self.assertLogs("durable.engine", "ERROR"):
            drain()
        self.assertBlocked(execution, "StepCrashed", "max_recoveries is 1")
        durable.retry(execution.id)
        drain()
        assert_completed(execution)


class TripTests(TripCase, WorkflowTestCase):
    """In one transaction, as in a ``TestCase`` of the kit."""


class CommittingTripTests(TripCase, ThreadedTestCase):
    """Where transactions commit."""

    def test_an_outage_counts_nothing(self) -> None:
        def away(*args: Any, **kwargs: Any) -> None:
            raise OperationalError("server closed the connection")

        execution = durable.start(self.workflow(0), {"do": "wait"})
        with mock.patch.object(*PLACES["wait"], away), self.assertRaises(OperationalError):
            drain()
        execution.refresh_from_db()
        self.assertEqual((execution.status, execution.recoveries), ("pending", 0))

    def test_what_is_asked_of_it_meanwhile_is_obeyed(self) -> None:
        for asked, given, status in (
            ("ask_to_pause", (), "paused"),
            ("ask_to_cancel", ("stop",), "cancelled"),
        ):

            def ask(claim: Any, *_: Any, asked: str = asked, given: Any = given) -> None:
                getattr(Execution.objects.filter(pk=claim.execution_id), asked)(*given)
                raise Tripped

            for bound in (0, 3):
                execution = durable.start(self.workflow(bound), {"do": "wait"})
                with self.subTest(asked, bound=bound), self.tripping(PLACES["wait"], ask):
                    drain()
                    advance(hours=1)
                    execution.refresh_from_db()
                    self.assertEqual(execution.status, status)
