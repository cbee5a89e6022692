"""Each landing decides every column of an execution's life, whatever stood in the row before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count, product
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.test import SimpleTestCase, TestCase

from durable import clock
from durable.models import Execution, Role
from durable.models.execution import ExecutionQuerySet
from durable.models.fields import uuid7
from durable.models.landings import LIFE
from durable.states import FINAL, TRANSITIONS, Status, sources

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
OLD, LATER = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
OLD_ERROR, ERROR = {"type": "Old"}, {"type": "New"}
OWNER, WORKER = UUID(int=1), UUID(int=2)

KEPT: Any = object()  # as it stood in the row
LOOKS: Any = object()  # True where a parent waits for the row, otherwise False

Row = dict[str, Any]
Land = Callable[[ExecutionQuerySet], int]

#: each landing; where it leads; what it writes, column by column (a row that rolls back: ``ROLLS``)
LANDINGS: dict[str, tuple[Land, Status, Row]] = {
    "held": (
        lambda rows: rows.held(WORKER),
        Status.RUNNING,
        {
            "ready_at": None,
            "wake_at": None,
            "resume_at": None,
            "worker": WORKER,
            "released": KEPT,
            "pause_requested": KEPT,
            "blocked_by": "",
            "error": None,
            "finished_at": None,
            "unreported": KEPT,
            "fence": 8,
            "started_at": NOW,
        },
    ),
    "due": (
        lambda rows: rows.due(out_of=Status),
        Status.PENDING,
        {
            "ready_at": NOW,
            "wake_at": None,
            "resume_at": None,
            "worker": None,
            "released": KEPT,
            "pause_requested": False,
            "blocked_by": "",
            "error": None,
            "finished_at": None,
            "unreported": False,
            "fence": 7,
        },
    ),
    "asleep": (
        lambda rows: rows.asleep(LATER),
        Status.PENDING,
        {
            "ready_at": None,
            "wake_at": LATER,
            "resume_at": None,
            "worker": None,
            "released": KEPT,
            "pause_requested": False,
            "blocked_by": "",
            "error": None,
            "finished_at": None,
            "unreported": False,
            "fence": 7,
        },
    ),
    "turnless": (
        lambda rows: rows.turnless(unreported=True, out_of=Status),
        Status.PENDING,
        {
            "ready_at": None,
            "wake_at": None,
            "resume_at": None,
            "worker": None,
            "released": False,
            "pause_requested": False,
            "blocked_by": "",
            "error": None,
            "finished_at": None,
            "unreported": True,
            "fence": 7,
        },
    ),
    "freed": (
        lambda rows: rows.freed(died=True),
        Status.PENDING,
        {
            "ready_at": NOW,
            "wake_at": None,
            "resume_at": None,
            "worker": None,
            "released": KEPT,
            "pause_requested": KEPT,
            "blocked_by": "",
            "error": None,
            "finished_at": None,
            "unreported": KEPT,
            "fence": 8,
            "recoveries": 4,
        },
    ),
    "parked": (
        lambda rows: rows.parked(LATER),
        Status.WAITING,
        {
            "ready_at": None,
            "wake_at": LATER,
            "resume_at": None,
            "worker": None,
            "released": KEPT,
            "pause_requested": False,
            "blocked_by": "",
            "error": None,
            "finished_at": None,
            "unreported": False,
            "fence": 7,
        },
    ),
    "paused": (
        lambda rows: rows.paused(LATER),
        Status.PAUSED,
        {
            "ready_at": None,
            "wake_at": None,
            "resume_at": LATER,
            "worker": None,
            "released": KEPT,
            "pause_requested": False,
            "blocked_by": "",
            "error": None,
            "finished_at": None,
            "unreported": False,
            "fence": 7,
        },
    ),
    "blocked": (
        lambda rows: rows.blocked("code", ERROR),
        Status.BLOCKED,
        {
            "ready_at": None,
            "wake_at": None,
            "resume_at": None,
            "worker": None,
            "released": KEPT,
            "pause_requested": False,
            "blocked_by": "code",
            "error": ERROR,
            "finished_at": None,
            "unreported": False,
            "fence": 7,
        },
    ),
    "rolling": (
        lambda rows: rows.rolling(ERROR, held=False, out_of=Status),
        Status.COMPENSATING,
        {
            "ready_at": NOW,
            "wake_at": None,
            "resume_at": None,
            "worker": None,
            "released": True,
            "pause_requested": False,
            "blocked_by": "",
            "error": ERROR,
            "finished_at": None,
            "unreported": False,
            "fence": 7,
        },
    ),
    **{
        f"ended as {target}": (
            lambda rows, target=target: rows.ended(target, ERROR),
            target,
            {
                "ready_at": None,
                "wake_at": None,
                "resume_at": None,
                "worker": None,
                "released": True,
                "pause_requested": False,
                "blocked_by": "",
                "error": ERROR,
                "finished_at": NOW,
                "unreported": LOOKS,
                "fence": 7,
            },
        )
        for target in sorted(FINAL)
    },
}

#: landings at which a row that rolls back keeps its status, and the error that it undoes for
ROLLS = ("held", "due", "asleep", "freed", "parked")

#: landings at which a row may stand already
STAYS = {Status.PENDING: ("due", "asleep", "turnless", "freed"), Status.WAITING: ("parked",)}


#: landings that keep ``released`` and to which no item comes without a turn
WITH_TURN = ("parked", "paused", "blocked")


def rows_of(status: Status, landing: str) -> list[Row]:
    """The rows of one status that may come to a landing."""
    return [row for row in shapes(status) if row["released"] or landing not in WITH_TURN]


def shapes(status: Status) -> Iterator[Row]:
    """Rows of one status, with every column as dirty as the database takes it."""
    free = status in (Status.PENDING, Status.RUNNING)
    dues = {
        Status.PENDING: ((OLD, None), (None, OLD), (OLD, LATER), (None, None)),
        Status.WAITING: ((OLD, None), (None, OLD), (None, None)),
        Status.COMPENSATING: ((OLD, LATER), (None, None)),
    }
    owners = {Status.RUNNING: (OWNER,), Status.COMPENSATING: (OWNER, None)}
    for due, owner, released, asked, cancel, role in product(
        dues.get(status, ((None, None),)),
        owners.get(status, (None,)),
        (True, False) if free else (True,),
        (True, False) if free or status == Status.WAITING else (False,),
        (True, False),
        (Role.ROOT, Role.CHILD, Role.ITEM),
    ):
        if role == Role.ROOT and not released:
            continue
        yield {
            "status": status,
            "ready_at": due[0],
            "wake_at": due[1],
            "resume_at": OLD if status == Status.PAUSED else None,
            "worker": owner,
            "released": released,
            "pause_requested": asked,
            "blocked_by": "worker" if status == Status.BLOCKED else "",
            "error": OLD_ERROR,
            "finished_at": OLD if status in FINAL else None,
            "unreported": True,
            "fence": 7,
            "recoveries": 3,
            "cancel_requested_at": OLD if cancel else None,
            "cancel_reason": "why" if cancel else "",
            "role": role,
            "awaited": role != Role.ROOT,
        }


def planted(parent: Execution, number: int, row: Row) -> Execution:
    """The row, written as it is."""
    pk = uuid7()
    below = row["role"] != Role.ROOT
    return Execution(
        **row,
        id=pk,
        root_id=parent.pk if row["role"] == Role.ITEM else pk,
        parent=parent if below else None,
        parent_path="each",
        index=number,
        workflow="w",
        kind="w@1",
        path="one",
        data={"a": 1},
        created_at=OLD,
    )


class LandingTests(TestCase):
    """Whole rows, against the table above."""

    maxDiff = None

    def setUp(self) -> None:
        self.enterContext(clock.frozen(NOW))
        self.numbers = count()
        pk = uuid7()
        self.parent = Execution.objects.create(
            id=pk, root_id=pk, workflow="w", kind="w@1", created_at=OLD
        )

    def landed(self, land: Land, rows: list[Row]) -> list[tuple[Row, Row]]:
        """Each row before and after, whole."""
        found = [planted(self.parent, next(self.numbers), row) for row in rows]
        Execution.objects.bulk_create(found)
        here = Execution.objects.filter(pk__in=[row.pk for row in found])
        before = {row["id"]: row for row in here.values()}
        land(here)
        after = {row["id"]: row for row in here.values()}
        return [(before[row.pk], after[row.pk]) for row in found]

    def expected(self, name: str, before: Row) -> Row:
        """The row that a landing makes of another."""
        _, target, columns = LANDINGS[name]
        status = before["status"]
        rolls = status == Status.COMPENSATING and name in ROLLS
        stays = name in STAYS.get(status, ())
        if status not in sources(target) and not rolls and not stays:
            return before
        if status in FINAL and name in ("asleep", "freed"):  # nobody leaves an end by accident
            return before
        row = {**before, "status": target, **columns}
        row = {column: before[column] if v is KEPT else v for column, v in row.items()}
        if row["unreported"] is LOOKS:
            ends_with_turn = before["role"] == Role.ITEM and target != Status.CANCELLED
            row["unreported"] = before["awaited"] and not ends_with_turn
        if rolls:
            row |= {"status": status, "error": OLD_ERROR}
        if name == "freed" and not before["released"]:
            row["unreported"] = True
            if before["cancel_requested_at"] is None:
                row["ready_at"] = None
        return row

    def test_every_landing_decides_every_column_from_every_status_and_shape(self) -> None:
        for name, (land, _, columns) in LANDINGS.items():
            self.assertEqual(LIFE - {"status"}, LIFE & set(columns), name)
            for status in Status:
                with self.subTest(landing=name, status=status):
                    for before, after in self.landed(land, rows_of(status, name)):
                        self.assertEqual(after, self.expected(name, before))

    def test_what_the_caller_knows_of_a_rollback_gives_the_same_rows(self) -> None:
        known: dict[str, Callable[..., int]] = {
            "held": lambda rows, rolls: rows.held(WORKER, rolls=rolls),
            "due": lambda rows, rolls: rows.due(rolls=rolls, out_of=Status),
            "asleep": lambda rows, rolls: rows.asleep(LATER, rolls=rolls),
            "freed": lambda rows, rolls: rows.freed(died=True, rolls=rolls),
            "parked": lambda rows, rolls: rows.parked(LATER, rolls=rolls),
        }
        self.assertEqual(set(known), set(ROLLS))
        for name, land in known.items():
            for status in Status:
                rolls = status == Status.COMPENSATING
                rows = rows_of(status, name)
                with self.subTest(landing=name, status=status):
                    for before, after in self.landed(partial(land, rolls=rolls), rows):
                        self.assertEqual(after, self.expected(name, before))
                with self.subTest("known wrongly: nothing moves", landing=name, status=status):
                    for before, after in self.landed(partial(land, rolls=not rolls), rows):
                        self.assertEqual(after, before)

    def test_an_item_without_a_turn_comes_to_no_landing_that_needs_one(self) -> None:
        turnless = [row for row in shapes(Status.RUNNING) if not row["released"]]
        for name in WITH_TURN:
            with self.subTest(name), self.assertRaises(IntegrityError), transaction.atomic():
                self.landed(LANDINGS[name][0], turnless)

    def test_a_worker_that_goes_on_into_its_rollback_keeps_the_row(self) -> None:
        rows = [row for row in shapes(Status.RUNNING) if row["released"]]
        for before, after in self.landed(lambda found: found.rolling(ERROR, held=True), rows):
            row = {**before, **LANDINGS["rolling"][2], "status": Status.COMPENSATING}
            self.assertEqual(after, {**row, "ready_at": None, "worker": OWNER})

    def test_an_end_that_nobody_needs_to_hear_of_leaves_the_mark_as_it_was(self) -> None:
        for mark in (True, False):
            rows = [{**row, "unreported": mark} for row in shapes(Status.PENDING)]
            for _, after in self.landed(
                lambda found: found.ended(Status.CANCELLED, None, report=False), rows
            ):
                self.assertEqual(after["unreported"], mark)

    def test_a_final_row_moves_only_where_that_is_said(self) -> None:
        for name, land in {
            "due": lambda rows: rows.due(),
            "turnless": lambda rows: rows.turnless(unreported=False),
            "rolling": lambda rows: rows.rolling(ERROR, held=False),
        }.items():
            for status in FINAL:
                for before, after in self.landed(land, list(shapes(status))):
                    with self.subTest(landing=name, status=status):
                        self.assertEqual(after, before)

    def test_what_stands_beside_a_landing_is_written_with_it_and_is_none_of_its_columns(
        self,
    ) -> None:
        rows = Execution.objects.filter(pk=self.parent.pk)
        self.assertEqual(rows.due(path="two", attempt=3), 1)
        self.assertEqual(rows.values_list("path", "attempt").get(), ("two", 3))
        for name, land in {
            "asleep": lambda: rows.asleep(LATER, attempt=4),
            "paused": lambda: rows.paused(LATER, attempt=5),
            "due": lambda: rows.due(attempt=6),
            "turnless": lambda: rows.turnless(unreported=False, attempt=7),
            "rolling": lambda: rows.rolling(None, held=False, attempt=8),
            "ended": lambda: rows.ended(Status.COMPENSATED, None, attempt=9),
        }.items():
            with self.subTest(landing=name):
                before = rows.values_list("attempt", flat=True).get()
                self.assertEqual(land(), 1)
                self.assertGreater(rows.values_list("attempt", flat=True).get(), before)
        for column in sorted(LIFE - {"ready_at"}):
            with self.subTest(column=column), self.assertRaisesMessage(TypeError, column):
                rows.due(**{column: None})


class SignatureTests(SimpleTestCase):
    """What a landing can't know has to be given."""

    def test_a_missing_value_is_a_type_error(self) -> None:
        rows: Any = Execution.objects.none()
        for missing in (
            lambda: rows.held(),
            lambda: rows.asleep(),
            lambda: rows.turnless(),
            lambda: rows.freed(),
            lambda: rows.parked(),
            lambda: rows.paused(),
            lambda: rows.blocked("code"),
            lambda: rows.rolling(ERROR),
            lambda: rows.rolling(held=True),
            lambda: rows.ended(Status.FAILED),
        ):
            self.assertRaises(TypeError, missing)

    def test_every_move_of_the_table_is_a_landing(self) -> None:
        reached = {target for _, target, _ in LANDINGS.values()}
        self.assertEqual(reached, set(Status))
        self.assertEqual({target for moves in TRANSITIONS.values() for target in moves}, reached)
