"""What a run carries from step to step.

Defects 14, 18 and 19 of the original.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import TextChoices
from django.test import TestCase

import durable
from durable import Data, Workflow, step
from durable.models import Execution
from durable.testing import assert_completed, run
from tests.stage import (
    LEASE,
    Hand,
    at_noon,
    pass_time,
    run_until,
)


class Colour(TextChoices):
    """A choice, as Django users write it."""

    RED = "red", "Red"


class TypeTests(TestCase):
    """14: values had other types after a resume; a step always gets them as read from storage."""

    GIVEN: dict[str, Any] = {
        "amount": Decimal("1.10"),
        "when": datetime(2030, 1, 2, 3, 4, tzinfo=UTC),
        "day": date(2030, 1, 2),
        "span": timedelta(days=1),
        "key": UUID(int=7),
        "raw": b"\x00\xff",
        "pair": (1, 2),
        "many": {1, 2},
        "whole": 1,
        "float": 1.0,
        "yes": True,
        "colour": Colour.RED,
    }

    def test_a_record_keeps_the_memory_of_increments_and_the_data_does_not(self) -> None:
        class Counts(Workflow):
            @step
            def count(self, data: Data) -> Data:
                return durable.increment(data, "n", 2)

        execution = run(Counts, {"n": 1})
        assert_completed(execution)
        (record,) = execution.steps.all()
        self.assertEqual((record.output["n"], record.output["n"].delta), (3, 2))
        row = Execution.objects.get(pk=execution.id)
        self.assertIs(type(row.data["n"]), int)

    def witness(self, seen: list[dict[str, Any]], given: list[Any]) -> type[Workflow]:
        class Witness(Workflow):
            @step
            def give(self, data: Data) -> Data:
                given.append({"list": [1]})
                return {**TypeTests.GIVEN, "shared": given[-1]}

            @step
            def look(self, data: Data) -> None:
                given[-1]["list"].append(2)  # what was handed over is out of the giver's reach
                seen.append(dict(data))

        return Witness

    def test_the_first_run_sees_the_same_types_as_the_run_after_a_crash(self) -> None:
        seen: list[dict[str, Any]] = []
        with at_noon():
            run(self.witness(seen, []))
            execution = durable.start(self.witness(seen, []))
            hand = Hand()
            run_until(hand, hand.must_claim(), "checkpoint.after_commit")
            pass_time(seconds=LEASE.total_seconds() + 1)
        assert_completed(execution)
        first, after = seen
        self.assertEqual(first, after)
        self.assertEqual(_types(first), _types(after))

    def test_the_first_run_gets_plain_stored_values(self) -> None:
        seen: list[dict[str, Any]] = []
        run(self.witness(seen, []))
        self.assertIs(type(seen[0]["colour"]), str)
        self.assertEqual(seen[0]["shared"], {"list": [1]})
        expected = {**_types(self.GIVEN), "colour": str}
        self.assertEqual({k: t for k, t in _types(seen[0]).items() if k in expected}, expected)


def _types(data: dict[str, Any]) -> dict[str, type]:
    return {key: type(value) for key, value in data.items()}


class ReplacementTests(TestCase):
    """19: data could only grow; what a step returns is the data."""

    def after(self, change: Callable[[Data], Data | None]) -> Any:
        class Changed(Workflow):
            @step
            def change(self, data: Data) -> Data | None:
                return change(data)

            @step
            def look(self, data: Data) -> Data:
                return {"seen": data}

        execution = run(Changed, {"keep": 1, "drop": 2})
        assert_completed(execution)
        return execution.result["seen"]

    def test_a_key_that_is_not_returned_is_gone(self) -> None:
        self.assertEqual(self.after(lambda data: {"keep": data["keep"]}), {"keep": 1})

    def test_a_key_deleted_in_place_is_gone(self) -> None:
        def delete(data: Data) -> None:
            del data["drop"]

        self.assertEqual(self.after(delete), {"keep": 1})

    def test_an_empty_result_is_empty_data(self) -> None:
        self.assertEqual(self.after(lambda data: {}), {})
        self.assertFalse(Execution.objects.exclude(status="completed").exists())
