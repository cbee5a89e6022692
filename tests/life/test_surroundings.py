"""What one step activates or sets does not reach another, in any order of threads and loops."""

from __future__ import annotations

import decimal
from collections.abc import Iterable
from contextvars import ContextVar
from itertools import permutations
from typing import Any, ClassVar

from django.conf import settings
from django.core.cache import caches
from django.db import transaction
from django.test import override_settings
from django.utils import timezone, translation

import durable
from durable import Data, Workflow, branch, chain, foreach, parallel, repeat, step
from durable.testing import drain, worker
from tests.cases import WorkflowTestCase
from tests.worker.cases import FAST, WorkerTestCase

TENANT: ContextVar[str] = ContextVar("tenant", default="nobody")
DEFAULTS = ("UTC", "en-us", "nobody", 28)


def seen() -> tuple[str, str, str, int]:
    """The surroundings as they are here."""
    zone = timezone.get_current_timezone_name()
    return zone, translation.get_language() or "", TENANT.get(), decimal.getcontext().prec


def soil() -> None:
    """Leave traces in all of them."""
    timezone.activate("Asia/Tokyo")
    translation.activate("de")
    TENANT.set("acme")
    decimal.getcontext().prec = 5


class Ledger:
    """What was seen, in the order in which it was."""

    found: ClassVar[list[tuple[str, tuple[str, str, str, int]]]] = []

    @classmethod
    def look(cls, where: str) -> None:
        cls.found.append((where, seen()))
        soil()


def define() -> dict[str, type[Workflow]]:
    """A workflow for each kind of code of the user's that a worker calls."""

    class Plain(Workflow):
        @step
        def plain(self, data: Data) -> None:
            Ledger.look("plain")

    class Bare(Workflow):
        @step(atomic=False)
        def bare(self, data: Data) -> None:
            Ledger.look("bare")

    class Coroutine(Workflow):
        @step(atomic=False)
        async def coroutine(self, data: Data) -> None:
            Ledger.look("coroutine")

    class Failing(Workflow):
        @step(retry=durable.Retry(max_attempts=2))
        def failing(self, data: Data) -> None:
            Ledger.look("failing")
            raise ValueError("again")

    class Undone(Workflow):
        @step
        def done(self, data: Data) -> None:
            Ledger.look("done")

        @done.compensate
        def undo(self, data: Data) -> None:
            Ledger.look("undo")

        @step
        def fails(self, data: Data) -> None:
            Ledger.look("fails")
            raise durable.Fail("no")

    return {cls.__name__: cls for cls in (Plain, Bare, Coroutine, Failing, Undone)}


def define_flow() -> type[Workflow]:
    """Callables of the flow between steps that leave traces."""

    class Flow(Workflow):
        class Meta:
            @staticmethod
            def key(data: Data) -> str:
                Ledger.look("key")
                return "k"

        def choose(self, data: Data) -> bool:
            Ledger.look("on")
            return True

        def many(self, data: Data) -> Iterable[int]:
            Ledger.look("items")
            yield 1
            yield 2

        def enough(self, data: Data) -> bool:
            Ledger.look("until")
            return True

        def joined(self, data: Data, results: Any) -> Data:
            Ledger.look("merge")
            return data

        @step
        def one(self, data: Data) -> None:
            Ledger.look("one")

        @step
        def two(self, data: Data) -> None:
            Ledger.look("two")

        @step
        def third(self, data: Data) -> None:
            Ledger.look("third")

        @step
        def each(self, data: Data, item: int, index: int) -> None:
            Ledger.look("each")

        @step
        def again(self, data: Data) -> None:
            Ledger.look("again")

        flow = chain(
            branch(on=choose, cases={True: one}),
            parallel(left=two, right=third, merge=joined),
            foreach(many, each),
            repeat(again, until=enough),
        )

    return Flow


class SurroundingsTests(WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()
        Ledger.found.clear()
        self.addCleanup(timezone.deactivate)
        self.addCleanup(translation.deactivate)

    def assertUntouched(self) -> None:
        self.assertTrue(Ledger.found)
        for where, found in Ledger.found:
            with self.subTest(where):
                self.assertEqual(found, DEFAULTS)

    def test_a_step_begins_in_djangos_defaults_whatever_ran_before_it(self) -> None:
        flows = define()
        for order in permutations(flows, 2):
            for name in order:
                durable.start(flows[name])
            drain()
            with self.subTest(order):
                self.assertUntouched()

    def test_what_a_step_sets_does_not_reach_the_test_and_the_tests_not_the_step(self) -> None:
        timezone.activate("America/Lima")
        translation.activate("fr")
        for flow in define().values():
            durable.start(flow)
        drain()
        self.assertUntouched()
        self.assertEqual(seen(), ("America/Lima", "fr", "nobody", 28))

    def test_the_callables_of_a_flow_begin_in_djangos_defaults_too(self) -> None:
        execution = durable.start(define_flow())
        drain()
        execution.refresh_from_db()
        self.assertEqual(execution.status, "completed", execution.error)
        self.assertUntouched()
        self.assertEqual(
            {where for where, _ in Ledger.found},
            {"key", "on", "one", "two", "third", "merge", "items", "each", "again", "until"},
        )
        self.assertEqual(seen(), DEFAULTS)

    def test_a_hook_of_a_step_leaves_nothing_behind(self) -> None:
        class Hooked(Workflow):
            @step
            def first(self, data: Data) -> None:
                transaction.on_commit(lambda: Ledger.look("hook"))

            @step
            def second(self, data: Data) -> None:
                Ledger.look("second")

        durable.start(Hooked)
        drain()
        self.assertUntouched()
        self.assertEqual(seen(), DEFAULTS)

    @override_settings(TIME_ZONE="Europe/Berlin", LANGUAGE_CODE="pt-br")
    def test_the_defaults_are_those_of_the_settings(self) -> None:
        durable.start(define()["Plain"])
        drain()
        (_, found), *_ = Ledger.found
        self.assertEqual(found[:2], (settings.TIME_ZONE, settings.LANGUAGE_CODE))


class WorkerSurroundingsTests(WorkerTestCase):
    durable_settings: ClassVar[dict[str, Any]] = {**FAST, "QUEUES": {"default": 1}}

    def test_steps_of_one_slot_do_not_leak_into_each_other(self) -> None:
        Ledger.found.clear()
        flows = define()
        executions = [
            durable.start(flows[name])
            for name in (*flows, *flows)
            if name in ("Plain", "Bare", "Coroutine")
        ]
        with worker(concurrency=1):
            self.assertCompleted(*executions)
        self.assertEqual([found for _, found in Ledger.found], [DEFAULTS] * len(executions))

    def test_steps_of_one_slot_share_the_clients_of_the_caches(self) -> None:
        clients: list[Any] = []

        class Caching(Workflow):
            @step
            def one(self, data: Data) -> None:
                clients.append(caches["default"])

            @step(atomic=False)
            def two(self, data: Data) -> None:
                clients.append(caches["default"])

        executions = [durable.start(Caching) for _ in range(2)]
        with worker(concurrency=1):
            self.assertCompleted(*executions)
        self.assertEqual(len(clients), 4)
        self.assertEqual(len(set(map(id, clients))), 1, clients)
