"""A stored value is the same JSON at every door, and the same text in every medium for people."""

from __future__ import annotations

import io
import json
from datetime import date, time, timedelta
from decimal import Decimal
from uuid import UUID

from django.core.management import call_command
from django.test import SimpleTestCase

from durable.dashboard.shared.shown import Shown
from durable.dashboard.shared.values import JsonField
from durable.management.output import value_of
from durable.showing import values
from durable.states import Status
from durable.testing import run
from tests.doors.rest.cases import RestTestCase
from tests.people.asking import NOON

#: each type that the codec stores, and what it is in JSON
TYPES = {
    "at": (NOON, "2025-03-03T12:00:00+00:00"),
    "on": (date(2026, 3, 2), "2026-03-02"),
    "time": (time(9, 30), "09:30:00"),
    "for": (timedelta(seconds=90), "P0DT00H01M30S"),
    "price": (Decimal("1.50"), "1.50"),
    "id": (UUID(int=1), str(UUID(int=1))),
    "bytes": (b"\x00\xff", "AP8="),
    "pair": ((1, "b"), [1, "b"]),
    "set": ({3, 1, 2}, [1, 2, 3]),
    "none": (None, None),
    "yes": (True, True),
    "x": (1.5, 1.5),
}
STORED = {name: stored for name, (stored, _shown) in TYPES.items()}
SHOWN = {name: shown for name, (_stored, shown) in TYPES.items()}


class MediaTests(SimpleTestCase):
    def test_pages_terminals_forms_and_documents_have_the_same(self) -> None:
        for text in (
            values.document(STORED),
            values.document(STORED, indent=None),
            Shown(open=True).value(STORED),
            Shown(open=True).line(STORED, 1000),
            value_of(STORED),
            JsonField.written(STORED),
        ):
            self.assertEqual(json.loads(text), SHOWN)

    def test_documents_are_ascii_and_texts_for_people_are_not(self) -> None:
        self.assertTrue(values.document("請求書").isascii())
        for text in (values.line("請求書"), values.block("請求書")):
            self.assertEqual(text, '"請求書"')

    def test_what_is_not_stored_but_shown_is_a_text(self) -> None:
        self.assertEqual(
            values.document({"status": Status.PAUSED}, indent=None), '{"status": "paused"}'
        )
        self.assertEqual(values.plain(Exception("why")), "why")


class DoorTests(RestTestCase):
    def test_an_input_is_the_same_over_rest_and_in_a_command(self) -> None:
        execution, out = run("plain", STORED), io.StringIO()
        call_command("durable_inspect", str(execution.pk), "--data", "--json", stdout=out)
        self.assertEqual(json.loads(out.getvalue())["input"], SHOWN)
        self.assertEqual(self.as_viewer.get(f"executions/{execution.pk}/").body["input"], SHOWN)
