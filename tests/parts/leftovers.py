"""What must be true when nothing more is to be done: nothing left over, nobody forgotten."""

from __future__ import annotations

from typing import Any
from unittest import TestCase

from durable.models import Execution, StepRun, Wait
from durable.states import FINAL, StepStatus
from durable.testing import describe
from tests.cases import ThreadedTestCase, WorkflowTestCase


def leftovers(*, open_waits: bool = False) -> list[str]:
    """What the engine has left lying about, in words; ``open_waits``: some still wait for us."""
    found: list[str] = []
    rows = Execution.objects.all()
    final = rows.filter(status__in=sorted(FINAL))
    if not open_waits:
        found += [f"not final: {describe(one)}" for one in rows.exclude(pk__in=final.values("pk"))]
        found += [f"open: {wait}" for wait in Wait.objects.open()]
        waiting = StepRun.objects.filter(status=StepStatus.WAITING)
        found += [f"parked: {run}" for run in waiting]
    found += [f"held: {one}" for one in rows.filter(worker__isnull=False)]
    found += [f"unreported: {one}" for one in rows.filter(unreported=True)]
    found += [f"due: {one}" for one in rows.filter(ready_at__isnull=False)]
    found += [f"unreleased: {one}" for one in final.filter(released=False)]
    found += [f"untold: {wait}" for wait in Wait.objects.filter(told=False)]
    closed = Wait.objects.open().filter(execution__in=final.values("pk"))
    found += [f"open wait of a final execution: {wait}" for wait in closed]
    orphans = rows.exclude(pk__in=final.values("pk")).filter(
        awaited=True, parent__status__in=sorted(FINAL)
    )
    found += [f"alive below a final parent: {describe(one)}" for one in orphans]
    return found


class Trees(TestCase):
    """Workflows in a tree, of which nothing may be left over."""

    def setUp(self) -> None:
        super().setUp()
        self.did: list[Any] = []

    def assertEnded(self, execution: Execution, status: str, error: str | None = None) -> None:
        """It ended so, with this type of error, and nothing of anything is left over."""
        execution.refresh_from_db()
        self.assertEqual(execution.status, status, describe(execution))
        if error is not None:
            self.assertIsNotNone(execution.error, describe(execution))
            self.assertEqual(execution.error["type"], error, execution.error)
        self.assertEqual(leftovers(), [])

    def assertStands(self, execution: Execution, status: str) -> None:
        """It stands so; others may wait too, but nothing is due or held."""
        execution.refresh_from_db()
        self.assertEqual(execution.status, status, describe(execution))
        self.assertEqual(leftovers(open_waits=True), [])

    def assertUndone(self, execution: Execution, *paths: str) -> None:
        """These compensations are on record as completed, each once, in this order."""
        done = execution.compensations.filter(status="completed").order_by("ended_at", "id")
        self.assertEqual(list(done.values_list("path", flat=True)), list(paths))


class TreeTestCase(Trees, WorkflowTestCase):
    """Trees in one test transaction."""


class CommittingTreeTestCase(Trees, ThreadedTestCase):
    """Trees whose commits are real."""
