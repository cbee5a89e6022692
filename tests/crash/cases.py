"""What the tests of crashes share: workers that die at a point, and what holds at the end."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Sequence
from typing import Any
from unittest import TestCase
from uuid import UUID

from django.test import override_settings

import durable
from durable import Workflow
from durable.models import Event, Execution, StepRun, Wait
from tests.cases import ThreadedTestCase
from tests.crash.armed import VARIABLE
from tests.processes import Child, Processes
from tests.shop.models import Effect

SETTINGS = {"LEASE": 3, "POLL_INTERVAL": 0.1}
FAST = override_settings(DURABLE=SETTINGS)

AT_ONCE = 5  # processes

#: how often the body of each step runs when nothing goes wrong
UNDISTURBED = Counter(reserve=1, charge=1, confirm=2, flaky=2, finish=1)


def pay() -> None:
    """Send the event to every order that has begun to wait and was not paid."""
    asking = Wait.objects.open().filter(names=["paid"]).exclude(execution__events__name="paid")
    for pk in asking.values_list("execution_id", flat=True):
        durable.send_event(pk, "paid", 7)


def ended(*pks: UUID) -> bool:
    """Whether the executions are finished; the orders that wait for their money get it."""
    pay()
    return all(row.is_finished for row in Execution.objects.filter(pk__in=pks))


class Killing(TestCase):
    """Workers in processes of their own, each of which kills itself at a point."""

    def doomed(self, started: Processes, queues: str, point: str, n: int = 1) -> Child:
        """A worker that is killed at the ``n``-th time that it reaches ``point``."""
        return started.worker(
            "--queues", queues, settings=SETTINGS, environment={VARIABLE: f"{point}:kill:{n}"}
        )

    def assertDie(self, started: Processes, *children: Child) -> None:
        """The proof that the points are reached: each kills its process."""

        def dead() -> bool:
            pay()
            return all(child.code is not None for child in children)

        started.until(dead)
        for child in children:
            self.assertEqual(child.code, -signal.SIGKILL, child.output())

    def finish(self, started: Processes, roots: Sequence[UUID], *queues: str) -> None:
        """Let another worker finish these executions, and stop it."""
        worker = started.worker("--queues", ",".join([*queues, "default"]), settings=SETTINGS)
        started.until(lambda: ended(*roots))
        started.until(lambda: not Execution.objects.unreported().exists())
        worker.signal(signal.SIGTERM)
        self.assertEqual(worker.wait(), 0, worker.output())

    def killed(
        self,
        started: Processes,
        workflow: type[Workflow],
        input: Any,
        kills: Sequence[tuple[Any, ...]],
        *,
        at_once: int = AT_ONCE,
        besides: str = "",
    ) -> list[UUID]:
        """One execution per ``(point, n, …)``: its first worker dies there, another ends it."""
        roots, queues = [], [f"q{number}" for number in range(len(kills))]
        for first in range(0, len(kills), at_once):
            children = []
            for number in range(first, min(first + at_once, len(kills))):
                point, n, *_ = kills[number]
                roots.append(durable.start(workflow, input, queue=queues[number]).id)
                children.append(self.doomed(started, f"{queues[number]}=1{besides}", point, n))
            self.assertDie(started, *children)
        self.finish(started, roots, *queues)
        return roots


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
