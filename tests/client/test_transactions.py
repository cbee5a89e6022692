"""Every call joins the caller's transaction: rolled back, it leaves nothing; refused, no harm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

import durable
from durable import Data, Workflow, hours, step
from durable.models import AuditEntry, CorrelationKey, Event, Execution, Wait
from durable.testing import assert_completed, drain, run
from tests.cases import ThreadedTestCase, elsewhere
from tests.shop.models import Note


class Undo(Exception):
    """Rolls a transaction back."""


def define() -> type[Workflow]:
    class Asking(Workflow):
        @step
        def ask(self, data: Data) -> Data:
            if data.get("fail"):
                raise ValueError
            if data.get("event"):
                return {"got": self.wait_for_event("go")}
            return {"got": self.wait_for_text("q")}

    return Asking


class JoiningTests(ThreadedTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.workflow = define()

    def snapshot(self) -> list[Any]:
        tables = (Execution, Event, Wait, AuditEntry, CorrelationKey)
        return [list(table.objects.order_by("pk").values()) for table in tables]

    def calls(self) -> dict[str, Callable[[], Any]]:
        waiting = run(self.workflow)
        paused = run(self.workflow)
        durable.pause(paused.id)
        failed = run(self.workflow, {"fail": True})
        return {
            "start": lambda: durable.start(self.workflow, keys=["k"], idempotency_key="i"),
            "start_many": lambda: durable.start_many(self.workflow, [{}, {}]),
            "cancel": lambda: durable.cancel(waiting.id),
            "send_event": lambda: durable.send_event(waiting.id, "go", event_id="e"),
            "publish_event": lambda: durable.publish_event("go", key="k", event_id="e"),
            "provide_input": lambda: durable.provide_input(waiting.id, "q", "x"),
            "reassign": lambda: durable.reassign(waiting.id, "q", to="user:kim"),
            "pause": lambda: durable.pause(waiting.id),
            "resume": lambda: durable.resume(paused.id),
            "retry": lambda: durable.retry(failed.id),
            "rerun": lambda: durable.rerun(failed.id),
        }

    def test_rolled_back_with_the_caller_it_leaves_nothing(self) -> None:
        for name, call in self.calls().items():
            with self.subTest(name):
                before = self.snapshot()
                with pytest.raises(Undo), transaction.atomic():
                    call()
                    self.assertNotEqual(self.snapshot(), before)
                    raise Undo
                self.assertEqual(self.snapshot(), before)

    def test_committed_with_the_caller_it_is_there(self) -> None:
        for name, call in self.calls().items():
            with self.subTest(name):
                before = self.snapshot()
                with transaction.atomic():
                    call()
                self.assertNotEqual(self.snapshot(), before)

    def test_others_see_it_only_after_the_commit(self) -> None:
        with elsewhere() as other, transaction.atomic():
            durable.start(self.workflow, queue="unseen")
            if connection.vendor == "postgresql":
                self.assertEqual(other(lambda: durable.list_executions(queue="unseen").count()), 0)
        self.assertEqual(durable.list_executions(queue="unseen").count(), 1)

    def test_outside_a_transaction_each_call_is_one_of_its_own(self) -> None:
        for name, call in self.calls().items():
            with self.subTest(name):
                self.assertTrue(connection.get_autocommit())
                before = self.snapshot()
                call()
                self.assertFalse(connection.in_atomic_block)
                with elsewhere() as other:
                    self.assertNotEqual(other(self.snapshot), before)

    def test_a_refused_call_leaves_the_caller_s_transaction_usable(self) -> None:
        execution = run(self.workflow)
        done = durable.cancel(durable.start(self.workflow).id)
        durable.start(self.workflow, idempotency_key="i")
        durable.send_event(execution.id, "go", event_id="e")
        refused: list[Callable[[], Any]] = [
            lambda: durable.start(self.workflow, {"n": 1}, idempotency_key="i"),
            lambda: durable.start(self.workflow, {"n": object()}),
            lambda: durable.start_many(self.workflow, [{"n": object()}]),
            lambda: durable.cancel(done.id),
            lambda: durable.send_event(execution.id, "other", event_id="e"),
            lambda: durable.send_event(done.id, "go"),
            lambda: durable.publish_event(""),
            lambda: durable.provide_input(execution.id, "q", ""),
            lambda: durable.provide_input(execution.id, "none", "x"),
            lambda: durable.reassign(execution.id, "q", to="nobody"),
            lambda: durable.pause(done.id),
            lambda: durable.resume(execution.id),
            lambda: durable.retry(execution.id),
            lambda: durable.rerun(execution.id),
        ]
        before = self.snapshot()
        with transaction.atomic():
            for number, call in enumerate(refused):
                with self.assertRaises(durable.DurableError):
                    call()
                Note.objects.create(text=str(number))
        self.assertEqual(Note.objects.count(), len(refused))
        self.assertEqual(self.snapshot(), before)

    def test_a_step_that_starts_another_and_fails_has_started_nothing(self) -> None:
        class Starting(Workflow):
            @step
            def only(self, data: Data) -> None:
                durable.start("asking", queue="child")
                raise ValueError

        self.assertEqual(run(Starting).status, "failed")
        self.assertFalse(durable.list_executions(queue="child").exists())

    @pytest.mark.only_on("postgresql")
    def test_a_caller_in_repeatable_read_can_t_miss_a_wait(self) -> None:
        execution = durable.start(self.workflow, {"event": True})
        with elsewhere() as other:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                self.assertFalse(Wait.objects.exists())  # the snapshot is taken here
                other(drain)  # parks over there; this transaction can't see it
                self.assertFalse(Wait.objects.exists())
                durable.send_event(execution.id, "go", 7)
            self.assertEqual(Wait.objects.get().status, "open")
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": 7})

    @pytest.mark.only_on("postgresql")
    def test_published_events_of_a_repeatable_read_caller_find_their_execution(self) -> None:
        with elsewhere() as other:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                self.assertFalse(Execution.objects.exists())
                other(lambda: run(self.workflow, {"event": True}, keys=["k"]))
                durable.publish_event("go", 7, key="k")
        drain()
        self.assertEqual(Execution.objects.get().result, {"got": 7})

    def test_on_commit_hooks_of_the_caller_see_the_execution(self) -> None:
        seen = []
        with transaction.atomic():
            execution = durable.start(self.workflow, delay=hours(1))
            transaction.on_commit(lambda: seen.append(durable.get_execution(execution.id)))
        self.assertEqual(seen, [execution])
