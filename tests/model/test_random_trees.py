"""Whatever happens to a tree in whatever order: its end is that of a quiet run, all of it once."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID

from django.db.models import Count
from django.test import TransactionTestCase

import durable
from durable import clock, testing
from durable.engine.row.held import text_of
from durable.models import Execution, StepRun
from durable.states import FINAL
from tests.model.forest import Forest
from tests.model.size import needed, seeds
from tests.model.trees import EFFECTS, UNDONE, define
from tests.model.world import Sent, World, clear
from tests.parts.leftovers import leftovers
from tests.shop.models import Effect

SEEDS = seeds(1)
ACTS = 160

#: What must have happened in eight times as many together, or the test was empty.
AT_LEAST = {
    "killed": 25,
    "killed in a body": 3,
    "interrupted": 40,
    "claims of the dead": 1,
    "buried": 20,
    "fenced": 3,
    "pause": 2,
    "completed": 3,
    "compensated": 3,
}


class RandomTreeTests(TransactionTestCase):
    """The oracle is a quiet run, and the list of invariants in engine.md."""

    def setUp(self) -> None:
        super().setUp()
        self.workflow: Any = define()
        self.addCleanup(clock.set_frozen, clock.frozen_at())

    def test_the_end_is_that_of_a_quiet_run_and_everything_happened_once(self) -> None:
        happened: Counter[str] = Counter()
        expected = self.quiet()
        for seed in SEEDS:
            with self.subTest(seed=seed):
                happened += self.play(seed, expected)
        for what, least in needed(AT_LEAST).items():
            self.assertGreaterEqual(happened[what], least, f"{what}: {dict(happened)}")

    def quiet(self) -> dict[str, Any]:
        """The data at the end, by how it ends."""
        clear()
        world = Forest(0, [self.workflow], kill=0, interrupt=0)
        for number in (1, 2):
            pk = durable.start(self.workflow, {"key": f"trip {number}"}).pk
            world.started[pk] = Sent("trip", None)
        world.heal()
        roots = Execution.objects.filter(parent__isnull=True)
        self.assertEqual(
            sorted(roots.values_list("status", flat=True)), ["compensated", "completed"]
        )
        self.judge(world, None)
        return {root.status: _without_key(root.data) for root in roots}

    def play(self, seed: int, expected: dict[str, Any]) -> Counter[str]:
        """One seed from the first act to the oracle."""
        clear()
        world = Forest(seed, [self.workflow], kill=0.08, interrupt=0.35)
        self.ends: dict[UUID, tuple[Any, ...]] = {}
        self.fences: dict[UUID, int] = {}
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
        roots = Execution.objects.filter(parent__isnull=True)
        world.happened.update(roots.values_list("status", flat=True))
        return world.happened

    def watch(self) -> None:
        """After each act: fences only grow, and what is final stays so."""
        rows = Execution.objects.annotate(text=text_of("data"), left=text_of("outcome"))
        for pk, fence, *end in rows.values_list(
            "pk", "fence", "status", "finished_at", "text", "left"
        ):
            self.assertGreaterEqual(fence, self.fences.get(pk, 0))
            self.fences[pk] = fence
            if end[0] in FINAL:
                self.assertEqual(self.ends.setdefault(pk, (fence, *end)), (fence, *end))

    # -- the oracle -------------------------------------------------------------------------------

    def judge(self, world: World, expected: dict[str, Any] | None) -> None:
        """After the end."""
        self.assertEqual(leftovers(), [])
        roots = Execution.objects.filter(parent__isnull=True)
        self.assertEqual(set(roots.values_list("pk", flat=True)), set(world.started))
        done = StepRun.objects.completed().values("execution", "path", "visit", "compensation")
        self.assertFalse(list(done.annotate(n=Count("id")).filter(n__gt=1)), "done twice")
        for root in roots:
            self.judge_tree(root, expected)
        self.judge_effects()

    def judge_tree(self, root: Execution, expected: dict[str, Any] | None) -> None:
        cancelled = root.cancel_requested_at is not None
        fails = int(root.input["key"][-1]) % 2
        wanted = {"cancelled", "compensated"} if cancelled else {_end(fails)}
        self.assertIn(root.status, wanted, testing.describe(root))
        if expected is not None and not cancelled:
            self.assertEqual(_without_key(root.data), expected[_end(fails)])
        runs = StepRun.objects.completed().filter(execution__root_id=root.pk)
        children = Execution.objects.filter(parent=root.pk, role="child").values("pk")
        runs |= StepRun.objects.completed().filter(execution__in=children)
        forward = [run for run in runs if not run.compensation and run.name in UNDONE]
        undone = {(run.execution_id, run.path, run.visit): run for run in runs if run.compensation}
        missing = [run for run in forward if (run.execution_id, run.path, run.visit) not in undone]
        if root.status == "compensated":
            self.assertEqual(missing, [], "not undone")
            self.judge_order(forward, undone)
        else:
            # only what the catch has undone
            self.assertEqual({run.name for run in undone.values()} - {"hold"}, set())

    def judge_order(self, forward: list[StepRun], undone: dict[Any, StepRun]) -> None:
        """Newest first; what the catch has undone was undone long before."""
        newest = sorted(forward, key=lambda run: (run.ended_at, run.pk), reverse=True)
        times = [
            undone[run.execution_id, run.path, run.visit].ended_at
            for run in newest
            if run.name != "hold"
        ]
        self.assertEqual(times, sorted(times))

    def judge_effects(self) -> None:
        runs = StepRun.objects.completed()
        due = Counter(
            f"{run.execution_id}:{UNDONE[run.name] if run.compensation else run.name}"
            for run in runs
            if run.name in EFFECTS
        )
        self.assertEqual(Counter(Effect.objects.values_list("key", flat=True)), due)


def _end(fails: int) -> str:
    return "compensated" if fails else "completed"


def _without_key(data: Any) -> Any:
    return {name: value for name, value in data.items() if name not in ("key", "asked")}
