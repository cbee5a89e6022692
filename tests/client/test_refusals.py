"""Huge and odd payloads are refused alike at every door, on every database; nothing is stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User

import durable
from durable import Data, Workflow, step
from durable.models import AuditEntry, Event, Execution
from durable.testing import run
from tests.cases import WorkflowTestCase


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


ODD: dict[str, Any] = {
    "NUL": "a\0b",
    "NUL in a key": {"a\0b": 1},
    "lone surrogate": "\ud800",
    "lone surrogate in a key": {"\udfff": 1},
    "NaN": float("nan"),
    "1e400": 1e400,
    "int key": {1: 2},
    "None key": {None: 2},
    "101 levels": nested(101),
    "100,000 levels": nested(100_000),
    "10 MB": "x" * 10_000_000,
    "2 MB of small things": list(range(250_000)),
    "an int of 5,000 digits": 10**5000,
    "object": object(),
    "function": print,
    "class": Exception,
    "range": range(3),
    "generator": (n for n in ()),
    "complex": 1j,
}


class PayloadTests(WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()

        class Asking(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                return {"name": self.wait_for_text("q")}

        self.execution = run(Asking)
        self.kim = User.objects.create_user("kim")

    def doors(self, value: Any) -> dict[str, Callable[[], Any]]:
        return {
            "start": lambda: durable.start("asking", {"v": value}, by=self.kim),
            "start_many": lambda: durable.start_many("asking", [{}, {"v": value}], by=self.kim),
            "send_event": lambda: durable.send_event(self.execution.id, "go", {"v": value}),
            "publish_event": lambda: durable.publish_event("go", {"v": value}, key="k"),
            "provide_input": lambda: durable.provide_input(self.execution.id, "q", value),
            "tags": lambda: durable.start("asking", {}, tags={"v": value}),
        }

    def test_every_door_refuses_every_one_of_them_naming_the_place(self) -> None:
        for name, value in ODD.items():
            for door, call in self.doors(value).items():
                with self.subTest(door, value=name):
                    with self.assertRaises(durable.NotSerializable) as caught:
                        call()
                    self.assertLess(len(str(caught.exception)), 2_000)
                    if "MB" not in name:
                        self.assertIn(
                            "[" if door != "provide_input" else "answer", caught.exception.path
                        )
        self.assertEqual(Execution.objects.count(), 1)
        self.assertFalse(Event.objects.exists())
        self.assertFalse(AuditEntry.objects.exists())
        self.assertEqual(self.execution.waits.get().status, "open")

    def test_what_is_just_below_the_limits_is_taken_everywhere(self) -> None:
        deep, large = nested(97), "x" * (1024 * 1024 - 100)
        for value in (deep, large, 1e308, -(2**63), 10**4000, "\u2028\U0001f600", {"": 1, "~t": 2}):
            with self.subTest(type(value).__name__):
                self.assertEqual(durable.start("asking", {"v": value}).input, {"v": value})
                event = durable.send_event(self.execution.id, "go", {"v": value})
                event.refresh_from_db()
                self.assertEqual(event.payload, {"v": value})

    def test_names_as_long_as_columns_allow_are_taken_with_their_audit_row(self) -> None:
        durable.publish_event("n" * 255, 1, key="k" * 255, event_id="e" * 255, by=self.kim)
        durable.send_event(self.execution.id, "n" * 255, 1, event_id="e" * 255, by=self.kim)
        durable.start("asking", queue="q" * 100, idempotency_key="i" * 255, keys=["k" * 255])
        self.assertEqual(AuditEntry.objects.count(), 2)

    def test_a_payload_as_large_as_allowed_can_be_audited(self) -> None:
        large = "x" * (1024 * 1024 - 30)
        durable.start("asking", {"v": large}, by=self.kim)
        durable.send_event(self.execution.id, "go", large, by=self.kim)
        durable.provide_input(self.execution.id, "q", large, by=self.kim, comment="c" * 1000)
        self.assertEqual(AuditEntry.objects.count(), 3)

    def test_reasons_that_no_database_holds_are_refused(self) -> None:
        for wrong in ("a\0b", "\ud800", "x" * 2_000_000, 7, None):
            with self.subTest(type(wrong).__name__), self.assertRaises(durable.DurableError):
                durable.cancel(self.execution.id, wrong)  # type: ignore[arg-type]
        self.execution.refresh_from_db()
        self.assertEqual(self.execution.status, "waiting")

    def test_by_is_a_user(self) -> None:
        calls: list[Callable[[Any], Any]] = [
            lambda by: durable.start("asking", {}, by=by),
            lambda by: durable.cancel(self.execution.id, by=by),
            lambda by: durable.provide_input(self.execution.id, "q", "x", by=by),
            lambda by: durable.send_event(self.execution.id, "go", by=by),
            lambda by: durable.pause(self.execution.id, by=by),
        ]
        for by in ("kim", 7, object()):
            for number, call in enumerate(calls):
                with self.subTest(by=type(by).__name__, call=number):
                    with self.assertRaises(durable.DurableError) as caught:
                        call(by)
                    self.assertIn("by", str(caught.exception))
        self.execution.refresh_from_db()
        self.assertEqual(self.execution.status, "waiting")
        self.assertFalse(Event.objects.exists())
