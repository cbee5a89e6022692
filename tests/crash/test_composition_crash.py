"""Two workers, killed again and again in the middle of trees: the same results, nothing twice."""

from __future__ import annotations

import random
import signal
from collections import Counter
from uuid import UUID

import durable
from durable.models import Execution, StepRun, Worker
from durable.states import FINAL
from tests.cases import until
from tests.crash.workflows import CrashTrip
from tests.parts.leftovers import CommittingTreeTestCase
from tests.processes import Child, Processes, processes
from tests.shop.models import Effect

SETTINGS = {"LEASE": 2, "POLL_INTERVAL": 0.1}
SEED = 20260801
KILLS = 6
ITEMS = list(range(8))

#: what a step leaves behind that is undone
UNDONE = {"left": "unleft", "right": "unright", "send": "unsend", "reserve": "unreserve"}


class KilledInATreeTests(CommittingTreeTestCase):
    """``kill -9`` at random, seeded moments."""

    def setUp(self) -> None:
        super().setUp()
        self.hits: list[set[UUID]] = []  # what each killed worker held

    def _worker(self, started: Processes) -> Child:
        return started.worker("--queues", "default=4", settings=SETTINGS)

    def _kill(self, child: Child) -> None:
        child.signal(signal.SIGKILL)
        child.wait()
        workers = Worker.objects.filter(name__endswith=f":{child.pid}").values("pk")
        self.hits.append(
            set(Execution.objects.filter(worker__in=workers).values_list("pk", flat=True))
        )

    def test_parallel_foreach_child_and_saga(self) -> None:
        choose = random.Random(SEED)
        with processes() as started:
            trips = [
                durable.start(CrashTrip, {"n": 1, "items": ITEMS, "fail": fail}).id
                for fail in (False, True) * 3
            ]
            alive = [self._worker(started), self._worker(started)]
            rows = Execution.objects.filter(pk__in=trips)

            def finished() -> bool:
                return rows.filter(status__in=sorted(FINAL)).count() == len(trips)

            while sum(map(bool, self.hits)) < KILLS and not finished():
                target = len(started.ran()) + choose.randrange(6, 14)
                until(lambda target=target: len(started.ran()) >= target or finished())
                victim = alive.pop(choose.randrange(2))
                alive.append(self._worker(started))
                self._kill(victim)
            until(finished)
            until(lambda: not Execution.objects.filter(unreported=True).exists())
            for child in alive:
                child.signal(signal.SIGTERM)
                self.assertEqual(child.wait(), 0, child.output())
            ran = started.ran()
        self.assertGreaterEqual(sum(map(bool, self.hits)), KILLS, self.hits)
        for pk in trips:
            self._is_as_without_faults(durable.get_execution(pk))
        self._nothing_ran_twice_that_had_ended(ran)

    def _is_as_without_faults(self, trip: Execution) -> None:
        fail = trip.input["fail"]
        expected = {
            "n": 16,
            "items": ITEMS,
            "fail": fail,
            "left": True,
            "right": True,
            "sent": len(ITEMS),
            **{f"item{item}": item for item in ITEMS},
            "leg": {"reserved": 16, "confirmed": True},
        }
        if not fail:
            self.assertEnded(trip, "completed")
            self.assertEqual(trip.data, {**expected, "end": True})
            self.assertFalse(trip.compensations.exists())
            return
        self.assertEnded(trip, "compensated", "asked_for")
        self.assertEqual(trip.data, expected)
        done = Counter(trip.compensations.values_list("execution", "path", "visit", "status"))
        self.assertEqual(set(done.values()), {1})
        self.assertEqual({key[3] for key in done}, {"completed"})
        self.assertEqual(len(done), 2 + len(ITEMS) + 1)
        times = [
            StepRun.objects.get(
                execution=run.execution_id, path=run.path, visit=run.visit, compensation=False
            ).ended_at
            for run in trip.compensations.order_by("ended_at", "id")
        ]
        self.assertEqual(times, sorted(times, reverse=True))

    def _nothing_ran_twice_that_had_ended(self, ran: list[str]) -> None:
        """Atomic effects once; a body again only if a killed worker held its execution."""
        keys = Counter(Effect.objects.values_list("key", flat=True))
        self.assertEqual({key for key, count in keys.items() if count > 1}, set())
        held = Counter(str(pk) for hit in self.hits for pk in hit)
        roots = {str(pk): str(root) for pk, root in Execution.objects.values_list("pk", "root_id")}
        parents = {str(pk): str(up) for pk, up in Execution.objects.values_list("pk", "parent")}
        for line, times in Counter(ran).items():
            pk, name = line.split()
            holder = pk
            if name in UNDONE.values():  # done by the root of it all
                root = roots[pk]
                holder = roots.get(parents[root], root) if parents[root] != "None" else root
            self.assertLessEqual(times, 1 + held[holder], line)
        self.assertLessEqual(len(ran) - len(set(ran)), sum(map(len, self.hits)))
