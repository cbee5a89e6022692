"""The same call twice, or at the same moment, is one execution and one event."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from unittest import mock

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection, transaction

import durable
from durable import Data, Workflow, step
from durable.engine.start import start as start_module
from durable.models import AuditEntry, Event, Execution
from durable.testing import drain
from tests.cases import (
    PATIENCE,
    ThreadedTestCase,
    WorkflowTestCase,
    blocked_by_a_lock,
    elsewhere,
    open_transaction,
    together,
    until,
)

RACES = 15


def define() -> tuple[type[Workflow], type[Workflow]]:
    class First(Workflow):
        @step
        def only(self, data: Data) -> Data:
            return {"payload": self.wait_for_event("go")}

    class Second(Workflow):
        @step
        def only(self, data: Data) -> None: ...

    return First, Second


class StartTests(WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.first, self.second = define()

    def test_starting_again_returns_the_first_execution(self) -> None:
        one = durable.start(self.first, {"n": 1}, idempotency_key="k")
        two = durable.start("first", {"n": 1}, idempotency_key="k", priority=3)
        self.assertEqual(one.pk, two.pk)
        self.assertTrue(one.created)
        self.assertFalse(two.created)
        self.assertEqual(two.input, {"n": 1})
        self.assertEqual(Execution.objects.count(), 1)

    def test_it_returns_the_first_one_when_that_is_long_finished(self) -> None:
        one = durable.start(self.second, {}, idempotency_key="k")
        drain()
        again = durable.start(self.second, {}, idempotency_key="k")
        self.assertEqual((again.pk, again.status, again.created), (one.pk, "completed", False))

    def test_another_input_is_a_conflict_that_names_key_and_execution(self) -> None:
        one = durable.start(self.first, {"n": 1}, idempotency_key="k-7")
        for other in ({"n": 2}, {}, {"n": 1, "m": None}, {"n": True}, {"n": 1.0}, {"n": "1"}):
            with self.subTest(other=other):
                with self.assertRaises(durable.IdempotencyConflict) as caught:
                    durable.start(self.first, other, idempotency_key="k-7")
                for word in ("k-7", "first", str(one.pk)):
                    self.assertIn(word, str(caught.exception))
        self.assertEqual(Execution.objects.count(), 1)

    def test_the_order_of_keys_in_the_input_is_no_difference(self) -> None:
        durable.start(self.first, {"a": 1, "b": {"c": [2], "d": (3,)}}, idempotency_key="k")
        again = durable.start(self.first, {"b": {"d": (3,), "c": [2]}, "a": 1}, idempotency_key="k")
        self.assertFalse(again.created)

    def test_the_key_is_of_one_workflow(self) -> None:
        one = durable.start(self.first, {}, idempotency_key="k")
        two = durable.start(self.second, {}, idempotency_key="k")
        self.assertNotEqual(one.pk, two.pk)

    def test_a_repeated_start_is_not_audited_twice_and_adds_no_keys(self) -> None:
        kim = User.objects.create_user("kim")
        for _ in range(2):
            durable.start(self.first, {}, idempotency_key="k", by=kim, keys=["a"])
        self.assertEqual(AuditEntry.objects.count(), 1)

    def test_whoever_asks_again_gets_the_first_whatever_its_key_would_be_by_now(self) -> None:
        class Keyed(Workflow):
            class Meta:
                key = staticmethod(lambda input: keys.pop())

            @step
            def only(self, data: Data) -> None: ...

        keys = ["a"]
        one = durable.start(Keyed, {}, idempotency_key="k")
        again = durable.start(Keyed, {}, idempotency_key="k")
        self.assertEqual((again.pk, again.created), (one.pk, False))
        with self.assertRaisesMessage(durable.DurableError, "Meta.key"):
            durable.start(Keyed, {}, idempotency_key="other")

    def test_a_conflict_in_a_transaction_leaves_it_usable(self) -> None:
        durable.start(self.first, {"n": 1}, idempotency_key="k")
        with transaction.atomic():
            with self.assertRaises(durable.IdempotencyConflict):
                durable.start(self.first, {"n": 2}, idempotency_key="k")
            durable.start(self.second)
        self.assertEqual(Execution.objects.count(), 2)


class EventTests(WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.execution = durable.start(define()[0], {})

    def test_an_event_sent_again_is_the_first_one(self) -> None:
        send = lambda: durable.send_event(  # noqa: E731
            self.execution.id, "go", {"n": 1}, event_id="e"
        )
        one, two = send(), send()
        self.assertEqual((one.pk, one.created, two.created), (two.pk, True, False))
        drain()
        self.execution.refresh_from_db()
        self.assertEqual(self.execution.result, {"payload": {"n": 1}})
        self.assertEqual(send().pk, one.pk)  # even though the execution is finished

    def test_another_event_under_the_id_is_a_conflict(self) -> None:
        durable.send_event(self.execution.id, "go", {"n": 1}, event_id="e")
        for name, payload in (("go", {"n": 2}), ("other", {"n": 1}), ("go", {"n": True})):
            with self.subTest(name=name, payload=payload):
                with self.assertRaises(durable.IdempotencyConflict) as caught:
                    durable.send_event(self.execution.id, name, payload, event_id="e")
                self.assertIn("'e'", str(caught.exception))
        self.assertEqual(Event.objects.count(), 1)

    def test_the_id_is_of_one_execution(self) -> None:
        other = durable.start("first", {})
        one = durable.send_event(self.execution.id, "go", event_id="e")
        two = durable.send_event(other.id, "go", event_id="e")
        self.assertNotEqual(one.pk, two.pk)

    def test_a_published_event_is_published_once(self) -> None:
        publish: Any = lambda **o: durable.publish_event("go", 1, event_id="e", **o)  # noqa: E731
        one, two = publish(key="k"), publish(key="k")
        self.assertEqual((one.pk, two.created), (two.pk, False))
        with self.assertRaises(durable.IdempotencyConflict):
            publish(key="other")
        with self.assertRaises(durable.IdempotencyConflict):
            publish()


class RaceTests(ThreadedTestCase):
    """Two connections at the same moment."""

    def test_one_whose_rival_was_removed_meanwhile_is_tried_again(self) -> None:
        first, _ = define()
        durable.start(first, {}, idempotency_key="k")
        look, looked = start_module._started_before, list[int]()

        def removed(*args: Any) -> Execution | None:
            looked.append(1)
            if len(looked) == 1:
                Execution.objects.all().delete()
            return look(*args)

        with mock.patch.object(start_module, "_started_before", removed):
            execution = durable.start(first, {}, idempotency_key="k")
        self.assertEqual((execution.created, len(looked)), (True, 1))
        self.assertEqual(Execution.objects.get().pk, execution.pk)

    def test_two_starts_with_one_key_are_one_execution(self) -> None:
        define()
        for number in range(RACES):
            start = lambda n=number: durable.start("first", {"n": n}, idempotency_key=f"k{n}")  # noqa: E731
            found = together(start, start, start)
            self.assertEqual(len({one.pk for one in found}), 1, found)
            self.assertEqual(sorted(one.created for one in found), [False, False, True])
        self.assertEqual(Execution.objects.count(), RACES)

    def test_two_starts_with_one_key_and_other_input_are_one_execution_and_one_conflict(
        self,
    ) -> None:
        define()
        for number in range(RACES):
            found = together(
                lambda n=number: durable.start("first", {"n": n}, idempotency_key=f"k{n}"),
                lambda n=number: durable.start("first", {"n": -1}, idempotency_key=f"k{n}"),
            )
            kinds = sorted(type(one).__name__ for one in found)
            self.assertEqual(kinds, ["Execution", "IdempotencyConflict"])

    def test_two_events_with_one_id_are_one_event(self) -> None:
        define()
        execution = durable.start("first", {})
        for number in range(RACES):
            send = lambda n=number: durable.send_event(execution.id, "go", n, event_id=f"e{n}")  # noqa: E731
            found = together(send, send)
            self.assertEqual(len({one.pk for one in found}), 1, found)
        self.assertEqual(Event.objects.count(), RACES)

    @pytest.mark.only_on("postgresql")
    def test_who_loses_the_race_inside_a_transaction_may_go_on_with_it(self) -> None:
        define()

        def second() -> list[Execution]:
            with transaction.atomic():
                again = durable.start("first", {}, idempotency_key="k")
                return [again, durable.start("second", {})]

        with elsewhere() as other, elsewhere() as third:
            with open_transaction(other):
                first = other(lambda: durable.start("first", {}, idempotency_key="k"))
                waiting = third.begin(second)  # its INSERT waits for the commit over there
                until(lambda: blocked_by_a_lock() == 1)
            again, more = waiting.result(PATIENCE)
        self.assertEqual((again.pk, again.created), (first.pk, False))
        self.assertEqual(Execution.objects.get(pk=more.pk).status, "pending")


@pytest.mark.only_on("postgresql")
class IsolationTests(ThreadedTestCase):
    """Above READ COMMITTED who comes second can't see the first: the snapshot is older."""

    LEVELS = ("REPEATABLE READ", "SERIALIZABLE")

    def calls(self) -> dict[str, Callable[[str], Any]]:
        define()
        execution = durable.start("first")
        return {
            "start": lambda key: durable.start("first", {}, idempotency_key=key),
            "send": lambda key: durable.send_event(execution.id, "go", 1, event_id=key),
            "publish": lambda key: durable.publish_event("go", 1, event_id=key),
            "schedule": lambda key: durable.schedule("first", "0 9 * * *", name=key),
        }

    def test_a_call_of_its_own_is_repeated_and_gets_the_first(self) -> None:
        for level in self.LEVELS:
            for name, call in self.calls().items():
                with self.subTest(level=level, call=name), elsewhere() as one, elsewhere() as two:
                    two(partial(by_default, level))
                    with open_transaction(one):
                        first = one(partial(call, level))
                        second = two.begin(partial(call, level))  # its INSERT waits for the commit
                        until(lambda: blocked_by_a_lock() == 1)
                    self.assertEqual(second.result(PATIENCE).pk, first.pk)

    def test_who_has_a_transaction_open_is_told_to_run_it_again(self) -> None:
        for level in self.LEVELS:
            for name, call in self.calls().items():
                with (
                    self.subTest(level=level, call=name),
                    elsewhere() as other,
                    transaction.atomic(),
                ):
                    with connection.cursor() as cursor:
                        cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
                    Execution.objects.count()  # the snapshot is taken here
                    other(partial(call, level))
                    with self.assertRaisesRegex(OperationalError, "run the transaction again"):
                        call(level)
                    Execution.objects.count()  # and it may go on, if it likes


def by_default(level: str) -> None:
    """Let every transaction of this connection have this isolation."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {level}")
