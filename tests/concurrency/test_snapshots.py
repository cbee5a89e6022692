"""Above READ COMMITTED: a call does right, or says that the transaction is to be run again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest
from django.db import connection, transaction

import durable
from durable import Data, DurableError, Fail, Workflow, chain, foreach, step
from durable.engine.duties import inline
from durable.engine.duties.inline import InlineSession
from durable.engine.operators import queues
from durable.engine.run.claim import claim_due
from durable.engine.run.runner import run as run_claim
from durable.models import Execution
from durable.models.fields import uuid7
from durable.storage.transaction import is_retriable
from durable.testing import drain
from tests.cases import (
    PATIENCE,
    ThreadedTestCase,
    blocked_by_a_lock,
    elsewhere,
    open_transaction,
    until,
)
from tests.concurrency import matrix
from tests.concurrency.interleave import Opponent, opponent

LEVELS = ("REPEATABLE READ", "SERIALIZABLE")

#: what a transaction does whose snapshot is older than what another has committed
CALLS: Mapping[str, Callable[[matrix.World], Any]] = {
    **{name: call for name, call in matrix.CALLS.items() if name not in matrix.DUTIES},
    "compensate": lambda world: durable.compensate(world.root),
    "schedule": lambda world: durable.schedule("ask", "0 9 * * *", name="daily"),
    "unschedule": lambda world: durable.unschedule("daily"),
    "enable_schedule": lambda world: durable.enable_schedule("daily"),
    "disable_schedule": lambda world: durable.disable_schedule("daily"),
    "trigger_schedule": lambda world: durable.trigger_schedule("daily"),
    "pause_queue": lambda world: queues.pause_queue("q", by=None),
    "resume_queue": lambda world: queues.resume_queue("q", by=None),
    "limit_queue": lambda world: queues.limit_queue("q", 3, by=None),
}

#: a situation, a call, and what another commits once the call's snapshot is taken
CELLS = (
    ("asking", "provide_input", "provide_input"),
    ("asking", "provide_input", "cancel"),
    ("new", "provide_input", "drain"),
    ("answered", "reassign", "drain"),
    ("hearing", "send_event", "cancel and prune"),
    ("hearing", "send_event", "cancel"),
    ("sent", "cancel", "drain"),
    ("sent", "undo", "drain"),
    ("sent", "pause", "drain"),
    ("paused", "resume", "resume"),
    ("failed", "retry", "retry and go on"),
    ("failed", "retry", "cancel and prune"),
    ("failed", "rerun", "prune"),
    ("items retried", "cancel", "work"),
    ("items retried", "pause", "work"),
    ("branches failed", "retry", "retry and go on"),
    ("parent of a child", "cancel", "provide the child's input"),
    ("published", "publish_event", "drain"),
    ("asking", "start", "start"),
    ("asking", "schedule", "schedule"),
    ("asking", "trigger_schedule", "schedule"),
    ("asking", "pause_queue", "limit_queue"),
    ("scheduled", "trigger_schedule", "trigger_schedule"),
    ("scheduled", "unschedule", "trigger_schedule"),
    ("scheduled", "trigger_schedule", "unschedule"),
    ("scheduled", "disable_schedule", "enable_schedule"),
    ("scheduled", "schedule", "unschedule"),
)


def scheduled() -> matrix.World:
    """An execution that asks, and a schedule."""
    durable.schedule("ask", "0 9 * * *", name="daily")
    return matrix.SITUATIONS["asking"]()


def childs_input(world: matrix.World) -> Any:
    """The child (or who has none) gets its answer, and goes on."""
    durable.provide_input(world.child or world.root, "ask", "x")
    drain()


SITUATIONS = {**matrix.SITUATIONS, "scheduled": scheduled}
ACTS = {**matrix.ACTS, **CALLS, "provide the child's input": childs_input}


def attempt(other: Opponent, level: str, names: tuple[str, str, str]) -> list[str]:
    """What goes wrong in one cell."""
    situation, call, act = names
    matrix.clean()
    world = SITUATIONS[situation]()
    wrong, error, acted = [], None, None
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
            Execution.objects.count()  # the snapshot is taken here
            acted = other.act(lambda: ACTS[act](world))
            CALLS[call](world)
    except Exception as raised:
        error = raised
    if not (error is None or isinstance(error, DurableError) or is_retriable(error)):
        wrong.append(f"the call raised {type(error).__name__}: {error}")
    if not (acted is None or isinstance(acted, DurableError)):
        wrong.append(f"the act raised {type(acted).__name__}: {acted}")
    wrong += matrix.stuck()
    return [f"{level}: {situation}: {act} before {call}: {fault}" for fault in wrong]


@pytest.mark.only_on("postgresql")
class SnapshotTests(ThreadedTestCase):
    """A caller's transaction whose snapshot is older than what another has committed."""

    def test_a_call_does_right_or_is_to_be_run_again(self) -> None:
        matrix.define()
        with opponent() as other:
            for number, names in enumerate(CELLS):
                with self.subTest(names):
                    self.assertEqual(attempt(other, LEVELS[number % 2], names), [])

    def test_every_call_is_tried(self) -> None:
        self.assertLessEqual({call for _, call, _ in CELLS}, set(CALLS))


@pytest.mark.only_on("postgresql")
class StrictDatabaseTests(ThreadedTestCase):
    """Where ``DATABASES`` asks for REPEATABLE READ the engine decides on what is committed."""

    def test_max_failures_counts_items_that_fail_at_the_same_moment(self) -> None:
        class Each(Workflow):
            @step
            def one(self, data: Data, item: int, index: int) -> int:
                if item < 2:
                    raise Fail("broken")
                return item

            flow = chain(
                foreach(
                    "items",
                    one,
                    concurrency=2,
                    on_error="continue",
                    max_failures=1,
                    collect_as="results",
                )
            )

        execution = durable.start("each", {"items": list(range(10))})
        inline.work(1)
        first, second = claim_due(uuid7(), "default", [execution.kind], 9)
        with strict(), elsewhere() as one, elsewhere() as two:
            two(lambda: Execution.objects.count())
            with open_transaction(one):
                one(lambda: run_claim(first, InlineSession()))
                failing = two.begin(lambda: run_claim(second, InlineSession()))
                until(lambda: failing.done() or blocked_by_a_lock())
            failing.result(PATIENCE)
        drain()
        execution.refresh_from_db()
        self.assertEqual(execution.status, "failed")
        done = execution.children.filter(status="completed").count()
        self.assertLessEqual(done, 1)  # the one that got its turn from the first failure

    def test_what_the_engine_does_by_itself_is_in_read_committed(self) -> None:
        from durable.storage.transaction import in_callers_transaction, in_transaction

        def level() -> str:
            with connection.cursor() as cursor:
                cursor.execute("SHOW transaction_isolation")
                return str(cursor.fetchone()[0])

        with strict(), elsewhere() as other:
            for kind in (in_transaction, in_callers_transaction):
                self.assertEqual(other(kind(level)), "read committed")
            with open_transaction(other):
                self.assertEqual(other(in_transaction(level)), "repeatable read")


@contextmanager
def strict() -> Iterator[None]:
    """Within, new connections are in REPEATABLE READ."""
    from psycopg import IsolationLevel

    options = connection.settings_dict["OPTIONS"]
    with mock.patch.dict(options, {"isolation_level": IsolationLevel.REPEATABLE_READ}):
        yield
