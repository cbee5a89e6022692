"""Workers that die, stand still, or are killed by what they run."""

from __future__ import annotations

import signal
import time

import durable
from durable.models import Execution, Worker
from tests.cases import ThreadedTestCase
from tests.crash.workflows import HangsOnce, Later, Poison, Quick
from tests.processes import processes
from tests.shop.models import Effect

LEASE = 2.0
SETTINGS = {"LEASE": LEASE, "POLL_INTERVAL": 0.1}


def status(execution: Execution) -> str:
    """As it stands in the database now."""
    return Execution.objects.values_list("status", flat=True).get(pk=execution.pk)


class RecoveryTests(ThreadedTestCase):
    """What a dead worker held is taken up in time, and what a late one writes is refused."""

    def test_what_a_killed_worker_held_is_taken_up_within_its_lease_and_two_seconds(self) -> None:
        with processes() as started:
            execution = durable.start(HangsOnce)
            first = started.worker(settings=SETTINGS)
            started.until(started.ran)
            second = started.worker(settings=SETTINGS)
            started.until(lambda: Worker.objects.live().count() == 2)
            first.signal(signal.SIGKILL)
            begun = time.monotonic()
            started.until(lambda: len(started.ran()) == 2)
            took = time.monotonic() - begun
            self.assertLess(took, LEASE + 2)
            print(f"recovery: {took:.2f} s with a lease of {LEASE:.0f} s")  # noqa: T201
            started.until(lambda: status(execution) == "completed")
            execution.refresh_from_db()
            self.assertEqual(execution.data["pid"], second.pid)

    def test_a_worker_that_stood_still_past_its_lease_can_write_nothing_and_registers_anew(
        self,
    ) -> None:
        with processes() as started:
            execution = durable.start(Later, {"seconds": 1.0})
            first = started.worker(settings=SETTINGS)
            started.until(started.ran)
            first.signal(signal.SIGSTOP)
            second = started.worker(settings=SETTINGS)
            started.until(lambda: status(execution) == "completed")
            first.signal(signal.SIGCONT)
            started.until(lambda: "declared dead" in first.output())
            started.until(lambda: "claim lost" in first.output())
            started.until(lambda: Worker.objects.live().count() == 2)
            execution.refresh_from_db()
            self.assertEqual(execution.data["pid"], second.pid)
            self.assertEqual(Effect.objects.filter(key=f"write:{execution.pk}").count(), 1)
            self.assertEqual(execution.steps.count(), 1)
            second.signal(signal.SIGTERM)
            self.assertEqual(second.wait(), 0)
            another = durable.start(Quick)
            started.until(lambda: status(another) == "completed")
            another.refresh_from_db()
            self.assertEqual(another.data["pid"], first.pid)

    def test_a_step_that_kills_its_worker_fails_in_the_end_and_others_are_not_affected(
        self,
    ) -> None:
        with processes() as started:
            poison = durable.start(Poison)
            others = [durable.start(Quick, {"n": n}) for n in range(20)]
            parent = started.worker("--processes", "2", settings=SETTINGS)
            started.until(lambda: status(poison) == "failed")
            started.until(lambda: all(status(other) == "completed" for other in others))
            self.assertIsNone(parent.code, parent.output())
            poison.refresh_from_db()
            self.assertEqual(poison.error["type"], "StepCrashed")
            self.assertEqual(len([line for line in started.ran() if line.endswith("kill")]), 2)
            self.assertIsNone(poison.worker)
