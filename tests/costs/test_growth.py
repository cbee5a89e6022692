"""Each unit of work reads as much beside 100,000 executions as beside 1,000, and by index."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.urls import reverse

import durable
from durable import clock
from durable.engine.ends import checkpoint as checkpoints
from durable.models import Execution
from durable.testing import isolate_workflows, time_travel
from tests.cases import WorkflowTestCase
from tests.costs import fill
from tests.costs.counting import reads
from tests.costs.plans import explained, give_back_pages
from tests.costs.work import OneThread, define

#: executions in the tables; of these, so many have ended, sleep, wait for an event, ask a person
SHARES = (0.4, 0.4, 0.1, 0.1)
FEW, MANY = 1_000, 100_000
#: so many of a unit are done at once
UNITS = 4
BIG = ("durable_execution", "durable_steprun", "durable_wait", "durable_event")

#: The most rows that one of each reads, found by index, where the planner knows the tables
#: (PostgreSQL). A change that lowers it lowers its line here.
ROWS = {
    "start": 1,
    "claim": 2.5,
    "step": 2,
    "look without work": 5,
    "sleep": 20,
    "event": 25,
    "published event": 60,
    "answer": 20,
    "child": 100,
    "item": 18,
    "cancel": 12,
}
#: the most rows of a table that a list reads: it counts 2,000, found among others
LISTED = 6_000


class Units:
    """Each unit of ``ROWS``, done ``UNITS`` times; what is prepared is not measured."""

    def __init__(self) -> None:
        self.flows, self.worker = define(), OneThread()
        self.worker.work()

    def start(self, flow: Any, count: int = UNITS) -> list[Execution]:
        return durable.start_many(flow, [{"n": 0, "key": f"own{n}"} for n in range(count)])

    def measured(self, measure: Callable[[str, int, Callable[[], object]], None]) -> None:
        """Measure each unit by ``measure(unit, how many, act)``."""
        flows, work = self.flows, self.worker.work
        measure("start", UNITS, lambda: [durable.start(flows.keyed, {"key": "own"})] * UNITS)
        self.start(flows.single)
        measure("claim", UNITS, self.worker.claim)
        self.start(flows.steps)
        measure("step", UNITS * 10, work)
        measure("look without work", 1, work)
        with time_travel():
            self.start(flows.sleep)
            work()
            with time_travel(clock.frozen_at() + timedelta(hours=2)):
                measure("sleep", UNITS, work)
        parked = self.start(flows.event)
        work()
        for one in parked:
            durable.send_event(one.pk, "go", {"n": 1})
        measure("event", UNITS, work)
        self.start(flows.keyed_event)
        work()
        for number in range(UNITS):
            durable.publish_event("go", {"n": 1}, key=f"own{number}")
        measure("published event", UNITS, work)
        asked = self.start(flows.answer)
        work()
        for one in asked:
            durable.provide_input(one.pk, "q", "yes")
        measure("answer", UNITS, work)
        self.start(flows.child)
        measure("child", UNITS, work)
        durable.start(flows.items, {"n": 0, "items": [0] * 40})
        measure("item", 40, work)
        parked = self.start(flows.event)
        work()
        measure("cancel", UNITS, lambda: [durable.cancel(one.pk) for one in parked])


class GrowthTests(WorkflowTestCase):
    """Beside many sleeping, waiting, asking and finished executions."""

    few: dict[str, float]  # what one of each unit reads beside few of them

    @classmethod
    def setUpClass(cls) -> None:
        give_back_pages()
        super().setUpClass()

    @classmethod
    def setUpTestData(cls) -> None:
        with isolate_workflows():
            samples = cls._samples()
            cls._fill(samples, 0, FEW)
            if connection.vendor == "sqlite":
                cls.few = read_by_each()
            cls._fill(samples, FEW, MANY)

    @classmethod
    def tearDownClass(cls) -> None:
        super().tearDownClass()
        give_back_pages()

    def _should_check_constraints(self, connection: Any) -> bool:
        return False  # the keys of all the copies, after each test

    @staticmethod
    def _samples() -> list[UUID]:
        """Executions that have ended, sleep, wait for an event, and for an answer."""
        flows, worker = define(), OneThread()
        ended = durable.start(flows.event)
        asleep = durable.start(flows.sleep, {"hours": 9_999})
        waiting, asking = (
            durable.start(flows.keyed_event, {"key": "k"}),
            durable.start(flows.answer),
        )
        for name in ("go", "unheard", "unheard"):
            durable.send_event(ended.pk, name, {"n": 1})
        worker.work()
        return [ended.pk, asleep.pk, waiting.pk, asking.pk]

    @staticmethod
    def _fill(samples: list[UUID], first: int, end: int) -> None:
        for sample, share in zip(samples, SHARES, strict=True):
            fill.copy(sample, share, first, end)

    @pytest.mark.only_on("sqlite")
    def test_a_hundred_times_as_many_rows_take_no_more_instructions(self) -> None:
        for unit, read in read_by_each().items():
            with self.subTest(unit):
                self.assertLessEqual(read, 1.1 * self.few[unit])

    @pytest.mark.only_on("postgresql")
    def test_a_unit_reads_the_few_rows_that_it_is_about(self) -> None:
        read_by_each()  # else the planner believes that there are no children
        fill.analyze()
        for unit, read in read_by_each().items():
            print(f'    "{unit}": {read:g},')  # noqa: T201
            with self.subTest(unit):
                self.assertLessEqual(read, ROWS[unit])

    @pytest.mark.only_on("postgresql")
    def test_each_statement_finds_its_rows_by_index_without_statistics(self) -> None:
        self.assert_by_index()

    @pytest.mark.only_on("postgresql")
    def test_each_statement_finds_its_rows_by_index_with_statistics(self) -> None:
        """And those of checkpoints that share a commit, which leave out locked rows."""
        fill.analyze()
        write = checkpoints.write
        with mock.patch.object(checkpoints, "write", lambda batch: write(batch, skip_locked=True)):
            self.assert_by_index()

    def assert_by_index(self) -> None:
        """No plan reads a big table from one end to the other, and none was chosen by a hair."""
        with explained(*BIG) as plans:
            Units().measured(lambda unit, count, act: act())
        self.assertGreater(len(plans), 30)
        for sql, plan in plans.items():
            with self.subTest(sql=sql):
                self.assertNotRegex(plan.text, f"Seq Scan on ({'|'.join(BIG)})")
                if plan.reads(BIG):
                    self.assertLess(1.5 * plan.cost, plan.by_scan, plan.text)

    @pytest.mark.only_on("postgresql")
    def test_a_list_reads_no_more_than_it_counts_and_shows(self) -> None:
        define()
        fill.analyze()
        self.client.force_login(get_user_model().objects.create_superuser("root"))
        for address in lists():
            with self.subTest(address):
                with reads() as read:
                    self.assertEqual(self.client.get(address).status_code, 200)
                for table in BIG:
                    self.assertLessEqual(read.amounts.get(table, 0), LISTED, table)


def read_by_each() -> dict[str, float]:
    """What one of each unit reads: rows on PostgreSQL, instructions on SQLite."""
    found: dict[str, float] = {}

    def measure(unit: str, count: int, act: Callable[[], object]) -> None:
        with reads() as read:
            act()
        found[unit] = sum(read.amounts.values()) / count

    Units().measured(measure)
    return found


def lists() -> list[str]:
    """The first pages of the lists of the admin and of REST, plain and filtered."""
    filters = ("", "status=waiting", "status=paused", "workflow=event", "queue=default")
    both = [reverse("admin:durable_execution_changelist"), reverse("durable:executions")]
    return [
        *(f"{one}?{query}" for one in both for query in filters),
        reverse("admin:durable_input_changelist"),
        reverse("admin:durable_event_changelist"),
        reverse("durable:inputs"),
        reverse("durable:events"),
    ]
