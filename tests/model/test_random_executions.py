"""Whatever happens in whatever order, the invariants of the engine hold."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID

from django.db.models import Count
from django.test import TransactionTestCase

import durable
from durable import clock, testing
from durable.models import AuditEntry, Event, Execution, Record, StepRun, Wait
from durable.states import FINAL
from tests.model.flows import ATOMIC_EFFECTS, ATTEMPTS, BACKOFF, ORDER, Outside, define
from tests.model.size import needed, seeds
from tests.model.world import Sent, World, clear
from tests.shop.models import Effect

SEEDS = seeds(8)
ACTS = 120

#: What must have happened in eight times as many together, or the test was empty.
AT_LEAST = {
    "killed": 60,
    "killed in a body": 10,
    "interrupted": 130,
    "claims of the dead": 6,
    "buried": 70,
    "fenced": 12,
    "duplicate start": 6,
    "duplicate event": 30,
    "answers": 3,
    "cancel": 8,
    "pause": 10,
    "completed": 35,
}


class RandomExecutionTests(TransactionTestCase):
    """The oracle is the list of invariants in engine.md; the numbers are those of the list."""

    def setUp(self) -> None:
        super().setUp()
        self.outside = Outside()
        self.workflows = define(self.outside)
        self.addCleanup(clock.set_frozen, clock.frozen_at())

    def test_the_invariants_hold_after_deaths_delays_duplicates_and_operators(self) -> None:
        happened: Counter[str] = Counter()
        expected = self.without_faults()
        for seed in SEEDS:
            with self.subTest(seed=seed):
                happened += self.play(seed, expected)
        for what, least in needed(AT_LEAST).items():
            self.assertGreaterEqual(happened[what], least, f"17: {what}: {dict(happened)}")

    # -- one game -------------------------------------------------------------------------------

    def without_faults(self) -> dict[str, Any]:
        """The results of the same workflows when nothing goes wrong."""
        self.clear()
        world = World(0, self.workflows, kill=0, interrupt=0)
        for workflow in self.workflows:
            name = workflow.definition.name
            execution = durable.start(workflow, world.input(name))
            world.started[execution.pk] = Sent(name, None)
        world.heal()
        rows = Execution.objects.all()
        self.assertEqual({row.status for row in rows}, {"completed"})
        return {row.workflow: _without_key(row.result) for row in rows}

    def play(self, seed: int, expected: dict[str, Any]) -> Counter[str]:
        """One seed from the first act to the oracle."""
        self.clear()
        world = World(seed, self.workflows, kill=0.07, interrupt=0.35)
        self.fences: dict[UUID, int] = {}
        self.counts: dict[UUID, tuple[str, int, int, int]] = {}
        self.ends: dict[UUID, tuple[Any, ...]] = {}
        world.watchers.append(self.watch)
        try:
            with world.alive():
                for _ in range(ACTS):
                    world.act()
            world.heal()
            self.watch()
            self.judge(world, expected)
        except BaseException as error:
            error.add_note(f"seed {seed}, the last acts:\n" + "\n".join(world.diary[-60:]))
            raise
        world.happened["completed"] = Execution.objects.filter(status="completed").count()
        return world.happened

    def clear(self) -> None:
        clear()
        self.outside.visits.clear()
        self.outside.remembered.clear()

    # -- the oracle -----------------------------------------------------------------------------

    def watch(self) -> None:
        """After each act: fences and counts only grow (4, 13); what is final stays so (5)."""
        for row in Execution.objects.all():
            self.assertGreaterEqual(row.fence, self.fences.get(row.pk, 0), "4")
            self.fences[row.pk] = row.fence
            place = (row.path, row.visit, row.attempt)
            before = self.counts.get(row.pk)
            if before is not None and before[:3] == place:
                self.assertGreaterEqual(row.recoveries, before[3], "13")
            self.counts[row.pk] = (*place, row.recoveries)
            if row.status in FINAL:
                end = (row.status, row.finished_at, row.data, row.fence)
                self.assertEqual(self.ends.setdefault(row.pk, end), end, "5")

    def judge(self, world: World, expected: dict[str, Any]) -> None:
        """After the end."""
        rows = {row.pk: row for row in Execution.objects.all()}
        self.assertEqual(set(rows), set(world.started), "1 and 14")
        for row in rows.values():
            self.assertIn(row.status, {"completed", "cancelled"}, testing.describe(row))
            self.judge_history(row)
            if row.status == "completed":
                self.judge_result(row, expected)
        self.judge_attempts()
        self.judge_effects()
        self.judge_messages(world)
        self.judge_leftovers()
        self.assertEqual(AuditEntry.objects.count(), world.audited, "15")

    def judge_history(self, row: Execution) -> None:
        done = [run.name for run in row.steps if run.status == "completed"]
        order = ORDER[row.workflow]
        if row.status == "completed":
            self.assertEqual(done, order, "7")
        else:
            self.assertEqual(done, order[: len(done)], "6")

    def judge_result(self, row: Execution, expected: dict[str, Any]) -> None:
        self.assertIsNone(row.cancel_requested_at, "5: completed although it was cancelled")
        if row.workflow != "races":
            self.assertEqual(_without_key(row.result), expected[row.workflow], "7")
            return
        outcomes = [
            wait.answer if wait.status == "answered" else None
            for wait in Wait.objects.filter(execution=row).order_by("opened_at", "id")
        ]
        late: list[Any] = ["late", ("late", 0), "late"]
        said = [answer if answer is not None else late[at] for at, answer in enumerate(outcomes)]
        self.assertEqual([row.result[k] for k in ("first", "second", "third")], said, "8")

    def judge_attempts(self) -> None:
        doubled = (
            StepRun.objects.completed()
            .values("execution", "path", "visit")
            .annotate(n=Count("id"))
            .filter(n__gt=1)
        )
        self.assertFalse(list(doubled), "2")
        for run in StepRun.objects.all():
            self.assertLessEqual(run.attempt, ATTEMPTS.get(run.name, 1), "13")
        tries = StepRun.objects.filter(path="two").order_by("execution", "attempt")
        before: StepRun | None = None
        for run in tries:
            if before is not None and before.execution_id == run.execution_id:
                assert before.ended_at is not None
                wait = run.started_at - before.ended_at
                self.assertGreaterEqual(wait, BACKOFF * 2 ** (before.attempt - 1), "9: a retry")
            before = run

    def judge_effects(self) -> None:
        effects = Counter(Effect.objects.values_list("key", flat=True))
        done = StepRun.objects.completed().filter(path__regex=rf"({'|'.join(ATOMIC_EFFECTS)})$")
        self.assertEqual(effects, Counter(f"{run.execution_id}:{run.name}" for run in done), "3")
        keys: dict[tuple[str, str], set[str]] = {}
        for visit in self.outside.visits:
            keys.setdefault((visit.execution, visit.step), set()).add(visit.key)
        self.assertTrue(all(len(each) == 1 for each in keys.values()), "3: keys are stable")
        for run in StepRun.objects.completed().filter(path__in=("ask", "tell", "two")):
            self.assertIn((str(run.execution_id), run.name), keys, "3: at least once")
        places = Record.objects.values("execution", "path", "kind", "name", "ordinal")
        self.assertFalse(list(places.annotate(n=Count("id")).filter(n__gt=1)), "2: records")

    def judge_messages(self, world: World) -> None:
        for pk, sent in world.started.items():
            stored = Counter(Event.objects.filter(execution=pk).values_list("name", flat=True))
            self.assertEqual(stored, +sent.events, "1: events")
            numbers = [
                event.payload
                for event in Event.objects.filter(
                    execution=pk, name="go", wait__isnull=False
                ).order_by("wait__opened_at", "wait__id")
            ]
            self.assertEqual(numbers, sorted(numbers), "8: in order")
        for wait in Wait.objects.all():
            taken = list(wait.consumed.order_by("name"))
            if wait.kind in ("event", "any"):
                self.assertEqual(len(taken), int(wait.status == "answered"), "8")
            if wait.kind == "event" and taken:
                self.assertEqual(wait.answer, taken[0].payload, "8")
            if wait.kind == "any" and taken:
                self.assertEqual(wait.answer, (taken[0].name, taken[0].payload), "8")
            if wait.kind == "all":
                received = {event.name: event.payload for event in taken}
                self.assertEqual(wait.received or {}, received, "8")
            by_time = wait.status == "timed_out" or (wait.kind, wait.status) == (
                "timer",
                "answered",
            )
            if by_time:
                assert wait.resolved_at is not None
                self.assertGreaterEqual(wait.resolved_at, wait.deadline_at, "9")

    def judge_leftovers(self) -> None:
        for row in Execution.objects.filter(status__in=FINAL):
            self.assertEqual((row.worker, row.ready_at, row.wake_at), (None, None, None), "16")
            self.assertIsNone(row.error, "16: an error of what did not fail")
            self.assertEqual(row.blocked_by, "", "16")
        self.assertFalse(Wait.objects.open().exists() or Wait.objects.untold().exists(), "16")
        self.assertFalse(StepRun.objects.filter(status="waiting").exists(), "16")
        self.assertFalse(Event.objects.pending().exclude(execution__status__in=FINAL).exists(), "1")


def _without_key(result: Any) -> Any:
    return {key: value for key, value in result.items() if key != "key"}
