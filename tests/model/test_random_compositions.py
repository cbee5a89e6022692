"""Whatever blocks are put into each other: they end as one walk through their tree says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import TestCase as PlainTestCase

from django.db.models import Count

import durable
from durable import clock, codec, testing
from durable.models import Execution, StepRun
from durable.states import Status
from tests.cases import ThreadedTestCase, WorkflowTestCase
from tests.model.composer import Composer
from tests.model.compositions import START, Draft, Node, Outage
from tests.model.forest import Forest
from tests.model.size import needed, seeds
from tests.model.walk import Walk, without_errors
from tests.model.world import Sent, clear
from tests.parts.leftovers import leftovers
from tests.shop.models import Effect

QUIET, STORMY, RETRIED = seeds(12), seeds(6), seeds(3)

ACTS = 100
ROUNDS = 400  # naps and waits for another attempt, all of them one after the other
PHASES = (1, 2, 3, 0)  # of an outage, which is over at the end

#: What must have happened in eight times as many flows together, or the test was empty: places
#: that the engine reached, and what the walk and the judge have met.
QUIET_AT_LEAST = {
    "fan_out.after_commit": 40,
    "batch.after_commit": 4,
    "failure.after_commit": 40,
    "rollback.after_commit": 8,
    "merge=deep": 5,
    "merge=strict": 2,
    "merge=last": 1,
    "merge=collect": 1,
    "merge=callable": 1,
    "sequence": 3,
    "failed items": 2,
    "caught": 3,
    "retried": 10,
    "undone": 3,
    "completed": 15,
    "compensated": 1,
}
STORMY_AT_LEAST = {
    "killed": 30,
    "killed in a body": 4,
    "interrupted": 80,
    "buried": 80,
    "fenced": 8,
    "pause": 15,
    "fan_out.after_commit": 10,
    "completed": 8,
}


class Weather(Forest):
    """A forest in which nobody starts, sends or cancels anything."""

    acts = {
        name: often
        for name, often in Forest.acts.items()
        if name not in ("start", "send", "answer", "cancel")
    }

    def reached(self, point: str) -> None:
        self.happened[point] += 1
        super().reached(point)


class Compositions(PlainTestCase):
    """Flows at random, and their judge: a walk, and what must be true of every rollback."""

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(clock.set_frozen, clock.frozen_at())
        self.happened: Counter[str] = Counter()

    @contextmanager
    def flow(self, seed: int, *, is_frank: bool = False) -> Iterator[Node]:
        """A flow with nothing else around it; what is raised meanwhile names it."""
        clear()
        node = Composer(seed, is_frank=is_frank).compose()
        with self.subTest(seed=seed), testing.isolate_workflows():
            try:
                yield node
            except BaseException as error:
                error.add_note(f"seed {seed}:\n{node.outline()}")
                raise

    def start(self, world: Forest, draft: Draft, node: Node) -> Execution:
        """The execution, which the world knows of."""
        root = durable.start(draft.define(node), START)
        world.started[root.pk] = Sent(draft.name, None)
        return root

    def assertNotEmpty(self, least: dict[str, int]) -> None:
        """These happened so often, if eight times as many flows must have so much."""
        for what, number in needed(least).items():
            self.assertGreaterEqual(self.happened[what], number, f"{what}: {dict(self.happened)}")

    # -- the judge --------------------------------------------------------------------------------

    def judge(self, root: Execution, node: Node) -> None:
        """After the end."""
        root.refresh_from_db()
        self.assertEqual(leftovers(), [])
        walk = Walk()
        end = walk.end(node, START)
        if end is None:
            self.assertIn(root.status, {"failed", "compensated"}, testing.describe(root))
        else:
            self.assertEqual(root.status, "completed", testing.describe(root))
            got = without_errors(root.data)
            self.assertTrue(codec.alike(got, end), f"got  {got}\nwant {end}")
        self.judge_rollback(node, walk if end is not None else Walk())
        self.judge_effects(node)
        self.happened += walk.met
        self.happened[root.status] += 1
        self.happened["retried"] += StepRun.objects.completed().filter(attempt__gt=1).count()

    def judge_rollback(self, node: Node, walk: Walk) -> None:
        """Each step is done once and undone once, or it stands, as the walk says."""
        done = StepRun.objects.completed().values("execution", "path", "visit", "compensation")
        self.assertFalse(list(done.annotate(n=Count("id")).filter(n__gt=1)), "done twice")
        runs = StepRun.objects.completed()
        undone = {(run.execution_id, run.path, run.visit) for run in runs if run.compensation}
        forward = {
            (run.execution_id, run.path, run.visit): run.name
            for run in runs
            if not run.compensation
        }
        self.assertEqual(undone - forward.keys(), set(), "undone, but never done")
        standing = Counter(name for place, name in forward.items() if place not in undone)
        for leaf in node.leaves():
            if leaf.is_undone and leaf.name not in walk.unsure:
                self.assertEqual(standing[leaf.name], walk.standing[leaf.name], leaf.name)
        self.happened["undone"] += len(undone)

    def judge_effects(self, node: Node) -> None:
        """Each is there as often as its step has completed."""
        names = {leaf.name for leaf in node.leaves() if leaf.has_effect}
        done = StepRun.objects.completed().filter(compensation=False)
        due = Counter(f"{run.execution_id}:{run.name}" for run in done if run.name in names)
        self.assertEqual(Counter(Effect.objects.values_list("key", flat=True)), due)


class QuietCompositionTests(Compositions, WorkflowTestCase):
    """Without accidents, or with those that an operator mends."""

    def test_a_flow_ends_with_the_data_that_a_walk_through_its_tree_ends_with(self) -> None:
        for seed in QUIET:
            with self.flow(seed) as node:
                world = Weather(seed, [], kill=0, interrupt=0)
                root = self.start(world, Draft(f"quiet{seed}", Outage()), node)
                with world.alive():
                    world.heal(ROUNDS)
                self.judge(root, node)
                self.happened += world.happened
        self.assertNotEmpty(QUIET_AT_LEAST)

    def test_what_failed_and_was_retried_ends_as_if_nothing_had_failed(self) -> None:
        for seed in RETRIED:
            with self.flow(seed, is_frank=True) as node:
                outage = Outage()
                world = Weather(seed, [], kill=0, interrupt=0)
                root = self.start(world, Draft(f"retried{seed}", outage, "hold"), node)
                for phase in PHASES:
                    outage.phase = phase
                    world.heal(ROUNDS)
                    root.refresh_from_db()
                    if phase and root.status == Status.FAILED:
                        durable.retry(root.pk, restart_step=False)
                        self.happened["retries"] += 1
                self.judge(root, node)
        self.assertNotEmpty({"completed": 6, "retries": 8, "retried": 10, "foreach": 7})


class StormyCompositionTests(Compositions, ThreadedTestCase):
    """With commits that are real, and workers that die between them."""

    def test_deaths_delays_and_pauses_do_not_change_how_a_flow_ends(self) -> None:
        for seed in STORMY:
            with self.flow(seed) as node:
                world = Weather(seed, [], kill=0.06, interrupt=0.3)
                root = self.start(world, Draft(f"stormy{seed}", Outage()), node)
                with world.alive():
                    for _ in range(ACTS):
                        world.act()
                world.heal(ROUNDS)
                self.judge(root, node)
                self.happened += world.happened
        self.assertNotEmpty(STORMY_AT_LEAST)
