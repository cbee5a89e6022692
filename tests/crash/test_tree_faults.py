"""Errors and lost connections at the points of trees, in the threads of one worker."""

from __future__ import annotations

import pytest
from django.test import override_settings

import durable
from durable.models import Execution
from durable.storage import failpoints
from durable.testing import worker
from tests.cases import until
from tests.crash.armed import armed
from tests.crash.composition import CrashTree
from tests.parts.leftovers import CommittingTreeTestCase
from tests.shop.models import Effect

FAST = override_settings(DURABLE={"LEASE": 3, "POLL_INTERVAL": 0.1})


@FAST
class ErrorInATreeTests(CommittingTreeTestCase):
    """An error of the database at any point of a tree ends no worker, and changes no result."""

    def _at_each_point(self, action: str) -> None:
        with worker():
            for point in failpoints.TREE_POINTS:
                with self.subTest(point=point, action=action):
                    Effect.objects.all().delete()
                    with armed(point, action) as trap:
                        root = durable.start(CrashTree, {"n": 1, "items": [0, 1, 2], "fail": True})
                        rows = Execution.objects.filter(pk=root.pk)
                        until(lambda rows=rows: rows.get().is_finished)
                        self.assertTrue(trap.sprung)
                    until(lambda: not Execution.objects.unreported().exists())
                    self.assertEnded(root, "compensated", "asked_for")
                    self.assertEqual(root.data["n"], 16)
                    self.assertEqual((root.data["sent"], root.data["pinged"]), (3, 3))
                    done = root.compensations.values_list("path", "status")
                    self.assertEqual(len(done), 6)
                    self.assertEqual({status for _, status in done}, {"completed"})
                    keys = list(Effect.objects.values_list("key", flat=True))
                    self.assertEqual(len(keys), len(set(keys)))

    def test_an_error_of_the_database_at_any_point_changes_no_result(self) -> None:
        self._at_each_point("refuse")

    @pytest.mark.only_on("postgresql")
    def test_a_connection_lost_at_any_point_changes_no_result(self) -> None:
        self._at_each_point("cut")
