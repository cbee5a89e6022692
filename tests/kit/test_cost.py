"""The kit asks little, and Django writes the SQL of none of it twice: every test pays for it."""

from __future__ import annotations

from typing import Any
from unittest import mock

from django.db import connection
from django.db.models.sql.compiler import SQLCompiler
from django.test.utils import CaptureQueriesContext

import durable
from durable import Workflow, step
from durable.testing import advance, assert_completed, drain, run, time_travel
from tests.cases import WorkflowTestCase


class CostTests(WorkflowTestCase):
    """Statements are counted without savepoints, whose number depends on the driver."""

    def setUp(self) -> None:
        super().setUp()

        class Plain(Workflow):
            @step
            def only(self, data: Any) -> None: ...

        self.plain = Plain
        run(Plain)  # declares the schedules, and compiles

    def statements(self, act: Any) -> int:
        """How many statements ``act`` sends."""
        with CaptureQueriesContext(connection) as queries:
            act()
        return sum("SAVEPOINT" not in query["sql"] for query in queries.captured_queries)

    def claims(self, count: int) -> int:
        durable.start_many(self.plain, [{}] * count)
        return self.statements(lambda: self.assertEqual(drain(), count))

    def test_a_drain_with_nothing_to_do_asks_at_most_seven_times(self) -> None:
        self.assertLessEqual(self.statements(drain), 7)

    def test_a_claim_of_a_step_costs_at_most_eight_however_many_there_are(self) -> None:
        one, eleven, twentyone = map(self.claims, (1, 11, 21))
        self.assertEqual(twentyone - eleven, eleven - one)
        self.assertLessEqual(eleven - one, 8 * 10)

    def test_nothing_is_compiled_twice(self) -> None:
        with mock.patch.object(SQLCompiler, "as_sql", side_effect=AssertionError("compiled")):
            assert_completed(run(self.plain))

    def test_nor_after_the_clock_has_moved(self) -> None:
        with time_travel():
            run(self.plain)
            advance(hours=1)
            durable.start(self.plain)
            with mock.patch.object(SQLCompiler, "as_sql", side_effect=AssertionError("compiled")):
                advance(hours=1)
                assert_completed(run(self.plain))
