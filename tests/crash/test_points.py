"""Killed at any point of the protocol, an execution ends as if nothing had happened."""

from __future__ import annotations

import signal
from collections import Counter
from uuid import UUID

import durable
from durable.models import Event, Execution, StepRun, Wait
from durable.storage import failpoints
from tests.cases import ThreadedTestCase
from tests.crash.armed import VARIABLE, Injected, armed
from tests.crash.workflows import CrashOrder, CrashStarter
from tests.processes import Child, Processes, processes
from tests.shop.models import Effect

SETTINGS = {"LEASE": 3, "POLL_INTERVAL": 0.1}

#: how often the body of each step runs when nothing goes wrong
UNDISTURBED = Counter(reserve=1, charge=1, confirm=2, flaky=2, finish=1)

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

AT_ONCE = 5  # processes


class AsIfNothingHappened(ThreadedTestCase):
    """What must be true of an order at its end, whatever happened on the way."""

    def assertUndisturbed(self, pk: UUID, ran: list[str], repeated: str | None) -> None:
        """Same result, same history, effects as promised, nothing left over.

        ``repeated`` is the step in flight, which may have run once more; ``None``: any one.
        """
        execution = Execution.objects.get(pk=pk)
        self.assertEqual(execution.status, "completed", execution.error)
        result = dict(execution.data)
        key = result.pop("charge")
        self.assertEqual(
            result, {"n": 1, "reserved": True, "paid": 7, "flaky": 2, "finished": True}
        )
        self.assertEqual(len(key), 36)
        self.assertEqual(
            sorted(execution.steps.values_list("path", "attempt", "status")),
            [
                ("charge", 1, "completed"),
                ("confirm", 1, "completed"),
                ("finish", 1, "completed"),
                ("flaky", 1, "failed"),
                ("flaky", 2, "completed"),
                ("reserve", 1, "completed"),
            ],
        )
        times = Counter(line.split()[1] for line in ran if line.startswith(str(pk)))
        for name in ("reserve", "confirm", "flaky", "finish"):
            self.assertEqual(Effect.objects.filter(key=f"{name}:{pk}").count(), 1, name)
        charges = Effect.objects.filter(key=f"charge:{pk}").count()
        self.assertTrue(1 <= charges <= times["charge"], (charges, times))
        more = times - UNDISTURBED
        if repeated is not None:
            self.assertLessEqual(set(more), {repeated}, times)
        self.assertLessEqual(sum(more.values()), 1, times)
        self.assertFalse(UNDISTURBED - times, times)
        self.assertNothingLeftOver(execution)

    def assertNothingLeftOver(self, execution: Execution) -> None:
        """No lease, no due time, no open wait, no message on its way."""
        self.assertIsNone(execution.worker)
        self.assertIsNone(execution.ready_at)
        self.assertIsNone(execution.wake_at)
        self.assertFalse(Wait.objects.open().filter(root_id=execution.pk).exists())
        self.assertFalse(StepRun.objects.filter(execution=execution, status="waiting").exists())
        self.assertFalse(Event.objects.filter(execution=execution).exclude(status="consumed"))


class KilledAtAPointTests(AsIfNothingHappened):
    """``kill -9`` at any point loses nothing, and repeats only what was in flight."""

    def _pay(self) -> None:
        """Send the event to every order that has begun to wait and was not paid."""
        asking = Wait.objects.open().filter(names=["paid"]).exclude(execution__events__name="paid")
        for pk in asking.values_list("execution_id", flat=True):
            durable.send_event(pk, "paid", 7)

    def _die(self, started: Processes, queue: str, point: str, n: int) -> Child:
        return started.worker(
            "--queues",
            f"{queue}=2",
            settings=SETTINGS,
            environment={VARIABLE: f"{point}:kill:{n}"},
        )

    def _are_dead(self, started: Processes, children: list[Child]) -> None:
        def dead() -> bool:
            self._pay()
            return all(child.code is not None for child in children)

        started.until(dead)
        for child in children:
            self.assertEqual(child.code, -signal.SIGKILL, child.output())

    def _finish(self, started: Processes, executions: list[UUID], queues: list[str]) -> None:
        second = started.worker("--queues", ",".join(queues), settings=SETTINGS)
        rows = Execution.objects.filter(pk__in=executions)

        def done() -> bool:
            self._pay()
            self.assertIsNone(second.code, second.output() if second.code is not None else "")
            return rows.filter(status="completed").count() == len(executions)

        started.until(done)
        second.signal(signal.SIGTERM)
        self.assertEqual(second.wait(), 0, second.output())

    def test_every_point_of_the_protocol_is_killed_at_somewhere(self) -> None:
        points = {point for point, *_ in KILLS} | set(ALONE) | {"start.before_commit"}
        self.assertEqual(points, set(failpoints.POINTS))

    def test_a_worker_killed_at_any_point_loses_nothing_and_repeats_only_the_step_in_flight(
        self,
    ) -> None:
        with processes() as started:
            orders: list[UUID] = []
            queues = [f"q{number}" for number in range(len(KILLS))]
            for first in range(0, len(KILLS), AT_ONCE):
                children = []
                for number in range(first, min(first + AT_ONCE, len(KILLS))):
                    point, n, _ = KILLS[number]
                    orders.append(durable.start(CrashOrder, {"n": 1}, queue=queues[number]).id)
                    children.append(self._die(started, queues[number], point, n))
                self._are_dead(started, children)
            self._finish(started, orders, queues)
            for (point, n, repeated), pk in zip(KILLS, orders, strict=True):
                with self.subTest(point=point, n=n):
                    self.assertUndisturbed(pk, started.ran(), repeated)

    def test_a_worker_killed_while_it_delivers_loses_no_event_and_delivers_none_twice(self) -> None:
        with processes() as started:
            orders = []
            for point in ALONE:
                orders.append(durable.start(CrashOrder, {"n": 1}, queue=point).id)
                self._are_dead(started, [self._die(started, point, point, 1)])
            self._finish(started, orders, list(ALONE))
            for point, pk in zip(ALONE, orders, strict=True):
                with self.subTest(point=point):
                    self.assertUndisturbed(pk, started.ran(), "")

    def test_a_client_killed_before_its_start_commits_leaves_nothing_and_may_start_again(
        self,
    ) -> None:
        with processes() as started:
            pk = durable.start(CrashStarter, queue="q").id
            self._are_dead(started, [self._die(started, "q", "start.before_commit", 1)])
            self.assertFalse(Execution.objects.filter(workflow="crash_child").exists())
            self._finish(started, [pk], ["q", "default"])
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
