"""Inserts that PostgreSQL has planned already: who sees them, and what they leave as it was."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext

import durable
from durable import Data, Workflow, minutes, step
from durable.models import Execution
from tests.cases import ThreadedTestCase


def prepared() -> list[str]:
    """The texts that this connection's server has planned."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return [text for (text,) in cursor.fetchall()]


@pytest.mark.only_on("postgresql")
class PreparedTests(ThreadedTestCase):
    """Starts on a connection without a pooler."""

    def setUp(self) -> None:
        super().setUp()
        connection.close()

        class Plain(Workflow):
            @step
            def only(self, data: Data) -> None: ...

        self.workflow = Plain

    def test_starts_of_one_form_share_a_plan(self) -> None:
        for number in range(5):
            with transaction.atomic():  # without a neighbour, whose notification could do for it
                durable.start(self.workflow, {"n": number})
        self.assertEqual(len(prepared()), 1)
        for number in range(3):
            with transaction.atomic():
                durable.start(self.workflow, {"n": number}, tags={"n": number}, delay=minutes(5))
        self.assertEqual(len(prepared()), 2)
        self.assertEqual(Execution.objects.count(), 8)

    def test_wrappers_see_them_and_a_log_shows_their_values(self) -> None:
        seen = list[tuple[str, Any]]()

        def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            seen.append((sql, params))
            return execute(sql, params, many, context)

        durable.start(self.workflow)
        with connection.execute_wrapper(note):
            started = durable.start(self.workflow)
        ((sql, params),) = seen
        self.assertIn("INSERT INTO durable_execution", sql)
        self.assertIn(started.pk, params)
        with CaptureQueriesContext(connection) as log:
            started = durable.start(self.workflow, {"text": "shown"})
        self.assertIn('{"text":"shown"}', log[0]["sql"])

    def test_nothing_else_is_prepared(self) -> None:
        for _ in range(3):
            durable.start(self.workflow)
        raw: Any = connection.connection
        self.assertIsNone(raw.prepare_threshold)
        for _ in range(10):
            Execution.objects.count()
        self.assertTrue(all("INSERT" in text for text in prepared()))

    def test_a_rollback_and_a_forgotten_plan_are_survived(self) -> None:
        for _ in range(3):
            durable.start(self.workflow)
        with transaction.atomic():
            durable.start(self.workflow)
            transaction.set_rollback(True)
        durable.start(self.workflow)
        with connection.cursor() as cursor:
            cursor.execute("DISCARD ALL")
        durable.start(self.workflow)
        self.assertEqual(Execution.objects.count(), 5)

    def test_a_plan_forgotten_in_a_transaction_is_missed_once(self) -> None:
        for _ in range(3):
            with transaction.atomic():
                durable.start(self.workflow)
        with connection.cursor() as cursor:
            cursor.execute("DEALLOCATE ALL")
        with self.assertRaises(ProgrammingError), transaction.atomic():
            durable.start(self.workflow)
        with transaction.atomic():
            durable.start(self.workflow)
        self.assertEqual(Execution.objects.count(), 4)

    def test_a_broken_connection_is_replaced(self) -> None:
        for _ in range(3):
            durable.start(self.workflow)
        connection.close()
        for _ in range(3):
            durable.start(self.workflow)
        self.assertEqual(Execution.objects.count(), 6)
