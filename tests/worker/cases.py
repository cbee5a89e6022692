"""What the tests of a worker in this process share: fast settings, waiting for an end."""

from __future__ import annotations

from typing import Any

from django.db import connections
from django.test import override_settings

from durable.models import Execution
from tests.cases import ThreadedTestCase, until

FAST = {"LEASE": 3, "POLL_INTERVAL": 0.1, "SHUTDOWN_GRACE": 5}


class WorkerTestCase(ThreadedTestCase):
    """A worker with a short lease, in threads of this process."""

    durable_settings: dict[str, Any] = FAST

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(override_settings(DURABLE=self.durable_settings))

    def finished(self, *executions: Execution) -> None:
        """Wait until all are finished, and read them again."""
        rows = Execution.objects.filter(pk__in=[execution.pk for execution in executions])
        until(lambda: all(row.is_finished for row in rows.all()))
        for execution in executions:
            execution.refresh_from_db()

    def assertCompleted(self, *executions: Execution) -> None:
        """All are completed, sooner or later."""
        self.finished(*executions)
        for execution in executions:
            self.assertEqual(execution.status, "completed", execution.error)

    def assertFails(self, execution: Execution, type: str, words: str = "") -> None:
        """It fails, sooner or later, with this type of error."""
        self.finished(execution)
        self.assertEqual(execution.status, "failed")
        self.assertEqual(execution.error["type"], type, execution.error)
        self.assertIn(words, execution.error["message"])


def on_postgres() -> bool:
    """Whether this run is on PostgreSQL."""
    return bool(connections["default"].vendor == "postgresql")
