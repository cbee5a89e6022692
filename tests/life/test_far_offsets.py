"""Times far from UTC are the instants that they are, on every database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import durable
from durable import Data, Workflow, step
from durable.models import Execution, Wait
from durable.testing import run
from tests.cases import WorkflowTestCase

FAR = timezone(timedelta(hours=17))  # PostgreSQL takes no offset beyond 15:59
THEN = datetime(2030, 1, 1, 12, tzinfo=FAR)


class FarOffsetTests(WorkflowTestCase):
    """Python knows offsets of up to a day."""

    def test_starts_waits_and_questions_take_any_offset(self) -> None:
        class Patient(Workflow):
            @step
            def ask(self, data: Data) -> None:
                self.wait_for_text("q", due=THEN, timeout=THEN)

        execution = run(Patient)
        wait = Wait.objects.get(execution=execution)
        self.assertEqual((wait.due_at, wait.deadline_at), (THEN, THEN))
        later = durable.start(Patient, scheduled_at=THEN)
        later.refresh_from_db()
        self.assertEqual(later.scheduled_at, THEN)

    def test_lists_are_narrowed_down_by_any_instant(self) -> None:
        edges = (
            datetime.min.replace(tzinfo=FAR),
            datetime.max.replace(tzinfo=timezone(timedelta(hours=-17))),
        )
        for edge in (*edges, THEN, datetime(1000, 2, 9, tzinfo=FAR)):
            self.assertFalse(Execution.objects.filter(created_at__gt=edge, created_at__lt=edge))
        self.assertFalse(Execution.objects.filter(created_at__lt=datetime(1, 1, 2, tzinfo=UTC)))
