"""Inserts that PostgreSQL has planned already: who sees them, and what they leave as it was."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import TestCase, mock

import pytest
from django.db import ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext

import durable
from durable import Data, Workflow, minutes, step
from durable.engine.start import prepared as engine
from durable.models import Execution
from tests.cases import ThreadedTestCase


def prepared() -> list[str]:
    """The texts that this connection's server has planned."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return [text for (text,) in cursor.fetchall()]


class Server:
    """Stands in for a connection of Django's; notes how each statement is sent."""

    vendor, queries_logged, in_atomic_block = "postgresql", False, True

    def __init__(self, pid: int) -> None:
        self.connection = SimpleNamespace(info=SimpleNamespace(backend_pid=1))
        self.pid, self.sent, self.error = pid, list[str](), None

    def cursor(self) -> Any:
        """Django's own cursor."""
        return self._cursor("as usual", None)

    def make_cursor(self, inner: Any) -> Any:
        """Django's wrapper around the prepared one."""
        return self._cursor("prepared", self.error)

    def _cursor(self, how: str, error: Any) -> Any:
        cursor = mock.MagicMock()
        cursor.__enter__.return_value = cursor
        cursor.fetchall.return_value = [("a row", self.pid)]
        cursor.execute.side_effect = error or (lambda *_: self.sent.append(how))
        return cursor

    def __getattr__(self, name: str) -> Any:
        return lambda: None


class ServerTests(TestCase):
    """Which statements are prepared, by what the server says of itself."""

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(mock.patch.object(engine, "_cursor_class", return_value=mock.Mock))

    def send(self, server: Any) -> None:
        engine.execute(server, "INSERT", [])

    def test_all_but_the_first_if_the_driver_knows_the_server_by_its_id(self) -> None:
        server = Server(pid=1)
        for _ in range(3):
            self.send(server)
        self.assertEqual(server.sent, ["as usual", "prepared", "prepared"])

    def test_none_behind_a_pooler(self) -> None:
        server = Server(pid=2)
        for _ in range(3):
            self.send(server)
        self.assertEqual(server.sent, ["as usual"] * 3)

    def test_none_after_one_was_forgotten(self) -> None:
        server: Any = Server(pid=1)
        self.send(server)
        server.error = ProgrammingError("no such statement")
        cause: Any = Exception()
        cause.sqlstate = engine.FORGOTTEN
        server.error.__cause__ = cause
        with self.assertRaises(ProgrammingError):
            self.send(server)
        self.send(server)
        self.assertEqual(server.sent, ["as usual"] * 2)


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
