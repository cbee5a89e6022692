"""Several processes under one parent."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import durable
from durable.models import Execution, Worker
from tests.cases import ThreadedTestCase
from tests.crash.workflows import Slow
from tests.processes import processes

SETTINGS = {"LEASE": 2, "POLL_INTERVAL": 0.1, "SHUTDOWN_GRACE": 10}


def pids() -> set[int]:
    """The processes of the live workers."""
    names = Worker.objects.live().values_list("name", flat=True)
    return {int(name.rpartition(":")[2]) for name in names}


def gone(pid: int) -> Callable[[], bool]:
    """Whether a process that is not our child has ended."""

    def look() -> bool:
        try:
            with open(f"/proc/{pid}/stat") as file:
                return file.read().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    return look


class ProcessesTests(ThreadedTestCase):
    """--processes: all work, a dead one is replaced, all stop together."""

    def test_children_share_the_work_a_killed_one_is_replaced_and_one_signal_stops_all(
        self,
    ) -> None:
        with processes() as started:
            parent = started.worker("--processes", "2", "--queues", "default=1", settings=SETTINGS)
            started.until(lambda: len(pids()) == 2)
            self.assertNotIn(parent.pid, pids())
            first = pids()
            for _ in range(6):
                durable.start(Slow, {"seconds": 0.1})
            started.until(lambda: Execution.objects.filter(status="completed").count() == 6)
            self.assertEqual({e.data["first"] for e in Execution.objects.all()}, first)
            victim = min(first)
            os.kill(victim, signal.SIGKILL)
            started.until(lambda: len(pids() - {victim}) == 2)
            for _ in range(6):
                durable.start(Slow, {"seconds": 0.1})
            started.until(lambda: Execution.objects.filter(status="completed").count() == 12)
            children = pids() - {victim}
            parent.signal(signal.SIGTERM)
            self.assertEqual(parent.wait(), 0, parent.output())
            for pid in children:
                self.assertTrue(gone(pid)())
            self.assertIn("another in", parent.output())
            self.assertFalse(Worker.objects.live().exists())

    def test_a_burst_of_several_processes_ends_when_all_have(self) -> None:
        for _ in range(6):
            durable.start(Slow, {"seconds": 0.05})
        with processes() as started:
            parent = started.worker("--processes=2", "--burst", settings=SETTINGS)
            self.assertEqual(parent.wait(), 0, parent.output())
        self.assertEqual(Execution.objects.filter(status="completed").count(), 6)

    def test_children_whose_parent_was_killed_stop_by_themselves(self) -> None:
        with processes() as started:
            parent = started.worker("--processes", "2", settings=SETTINGS)
            started.until(lambda: len(pids()) == 2)
            children = pids()
            parent.signal(signal.SIGKILL)
            parent.wait()
            for pid in children:
                started.until(gone(pid))
            self.assertFalse(Worker.objects.filter(stopped_at__isnull=True).exists())
