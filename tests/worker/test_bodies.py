"""Whatever a step's body does, the worker lives, and the next one finds everything in order."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

import durable
from durable import Data, Workflow, step
from durable.testing import worker
from tests.shop.models import Effect
from tests.worker.cases import WorkerTestCase, on_postgres


class Unspeakable(Exception):
    """An exception that can't be shown."""

    def __str__(self) -> str:
        raise RuntimeError("not even that")

    __repr__ = __str__


def leave() -> None:
    """End the process, or so it thinks."""
    sys.exit(3)


def interrupt() -> None:
    """As Ctrl-C does."""
    raise KeyboardInterrupt


def exhaust() -> None:
    """As a machine without memory does."""
    raise MemoryError


def unspeakable() -> None:
    """Raise what can't be shown."""
    raise Unspeakable


def generator_exit() -> None:
    """Raise what only the interpreter should."""
    raise GeneratorExit


def open_transaction() -> None:
    """Begin what it does not end."""
    transaction.atomic().__enter__()
    Effect.objects.create(key="left open")


def open_by_hand() -> None:
    """Begin on the driver's own connection."""
    connection.ensure_connection()
    connection.connection.execute("BEGIN")
    Effect.objects.create(key="left open")


def autocommit_off() -> None:
    """Switch autocommit off."""
    transaction.set_autocommit(False)
    Effect.objects.create(key="left open")


def close() -> None:
    """Close the connection that the worker lent it."""
    Effect.objects.count()
    connection.close()


def close_raw() -> None:
    """Close it behind Django's back."""
    Effect.objects.count()
    connection.connection.close()


def commit_by_hand() -> None:
    """End the transaction that it runs in."""
    Effect.objects.create(key="committed")
    connection.connection.commit()


def leave_threads() -> None:
    """Leave a thread behind."""
    threading.Thread(target=threading.Event().wait, args=(1,), daemon=True).start()


def change_environment() -> None:
    """Change what all steps of the process share."""
    os.environ["DURABLE_TEST_TOUCHED"] = "yes"


def deep() -> None:
    """Recurse without end."""
    deep()


class Bodies(WorkerTestCase):
    """One worker, one slot; after each body another execution must find a sane connection."""

    def _run(self, body: Callable[[], object], *, atomic: bool) -> tuple[Any, Any]:
        class Odd(Workflow):
            @step(atomic=atomic)
            def only(self, data: Data) -> None:
                body()

        class Plain(Workflow):
            @step
            def write(self, data: Data) -> None:
                Effect.objects.create(key=f"plain:{self.id}")

            @step(atomic=False)
            def look(self, data: Data) -> Data:
                return {
                    "autocommit": connection.get_autocommit(),
                    "in_transaction": connection.in_atomic_block,
                }

        odd, plain = durable.start(Odd), durable.start(Plain)
        self.finished(odd, plain)
        self.assertEqual(plain.status, "completed", plain.error)
        self.assertEqual(plain.data, {"autocommit": True, "in_transaction": False})
        self.assertEqual(Effect.objects.filter(key=f"plain:{plain.pk}").count(), 1)
        self.assertIsNone(odd.worker)
        return odd, plain

    def assertEach(self, bodies: dict[Callable[[], object], str], *, atomic: bool) -> None:
        """Each body fails with this type of error, or completes where none is given."""
        with worker(concurrency=1):
            for body, error in bodies.items():
                with self.subTest(body=body.__name__, atomic=atomic):
                    odd, _ = self._run(body, atomic=atomic)
                    if error:
                        self.assertEqual(odd.status, "failed")
                        self.assertIn(odd.error["type"], error.split("|"), odd.error)
                    else:
                        self.assertEqual(odd.status, "completed", odd.error)
        self.assertFalse(Effect.objects.filter(key="left open").exists())

    def test_what_a_body_raises_fails_its_step_and_nothing_else(self) -> None:
        bodies = {
            leave: "SystemExit",
            interrupt: "KeyboardInterrupt",
            exhaust: "MemoryError",
            unspeakable: "Unspeakable",
            generator_exit: "GeneratorExit",
            deep: "RecursionError",
        }
        for atomic in (True, False):
            self.assertEach(bodies, atomic=atomic)

    def test_what_a_body_leaves_of_its_connection_is_put_right(self) -> None:
        plain = {
            open_transaction: "TransactionEnded",
            open_by_hand: "TransactionEnded",
            autocommit_off: "TransactionEnded",
            close: "",
            leave_threads: "",
            change_environment: "",
        }
        self.addCleanup(os.environ.pop, "DURABLE_TEST_TOUCHED", None)
        self.assertEach(plain, atomic=False)
        atomic = {
            autocommit_off: "TransactionManagementError",
            close: "TransactionBroken|TransactionEnded|ProgrammingError",
            leave_threads: "",
            change_environment: "",
        }
        self.assertEach(atomic, atomic=True)

    def test_a_connection_closed_behind_djangos_back_is_replaced(self) -> None:
        with worker(concurrency=1):
            for atomic in (True, False):
                with self.subTest(atomic=atomic):
                    self._run(close_raw, atomic=atomic)

    def test_a_transaction_that_the_body_commits_itself_fails_the_step(self) -> None:
        with worker(concurrency=1):
            odd, _ = self._run(commit_by_hand, atomic=True)
        self.assertEqual(odd.error["type"], "TransactionEnded")

    def test_an_async_body_that_exits_does_not_take_the_event_loop_along(self) -> None:
        class Odd(Workflow):
            @step
            async def only(self, data: Data) -> None:
                if data["how"] == "exit":
                    sys.exit(3)
                if data["how"] == "interrupt":
                    raise KeyboardInterrupt
                if data["how"] == "task":
                    await asyncio.gather(asyncio.ensure_future(leaving()))

        async def leaving() -> None:
            sys.exit(4)

        with worker(concurrency=1):
            self.assertFails(durable.start(Odd, {"how": "exit"}), "SystemExit")
            self.assertFails(durable.start(Odd, {"how": "interrupt"}), "KeyboardInterrupt")
            self.assertFails(durable.start(Odd, {"how": "task"}), "SystemExit")
            self.assertCompleted(durable.start(Odd, {"how": "well"}))

    @pytest.mark.only_on("postgresql")
    def test_a_fork_that_a_body_forgets_to_end_writes_nothing(self) -> None:
        def fork() -> None:
            Effect.objects.create(key="forked")
            pid = os.fork()
            if pid:
                os.waitpid(pid, 0)

        with worker(concurrency=1):
            odd, _ = self._run(fork, atomic=True)
        self.assertEqual(odd.status, "completed", odd.error)
        self.assertEqual(odd.steps.count(), 1)
        self.assertEqual(Effect.objects.filter(key="forked").count(), 1)
        self.assertTrue(on_postgres())
