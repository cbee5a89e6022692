"""Read the facts of one run from the tables, with a bounded number of queries.

The run and its branches are read row by row; items, of which there may be any number, are only
counted (``items.py``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from uuid import UUID

from django.db.models import BigIntegerField, Count, F, Max, Q
from django.db.models.functions import Cast

from durable.authoring.nodes.tree import Chain, Foreach, Node, Parallel
from durable.engine.row.undoing import Rollback
from durable.models import Execution, Role, StepRun, Wait
from durable.showing.run import items
from durable.showing.run.items import Crowd, prefixes
from durable.states import FINAL, ROLLBACK, Status, StepStatus, WaitKind

ATTEMPTS = 1_000_000  # more than any visit of a step takes
COLUMNS = (
    "status", "path", "visit", "attempt", "wake_at", "frames", "error", "started_at",
    "parent_path", "parent_visit", "branch", "rerun_of",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One execution's record of a step: the end of its last attempt, and of its compensation."""

    status: StepStatus | None
    attempts: int = 0
    rounds: int = 0
    undone: StepStatus | None = None
    error: str = ""  # the type of the error of a failed step


@dataclass(frozen=True)
class OpenWait:
    """An open wait of a step."""

    kind: WaitKind
    name: str
    names: tuple[str, ...]
    until: datetime | None


@dataclass
class Lane:
    """One execution on its way through the flow, with its branches."""

    row: Execution
    runs: dict[str, Run] = field(default_factory=dict)
    waits: dict[str, list[OpenWait]] = field(default_factory=lambda: defaultdict(list))
    branches: dict[str, dict[str, Lane]] = field(default_factory=lambda: defaultdict(dict))
    items: set[str] = field(default_factory=set)  # paths of the foreachs that have items
    undoing: str = ""
    touched: set[str] = field(default_factory=set)

    @property
    def status(self) -> Status:
        """The execution's status."""
        return Status(self.row.status)

    @property
    def over(self) -> bool:
        """Whether the execution has ended."""
        return self.status in FINAL

    @property
    def begun(self) -> bool:
        """Whether a worker has ever claimed the execution."""
        return self.row.started_at is not None

    @cached_property
    def rollback(self) -> Rollback | None:
        """The rollback that is going on or has ended the execution; ``None`` if there is none."""
        return Rollback.at(self.row.path, self.row.frames or {})

    @property
    def stands_at(self) -> str:
        """The path of the node at which the lane is, or has ended; empty if at none."""
        why = self.rollback
        if why is None:
            path: str = self.row.path
            return "" if path.startswith(ROLLBACK) else path
        return "" if why.scope else why.path

    def within(self, path: str) -> bool:
        """Whether the lane is at this node or inside of it."""
        return f"{self.stands_at}/".startswith(f"{path}/") if self.stands_at else False


@dataclass(frozen=True)
class RunFacts:
    """The facts of a run: its lane, and the counts of its items."""

    lane: Lane
    crowd: Crowd


def read(execution: Execution, body: Chain) -> RunFacts:
    """The facts of an execution whose flow is ``body``."""
    top = Lane(Execution.objects.only(*COLUMNS).get(pk=execution.pk))
    singles = list(_outside_loops(body))
    lanes = _with_branches(top, any(isinstance(node, Parallel) for node in singles))
    by_id = {lane.row.pk: lane for lane in lanes}
    _read_runs(by_id)
    _read_waits(by_id)
    _read_undoing(by_id)
    foreachs = [node for node in singles if isinstance(node, Foreach)]
    crowd = items.read(by_id, foreachs) if foreachs else Crowd()
    for lane in lanes:
        lane.items = crowd.opened.get(lane.row.pk, set())
        _touch(lane)
    return RunFacts(top, crowd)


# -- an execution and its branches ------------------------------------------------------------


def _with_branches(top: Lane, forks: bool) -> list[Lane]:
    """The lane, and level by level the lanes of its branches (of the last visit of each block)."""
    found, level = [top], [top] if forks else []
    while level:
        parents = {lane.row.pk: lane for lane in level}
        rows = Execution.objects.filter(parent__in=parents, role=Role.BRANCH).only(
            "parent", *COLUMNS
        )
        latest: dict[tuple[UUID, str], list[Execution]] = defaultdict(list)
        for row in rows:
            assert row.parent_id is not None
            siblings = latest[row.parent_id, row.parent_path]
            if siblings and siblings[0].parent_visit < row.parent_visit:
                siblings.clear()
            if not siblings or siblings[0].parent_visit == row.parent_visit:
                siblings.append(row)
        level = []
        for (parent, path), siblings in latest.items():
            for row in siblings:
                lane = parents[parent].branches[path][row.branch] = Lane(row)
                level.append(lane)
        found += level
    return found


def _read_runs(lanes: dict[UUID, Lane]) -> None:
    """Read the last visit of each step: one row by step and outcome, for any number of visits."""
    order = Cast("visit", BigIntegerField()) * ATTEMPTS + F("attempt")
    groups = (
        StepRun.objects.filter(execution__in=lanes)
        .order_by()
        .values_list("execution_id", "path", "compensation", "status")
        .annotate(last=Max(order), visits=Count("visit", distinct=True))
    )
    found: dict[tuple[UUID, str, bool], tuple[int, str]] = {}
    rounds: Counter[tuple[UUID, str]] = Counter()
    for pk, path, undoing, status, last, visits in groups:
        found[pk, path, undoing] = max(found.get((pk, path, undoing), (0, "")), (last, status))
        if not undoing and status == StepStatus.COMPLETED:
            rounds[pk, path] = visits
    errors = _errors(
        (pk, path, *divmod(last, ATTEMPTS))
        for (pk, path, undoing), (last, status) in found.items()
        if status == StepStatus.FAILED and not undoing
    )
    for pk, path in {(pk, path) for pk, path, _ in found}:
        step, undone = found.get((pk, path, False)), found.get((pk, path, True))
        lanes[pk].runs[path] = Run(
            StepStatus(step[1]) if step else None,
            step[0] % ATTEMPTS if step else 0,
            rounds[pk, path],
            StepStatus(undone[1]) if undone else None,
            errors.get((pk, path), ""),
        )


def _errors(attempts: Iterable[tuple[UUID, str, int, int]]) -> dict[tuple[UUID, str], str]:
    """The types of the errors of some attempts."""
    wanted = Q(pk__in=[])  # matches nothing: without attempts the query finds nothing
    for pk, path, visit, attempt in attempts:
        wanted |= Q(execution=pk, path=path, visit=visit, attempt=attempt)
    rows = StepRun.objects.filter(wanted, compensation=False)
    found = rows.values_list("execution_id", "path", "error")
    return {(pk, path): str(error["type"]) for pk, path, error in found if error}


def _read_waits(lanes: dict[UUID, Lane]) -> None:
    waits = Wait.objects.open().filter(execution__in=lanes).visible()
    for pk, path, kind, name, names, until in waits.values_list(
        "execution_id", "path", "kind", "name", "names", "deadline_at"
    ):
        lanes[pk].waits[path].append(OpenWait(WaitKind(kind), name, tuple(names), until))


def _read_undoing(lanes: dict[UUID, Lane]) -> None:
    """Find the steps whose compensation runs at this moment."""
    wanted = {}
    for lane in lanes.values():
        if lane.row.path.startswith(ROLLBACK) and lane.row.path != ROLLBACK:
            wanted[UUID(lane.row.path[len(ROLLBACK) :])] = lane
    if wanted:
        for pk, path in StepRun.objects.filter(pk__in=wanted).values_list("pk", "path"):
            wanted[pk].undoing = path


def _touch(lane: Lane) -> None:
    paths = [*lane.runs, *lane.branches, *lane.items]
    if lane.stands_at:
        paths.append(lane.stands_at)
    lane.touched = set(prefixes(paths))


# -- the flow ----------------------------------------------------------------------------------


def _outside_loops(node: Node) -> Iterator[Node]:
    """A node and the nodes below it, without the insides of foreachs."""
    yield node
    if not isinstance(node, Foreach):
        for child in node.children():
            yield from _outside_loops(child)
