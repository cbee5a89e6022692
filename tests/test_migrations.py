"""A database of an older version migrates with its live executions, and they end as they should."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import CASCADE, ForeignKey

import durable
from durable import Data, Workflow, WorkflowMeta, days, step
from durable.models import AnswerLink, AuditEntry, Execution, Wait
from durable.models.fields import uuid7
from durable.testing import advance, run, time_travel
from tests.cases import ThreadedTestCase


def migrate(name: str | None = None) -> None:
    """Bring the tables to a migration, or to the newest."""
    call_command("migrate", "durable", *([name] if name else []), verbosity=0)


class Trip(Workflow):
    """A saga that waits."""

    class Meta(WorkflowMeta):
        abstract = True
        on_failure = "hold"

    @step
    def book(self, data: Data) -> Data:
        return {**data, "booked": True}

    @book.compensate
    def unbook(self, data: Data) -> None: ...

    @step
    def wait(self, data: Data) -> Data:
        self.sleep(days(2))
        if data.get("fails"):
            raise ValueError("no seats")
        return {**data, "waited": True}


class OldDatabaseTests(ThreadedTestCase):
    """The tables of the first version, with what it left in them."""

    def setUp(self) -> None:
        super().setUp()
        self.trip: Any = type("Travel", (Trip,), {})
        self.addCleanup(migrate)

    def left(self, execution: Execution, **columns: Any) -> None:
        """Plant columns as the first version could leave them."""
        Execution.objects.filter(pk=execution.pk).update(**columns)

    def ended(self, execution: Execution) -> str:
        execution.refresh_from_db()
        return execution.status

    def test_live_executions_end_as_they_should(self) -> None:
        with time_travel():
            failed = run(self.trip, {"fails": True})
            advance(days=3)
            asleep, paused, died = (run(self.trip, {"n": n}) for n in range(3))
            durable.pause(paused.id)
            blocked = run(self.trip, {})
            durable.cancel(blocked.id)
            migrate("0001")
            self.left(failed, pause_requested=True)
            self.left(died, status="running", worker=uuid7(), pause_requested=True, wake_at=None)
            self.left(blocked, blocked_by="code", error={"type": "PositionLost"}, released=False)
            self.left(asleep, blocked_by="worker", resume_at=asleep.created_at)
            migrate()
            durable.compensate(failed.id)
            durable.resume(paused.id)
            durable.resume(died.id)
            advance(days=3)
            self.assertEqual(self.ended(asleep), "completed")
            self.assertEqual(self.ended(paused), "completed")
            self.assertEqual(self.ended(died), "completed")
            self.assertEqual(self.ended(failed), "compensated")
            self.assertEqual(self.ended(blocked), "cancelled")
            self.assertEqual((blocked.blocked_by, blocked.released), ("", True))

    def test_what_was_left_is_refused_afterwards(self) -> None:
        execution = durable.start(self.trip, {})
        migrate("0001")
        migrate()
        for columns in (
            {"blocked_by": "code"},
            {"resume_at": execution.created_at},
            {"status": "waiting", "released": False},
            {"status": "paused", "pause_requested": True, "ready_at": None},
        ):
            with self.subTest(columns), self.assertRaises(IntegrityError), transaction.atomic():
                self.left(execution, **columns)

    def test_every_migration_is_applied_at_the_end(self) -> None:
        migrate()
        applied = {name for app, name in MigrationRecorder(connection).applied_migrations()}
        self.assertIn("0003_check_lives", applied)


class UserKeyTests(ThreadedTestCase):
    """The keys to users were constrained until users could live in another database."""

    def foreign_keys(self, table: str) -> set[str]:
        with connection.cursor() as cursor:
            found = connection.introspection.get_constraints(cursor, table)
        return {c["foreign_key"][0] for c in found.values() if c["foreign_key"]}

    def test_a_database_with_constraints_to_users_loses_them(self) -> None:
        self.addCleanup(migrate)
        migrate("0004")
        for model, name in ((AuditEntry, "actor"), (Wait, "by"), (AnswerLink, "recipient")):
            free = model._meta.get_field(name)
            bound = ForeignKey(User, CASCADE, null=free.null, related_name="+")
            bound.set_attributes_from_name(name)
            bound.model = model
            with connection.schema_editor() as editor:
                editor.alter_field(model, free, bound)
            self.assertIn("auth_user", self.foreign_keys(model._meta.db_table))
        migrate()
        for model in (AuditEntry, Wait, AnswerLink):
            self.assertNotIn("auth_user", self.foreign_keys(model._meta.db_table))
