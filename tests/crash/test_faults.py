"""Errors and lost connections at any point, in the threads of one worker, change no result."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from django.db import connection, connections, transaction

import durable
from durable import Data, Workflow, step
from durable.models import Execution
from durable.storage import failpoints
from durable.testing import worker
from tests.cases import until
from tests.crash.armed import armed, lose_the_answer, lose_the_request, once, wrote_by
from tests.crash.cases import FAST, AsIfNothingHappened, ended
from tests.crash.workflows import CrashOrder, CrashTree
from tests.parts.leftovers import CommittingTreeTestCase
from tests.processes import processes
from tests.shop.models import Effect

#: not in a body: what is raised there is the step's own error; not in a client's start
POINTS = [p for p in failpoints.POINTS if not p.startswith(("body.", "start."))]


def settle(*executions: Any) -> None:
    """Wait for the executions to complete; pay the orders that ask for it."""
    until(lambda: ended(*(execution.pk for execution in executions)))


class Faults:
    """An error at each of the points, one after the other, in the threads of one worker."""

    workflow: type[Workflow]
    input: Any
    points: Sequence[str]
    assertUnchanged: Callable[..., None]  # the result is that of a run without errors

    def at_each_point(self: Any, action: str) -> None:
        with processes() as started, worker():
            for point in self.points:
                with self.subTest(point=point, action=action):
                    Effect.objects.all().delete()
                    with armed(point, action) as trap:
                        execution = durable.start(self.workflow, self.input)
                        settle(execution)
                        until(lambda trap=trap: trap.sprung)
                    until(lambda: not Execution.objects.unreported().exists())
                    self.assertUnchanged(execution, started.ran())

    def test_an_error_of_the_database_at_any_point_changes_no_result(self) -> None:
        self.at_each_point("refuse")

    @pytest.mark.only_on("postgresql")
    def test_a_connection_lost_at_any_point_changes_no_result(self) -> None:
        self.at_each_point("cut")


@FAST
class ErrorAtAPointTests(Faults, AsIfNothingHappened):
    """An error at any point of the protocol ends no worker, and changes no result."""

    workflow, input, points = CrashOrder, {"n": 1}, POINTS

    def assertUnchanged(self, execution: Execution, ran: list[str]) -> None:
        self.assertUndisturbed(execution.pk, ran, None)

    def test_an_error_that_nobody_expects_at_any_point_changes_no_result(self) -> None:
        self.at_each_point("fail")


@FAST
class ErrorInATreeTests(Faults, CommittingTreeTestCase):
    """An error of the database at any point of a tree ends no worker, and changes no result."""

    workflow, input = CrashTree, {"n": 1, "items": [0, 1, 2], "fail": True}
    points = failpoints.TREE_POINTS

    def assertUnchanged(self, execution: Execution, ran: list[str]) -> None:
        self.assertEnded(execution, "compensated", "asked_for")
        self.assertEqual([execution.data[key] for key in ("n", "sent", "pinged")], [16, 3, 3])
        statuses = list(execution.compensations.values_list("status", flat=True))
        self.assertEqual(statuses, ["completed"] * 6)
        keys = list(Effect.objects.values_list("key", flat=True))
        self.assertEqual(len(keys), len(set(keys)))


class Bookings(Workflow):
    """An atomic step that writes, then one that does not."""

    class Meta:
        name = "fault_bookings"

    @step
    def book(self, data: Data) -> Data:
        """Write a row; count the hooks that run."""
        Effect.objects.create(key=f"book:{self.id}")
        transaction.on_commit(lambda: Effect.objects.create(key=f"hook:{self.id}"))
        return {**data, "booked": True}

    @step(atomic=False)
    def tell(self, data: Data) -> Data:
        """Have an effect outside."""
        Effect.objects.create(key=f"tell:{self.id}")
        return {**data, "told": True}


@FAST
class CommitInDoubtTests(AsIfNothingHappened):
    """A COMMIT whose answer is lost is settled by reading back, never by guessing."""

    def _effects(self, pk: UUID) -> list[str]:
        keys = Effect.objects.filter(key__endswith=str(pk)).values_list("key", flat=True)
        return sorted(key.partition(":")[0] for key in keys)

    def _book(self, patch: Any) -> Execution:
        with processes(), worker(), patch as _:
            booking = durable.start(Bookings, {"n": 1})
            settle(booking)
        booking.refresh_from_db()
        self.assertEqual(booking.status, "completed", booking.error)
        self.assertEqual(booking.data, {"n": 1, "booked": True, "told": True})
        runs = list(booking.steps.values_list("path", "attempt", "status"))
        self.assertEqual(runs, [("book", 1, "completed"), ("tell", 1, "completed")])
        self.assertNothingLeftOver(booking)
        return booking

    def test_an_atomic_step_whose_commit_is_in_is_not_run_again(self) -> None:
        booking = self._book(once(wrote_by("durable-default"), lose_the_answer))
        self.assertEqual(self._effects(booking.pk)[0], "book")
        self.assertEqual(self._effects(booking.pk).count("book"), 1)
        self.assertEqual(self._effects(booking.pk).count("tell"), 1)

    def test_an_atomic_step_whose_commit_is_not_in_is_run_again_and_that_is_no_attempt(
        self,
    ) -> None:
        booking = self._book(once(wrote_by("durable-default"), lose_the_request))
        self.assertEqual(self._effects(booking.pk), ["book", "hook", "tell"])

    def test_a_step_outside_transactions_is_not_run_again_when_its_commit_is_in_doubt(self) -> None:
        for lose in (lose_the_answer, lose_the_request):
            with self.subTest(lose.__name__):
                booking = self._book(once(wrote_by("durable-committer"), lose))
                self.assertEqual(self._effects(booking.pk), ["book", "hook", "tell"])


class Hooked(Workflow):
    """An atomic step whose on_commit hook raises."""

    class Meta:
        name = "fault_hooked"

    @step
    def one(self, data: Data) -> Data:
        """Register a hook that raises."""

        def hook() -> None:
            raise ValueError("the hook is broken")

        transaction.on_commit(hook)
        return {**data, "one": True}


@FAST
class HookTests(AsIfNothingHappened):
    """What follows a commit can't undo it."""

    def test_a_hook_that_raises_does_not_fail_the_step_that_is_committed(self) -> None:
        with self.assertLogs("durable.engine", "ERROR") as logs, worker():
            execution = durable.start(Hooked)
            settle(execution)
        execution.refresh_from_db()
        self.assertEqual(execution.status, "completed", execution.error)
        self.assertIn("the hook is broken", logs.output[0])


class Lasting(Workflow):
    """Steps that go on while connections are cut."""

    class Meta:
        name = "fault_lasting"

    @step
    def one(self, data: Data) -> Data:
        """Write."""
        Effect.objects.create(key=f"one:{self.id}")
        return {**data, "one": True}

    @step
    def two(self, data: Data) -> Data:
        """Write, wait a moment, write again."""
        Effect.objects.create(key=f"two:{self.id}")
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.02)")
        return {**data, "two": True}


@FAST
@pytest.mark.only_on("postgresql")
class BackendsTerminatedTests(AsIfNothingHappened):
    """An administrator who ends all our connections costs no work."""

    def _terminate_all(self) -> int:
        with connections["default"].cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() "
                "AND backend_type = 'client backend'"
            )
            (count,) = cursor.fetchone()
        return int(count)

    def test_terminating_every_backend_again_and_again_loses_no_work(self) -> None:
        with worker():
            executions = [durable.start(Lasting, {"n": n}) for n in range(150)]
            rows = Execution.objects.filter(pk__in=[e.pk for e in executions])
            ended, last = [0], [time.monotonic()]

            def done() -> bool:
                if ended[0] < 100 and time.monotonic() - last[0] > 0.6:
                    ended[0] += self._terminate_all()
                    last[0] = time.monotonic()
                return all(row.is_finished for row in rows.all())

            until(done)
        self.assertGreaterEqual(ended[0], 10)
        for execution in executions:
            execution.refresh_from_db()
            self.assertEqual(execution.status, "completed", execution.error)
            self.assertNothingLeftOver(execution)
            for name in ("one", "two"):
                self.assertEqual(Effect.objects.filter(key=f"{name}:{execution.pk}").count(), 1)

    def test_idle_threads_notice_that_their_connections_are_gone(self) -> None:
        with worker() as running:
            for _ in range(3):
                executions = [durable.start(Lasting, {"n": n}) for n in range(8)]
                settle(*executions)
                until(lambda: not running._held())
                self._terminate_all()
            for execution in Execution.objects.all():
                self.assertEqual(execution.status, "completed", execution.error)


@FAST
class CommitOnItsWayTests(AsIfNothingHappened):
    """The server may still be committing when the client, cut off, looks and tries again."""

    def test_a_step_that_the_lost_commit_completes_in_the_end_takes_effect_once(self) -> None:
        from durable.engine.ends import direct

        with (
            mock.patch.object(direct, "_read_back", return_value=None),  # it came too early
            once(wrote_by("durable-default"), lose_the_answer),
            worker(),
        ):
            booking = durable.start(Bookings, {"n": 1})
            settle(booking)
        booking.refresh_from_db()
        self.assertEqual(booking.status, "completed", booking.error)
        self.assertEqual(Effect.objects.filter(key=f"book:{booking.pk}").count(), 1)
        self.assertEqual(booking.steps.count(), 2)
