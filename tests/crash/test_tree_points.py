"""Killed at any point of a block, a report, a rollback or a schedule: as if it had not been."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import durable
from durable import clock, minutes
from durable.models import Execution, Firing, Schedule
from durable.storage import failpoints
from durable.testing import drain
from tests.cases import ThreadedTestCase
from tests.crash.cases import SETTINGS, Killing
from tests.crash.workflows import CrashTree, Quick
from tests.parts.leftovers import CommittingTreeTestCase
from tests.processes import ROOT, noted, processes
from tests.shop.models import Effect

ITEMS = list(range(4))

#: each point, at the n-th time that a tree reaches it, and the bodies that may run once more
FORWARD: tuple[tuple[str, int, dict[str, int]], ...] = (
    ("fan_out.before_commit", 1, {}),  # the parallel
    ("fan_out.after_commit", 1, {}),
    ("finish.before_commit", 1, {"more": 1, "right": 1}),  # of a branch
    ("finish.after_commit", 1, {}),
    ("join.before_commit", 1, {}),
    ("join.after_commit", 1, {}),
    ("fan_out.before_commit", 2, {}),  # the batches
    ("batch.before_commit", 1, {"ping": 1}),
    ("finish.before_commit", 3, {"ping": 2}),
    ("batch.after_commit", 1, {}),
    ("join.before_commit", 2, {}),
    ("finish.before_commit", 6, {"send": 1}),  # of an item
    ("finish.after_commit", 3, {}),
)

#: the first branch or item; the last of a block
REPORTS = (("report.before_commit", 1), ("report.before_commit", 2), ("report.after_commit", 1))


class Ended(NamedTuple):
    """What a tree has come to, but for its ids."""

    status: str
    error: str | None
    data: Any
    steps: Counter[tuple[Any, ...]]
    undone: list[tuple[str, str]]
    effects: Counter[str]


def tree_of(root: UUID) -> dict[str, Execution]:
    """The executions of a tree, its children included, by id."""
    rows = list(Execution.objects.filter(root_id=root))
    rows += list(Execution.objects.filter(root_id__in=[r.pk for r in rows if r.pk != root]))
    children = Execution.objects.filter(parent__in=[row.pk for row in rows], role="child")
    for child in children:
        rows += list(Execution.objects.filter(root_id=child.pk))
    return {str(row.pk): row for row in rows}


def ended(root: UUID) -> Ended:
    """How it ended."""
    tree = tree_of(root)
    execution = tree[str(root)]
    steps = Counter(
        (row.role, row.index, *attempt)
        for row in tree.values()
        for attempt in row.steps.values_list("path", "visit", "attempt", "status")
    )
    undone = execution.compensations.order_by("ended_at", "id").values_list("path", "status")
    names = [key.split(":") for key in Effect.objects.values_list("key", flat=True)]
    return Ended(
        execution.status,
        (execution.error or {}).get("type"),
        execution.data,
        steps,
        list(undone),
        Counter(name for name, pk in names if pk in tree),
    )


class KilledInATreeTests(Killing, CommittingTreeTestCase):
    """``kill -9`` at each point; another worker goes on, and the end is that of a quiet run."""

    def undisturbed(self, fail: bool) -> tuple[Ended, Counter[str], Counter[str]]:
        """A run without faults in this process: its end, its bodies and the points it reached."""
        reached: Counter[str] = Counter()
        before = Counter(noted().splitlines())
        root = durable.start(CrashTree, self.input(fail)).id
        failpoints.armed = lambda point: reached.update([point])
        try:
            drain()
        finally:
            failpoints.armed = None
        mine = Counter(noted().splitlines()) - before
        return ended(root), Counter(line.split()[1] for line in mine), reached

    def input(self, fail: bool) -> dict[str, Any]:
        return {"n": 1, "items": ITEMS, "fail": fail}

    def _is_as_undisturbed(
        self, root: UUID, quiet: tuple[Ended, Counter[str], Any], again: dict[str, int] | None
    ) -> None:
        """The same end; ``again`` are the bodies that ran more often (``None``: any one)."""
        expected, bodies, _ = quiet
        found = ended(root)
        for name, one, other in zip(Ended._fields, found, expected, strict=True):
            if name == "undone":
                self.assertEqual(Counter(one), Counter(other))
                continue
            self.assertEqual(one, other, name)
        tree = tree_of(root)
        lines = [line.split() for line in noted().splitlines()]
        ran = Counter(name for pk, name in lines if pk in tree)
        self.assertFalse(bodies - ran)
        more = ran - bodies
        if again is None:
            self.assertLessEqual(sum(more.values()), 1, more)
        else:
            self.assertLessEqual(sum(more.values()), max(again.values(), default=0), more)
            self.assertFalse(more - Counter(again), more)

    def test_in_and_around_blocks_items_and_batches(self) -> None:
        with processes() as started:
            quiet = self.undisturbed(fail=False)
            roots = self.killed(started, CrashTree, self.input(False), FORWARD)
            for (point, n, again), root in zip(FORWARD, roots, strict=True):
                with self.subTest(point=point, n=n):
                    self._is_as_undisturbed(root, quiet, again)

    def test_while_it_tells_a_parent(self) -> None:
        """Any worker tells any parent, so that these have the database for themselves."""
        with processes() as started:
            quiet = self.undisturbed(fail=False)
            roots = self.killed(started, CrashTree, self.input(False), REPORTS, at_once=1)
            for (point, n), root in zip(REPORTS, roots, strict=True):
                with self.subTest(point=point, n=n):
                    self._is_as_undisturbed(root, quiet, None)

    def test_in_and_between_compensations(self) -> None:
        with processes() as started:
            quiet = self.undisturbed(fail=True)
            bodies = quiet[1]
            forward = sum(count for name, count in bodies.items() if not name.startswith("un"))
            backward = sum(bodies.values()) - forward
            self.assertEqual(backward, 2 + len(ITEMS) + 1)
            kills: list[tuple[str, int, dict[str, int]]] = [
                ("rollback.before_commit", 1, {}),
                ("rollback.after_commit", 2, {}),
                ("body.after", forward + 1, {"unreserve": 1}),  # the newest: in the child
                ("rollback.before_commit", backward + 1, {}),  # all is undone
            ]
            roots = self.killed(
                started, CrashTree, self.input(True), kills, at_once=1, besides=",default=1"
            )
            for (point, n, again), root in zip(kills, roots, strict=True):
                with self.subTest(point=point, n=n):
                    self._is_as_undisturbed(root, quiet, again)
                    self.assertEqual(ended(root).undone, quiet[0].undone)

    def test_every_point_of_a_tree_is_killed_at_somewhere(self) -> None:
        points = {point for point, *_ in (*FORWARD, *REPORTS)}
        points |= {"rollback.before_commit", "rollback.after_commit"}
        self.assertLessEqual(set(failpoints.TREE_POINTS), points)

    def test_a_quiet_run_reaches_every_point_of_a_tree(self) -> None:
        with processes():
            _, _, reached = self.undisturbed(fail=True)
        self.assertLessEqual(set(failpoints.TREE_POINTS), set(reached))


class KilledWhileItFiresTests(Killing, ThreadedTestCase):
    """``kill -9`` around the commit of a slot: one execution for it, neither none nor two."""

    def test_one_execution_for_the_slot(self) -> None:
        slot = clock.read("default") - minutes(1)
        with processes() as started:
            for point in failpoints.CALENDAR_POINTS:
                name = point.replace(".", "-")
                durable.schedule(Quick, "0 0 1 1 *", name=name, timezone="UTC")
                Schedule.objects.filter(name=name).update(next_run_at=slot)
                self.assertDie(started, self.doomed(started, "nothing=1", point))
                fired = Firing.objects.filter(schedule__name=name)
                self.assertEqual(fired.count(), int(point.endswith("after_commit")))
                worker = started.worker("--queues", "default", "--burst", settings=SETTINGS)
                self.assertEqual(worker.wait(), 0, worker.output())
                with self.subTest(point=point):
                    (firing,) = fired
                    self.assertEqual((firing.slot, firing.outcome), (slot, "started"))
                    self.assertEqual(firing.execution.status, "completed")
            self.assertEqual(Execution.objects.count(), len(failpoints.CALENDAR_POINTS))
            self.assertEqual(len(started.ran()), len(failpoints.CALENDAR_POINTS))


class PointTests(ThreadedTestCase):
    """The list of points, and the source."""

    def test_the_points_in_the_source_are_those_of_the_list(self) -> None:
        source = "".join(path.read_text() for path in Path(ROOT, "durable").rglob("*.py"))
        calls = re.findall(r'\breach\(("[^)]*")\)', source)
        named = {name for call in calls for name in re.findall(r'"([a-z_.]+)"', call)}
        self.assertEqual(named, set(failpoints.ALL))
        self.assertEqual(len(set(failpoints.ALL)), len(failpoints.ALL))
