"""Killed at any point of the protocol, an execution ends as if nothing had happened."""

from __future__ import annotations

import durable
from durable.models import Execution
from durable.storage import failpoints
from tests.crash.armed import Injected, armed
from tests.crash.cases import AsIfNothingHappened, Killing
from tests.crash.workflows import CrashOrder, CrashStarter
from tests.processes import processes

#: each point, at the n-th time that an execution reaches it, and the step that may run once more
KILLS: tuple[tuple[str, int, str], ...] = (
    ("claim.before_commit", 1, ""),
    ("claim.after_commit", 1, ""),
    ("body.before", 1, ""),  # before the body has noted anything
    ("body.before", 4, ""),
    ("body.after", 1, "reserve"),
    ("body.after", 2, "charge"),
    ("body.after", 3, "confirm"),
    ("checkpoint.before_commit", 1, "reserve"),
    ("checkpoint.before_commit", 2, "charge"),
    ("checkpoint.before_commit", 3, "confirm"),
    ("checkpoint.before_commit", 4, "flaky"),
    ("checkpoint.after_commit", 1, ""),
    ("checkpoint.after_commit", 2, ""),
    ("wait.before_commit", 1, "confirm"),
    ("wait.after_commit", 1, ""),
    ("failure.before_commit", 1, "flaky"),
    ("failure.after_commit", 1, ""),
    ("finish.before_commit", 1, "finish"),
    ("finish.after_commit", 1, ""),
)

#: points that any worker reaches for any execution, so that each needs the database for itself
ALONE = ("deliver.before_commit", "deliver.after_commit")


class KilledAtAPointTests(Killing, AsIfNothingHappened):
    """``kill -9`` at any point loses nothing, and repeats only what was in flight."""

    def test_every_point_of_the_protocol_is_killed_at_somewhere(self) -> None:
        points = {point for point, *_ in KILLS} | set(ALONE) | {"start.before_commit"}
        self.assertEqual(points, set(failpoints.POINTS))

    def test_a_worker_killed_at_any_point_loses_nothing_and_repeats_only_the_step_in_flight(
        self,
    ) -> None:
        with processes() as started:
            orders = self.killed(started, CrashOrder, {"n": 1}, KILLS)
            for (point, n, repeated), pk in zip(KILLS, orders, strict=True):
                with self.subTest(point=point, n=n):
                    self.assertUndisturbed(pk, started.ran(), repeated)

    def test_a_worker_killed_while_it_delivers_loses_no_event_and_delivers_none_twice(self) -> None:
        with processes() as started:
            kills = [(point, 1) for point in ALONE]
            orders = self.killed(started, CrashOrder, {"n": 1}, kills, at_once=1)
            for point, pk in zip(ALONE, orders, strict=True):
                with self.subTest(point=point):
                    self.assertUndisturbed(pk, started.ran(), "")

    def test_a_client_killed_before_its_start_commits_leaves_nothing_and_may_start_again(
        self,
    ) -> None:
        with processes() as started:
            pk = durable.start(CrashStarter, queue="q").id
            self.assertDie(started, self.doomed(started, "q=1", "start.before_commit"))
            self.assertFalse(Execution.objects.filter(workflow="crash_child").exists())
            self.finish(started, [pk], "q")
            child = Execution.objects.get(workflow="crash_child")
            self.assertEqual(Execution.objects.get(pk=pk).data, {"started": str(child.id)})

    def test_a_trap_springs_once_at_the_point_it_is_set_for(self) -> None:
        with armed("body.before", "fail", 2) as trap:
            failpoints.reach("body.before")
            failpoints.reach("body.after")
            self.assertFalse(trap.sprung)
            with self.assertRaises(Injected):
                failpoints.reach("body.before")
            self.assertTrue(trap.sprung)
            failpoints.reach("body.before")
        with self.assertRaises(ValueError):
            armed("no.such", "fail").__enter__()
