"""What an outage is: a write is repeated through one, and refused at once where it can't work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

from django.db import (
    DatabaseError,
    Error,
    InterfaceError,
    OperationalError,
    connection,
    transaction,
)
from django.test import TransactionTestCase

from durable.storage import reconnect
from durable.storage.reconnect import is_unavailable, persist
from tests.crash.armed import lose_the_answer, lose_the_request, once

TOO_DEEP = "SELECT 1 WHERE " + "NOT " * 200_000 + "1 = 1"


def sends(sql: str, *params: Any) -> Callable[[], object]:
    """A call that sends a statement."""

    def call() -> object:
        with connection.cursor() as cursor:
            return cursor.execute(sql, params)

    return call


def driver_error(name: str, **attributes: Any) -> Exception:
    """An ``OperationalError`` as Django makes it of the driver's."""
    error = OperationalError(name)
    error.__cause__ = type(name, (Exception,), attributes)(name)
    return error


class OutageTests(TransactionTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.pauses = 0
        self.enterContext(mock.patch.object(reconnect.time, "sleep", self._pause))

    def _pause(self, seconds: float) -> None:
        self.pauses += 1

    def test_a_statement_that_will_never_work_is_refused_at_once(self) -> None:
        for call in (sends(TOO_DEEP), sends("SELECT 1 FROM nowhere"), sends("SELEKT")):
            tries = mock.Mock(side_effect=call)
            with self.assertRaises(DatabaseError) as raised:
                persist(tries)
            self.assertFalse(is_unavailable(raised.exception), raised.exception)
            self.assertEqual((tries.call_count, self.pauses), (1, 0))

    def test_so_is_one_that_the_driver_does_not_even_send(self) -> None:
        connection.ensure_connection()
        error = driver_error("number of parameters must be between 0 and 65535")
        tries = mock.Mock(side_effect=error)
        with self.assertRaises(OperationalError):
            persist(tries)
        self.assertEqual((tries.call_count, self.pauses), (1, 0))

    def test_the_codes_of_both_databases_tell_it(self) -> None:
        for code, away in (
            ("54001", False),  # statement too complex
            ("54023", False),  # too many arguments
            ("53200", False),  # out of memory
            ("53300", True),
            ("53100", True),
            ("57P01", True),
            ("57P03", True),
            ("08006", True),
            ("25006", True),
            ("40P01", True),
            ("55P03", True),
            ("42P01", False),
        ):
            with self.subTest(code):
                self.assertEqual(is_unavailable(driver_error("e", sqlstate=code)), away)
        for name, away in (
            ("SQLITE_ERROR", False),  # parser stack overflow, too many SQL variables
            ("SQLITE_NOMEM", False),
            ("SQLITE_TOOBIG", False),
            ("SQLITE_BUSY_SNAPSHOT", True),
            ("SQLITE_IOERR_WRITE", True),
            ("SQLITE_CANTOPEN", True),
            ("SQLITE_READONLY_DBMOVED", True),
            ("SQLITE_FULL", True),
        ):
            with self.subTest(name):
                error = driver_error("e", sqlite_errorname=name, sqlite_errorcode=1)
                self.assertEqual(is_unavailable(error), away)
        self.assertTrue(is_unavailable(InterfaceError("connection already closed")))

    def test_a_lost_connection_is_an_outage(self) -> None:
        for lose in (lose_the_answer, lose_the_request):
            tries = mock.Mock(side_effect=lambda: transaction.atomic(lambda: 7)())
            with self.subTest(lose), once(lambda conn: True, lose):
                self.assertEqual(persist(tries), 7)
            self.assertEqual(tries.call_count, 2)

    def test_it_is_waited_for_as_long_as_a_lease_lasts(self) -> None:
        moments = [0.0, 1.0, 2.0, 10_000.0]
        with mock.patch.object(reconnect.time, "monotonic", side_effect=moments):
            tries = mock.Mock(side_effect=OperationalError("gone"))
            with self.assertRaises(Error):
                persist(tries)
        self.assertEqual(tries.call_count, 3)
