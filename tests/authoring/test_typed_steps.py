"""A step that annotates its data gets that type, validated first, and may return it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, Field

import durable
from durable import Retry, Workflow, branch, chain, step
from durable.testing import assert_completed, assert_step, drain, run
from tests.cases import WorkflowTestCase


@dataclass
class Line:
    sku: str
    price: Decimal


@dataclass
class Order:
    number: int
    lines: list[Line] = field(default_factory=list)
    due: date | None = None


class OrderModel(BaseModel):
    number: int
    qty: int = Field(default=1, ge=1)


class DataclassTests(WorkflowTestCase):
    def test_the_body_gets_an_instance_and_one_that_it_returns_is_laid_over_the_data(self) -> None:
        seen: list[Any] = []

        class P(Workflow):
            @step
            def one(self, order: Order) -> Order:
                seen.append(order)
                return Order(order.number + 1, order.lines)

        lines = [{"sku": "a", "price": Decimal("1.50")}]
        given = {"number": 1, "lines": lines, "due": date(2025, 1, 1), "more": 1}
        self.assertEqual(run(P, given).result, {**given, "number": 2, "due": None})
        self.assertEqual(seen, [Order(1, [Line("a", Decimal("1.50"))], date(2025, 1, 1))])

    def test_none_passes_on_what_the_body_changed_in_the_instance(self) -> None:
        class P(Workflow):
            @step
            def one(self, order: Order) -> None:
                order.number = 5

            @step
            def two(self, order: OrderModel) -> None:
                order.qty = 9

        self.assertEqual(
            run(P, {"number": 1, "more": 1}).result,
            {"number": 5, "lines": [], "due": None, "more": 1, "qty": 9},
        )

    def test_data_that_does_not_fit_fails_before_the_body_and_is_not_retried(self) -> None:
        ran: list[int] = []

        class P(Workflow):
            @step(retry=5)
            def one(self, order: Order):
                ran.append(1)

        for bad, words in [
            ({}, "number"),
            ({"number": "1"}, "number"),
            ({"number": 1, "lines": [{"sku": "a"}]}, "price"),
        ]:
            execution = run(P, bad)
            self.assertFailed(execution, "InvalidStepInput", words)
            assert_step(execution, "one", status="failed", attempts=1)
        self.assertEqual(ran, [])

    def test_another_type_returned_is_no_result(self) -> None:
        class P(Workflow):
            @step
            def one(self, order: Order):
                return Line("a", Decimal(1))

        self.assertFailed(run(P, {"number": 1}), "InvalidStepResult", "Line")

    def test_an_instance_with_what_cant_be_stored_is_refused(self) -> None:
        class P(Workflow):
            @step
            def one(self, order: Order) -> Order:
                order.due = object()  # type: ignore[assignment]
                return order

        self.assertFailed(run(P, {"number": 1}), "NotSerializable", 'data["due"]')

    def test_after_a_wait_and_a_retry_it_is_the_same_type(self) -> None:
        seen: list[Any] = []

        class P(Workflow):
            @step(retry=Retry(2, base=durable.seconds(0)))
            def one(self, order: Order) -> Order:
                seen.append(order)
                if self.attempt == 1:
                    raise ValueError
                order.number = self.wait_for_event("number")
                return order

        execution = run(P, {"number": 1})
        durable.send_event(execution.id, "number", 7)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result["number"], 7)
        self.assertEqual([type(order) for order in seen], [Order] * 3)


class OtherPlacesTests(WorkflowTestCase):
    def test_async_steps_are_typed_too(self) -> None:
        class P(Workflow):
            @step
            async def one(self, order: Order) -> Order:
                order.number += 1
                return order

        self.assertEqual(run(P, {"number": 1}).result["number"], 2)

    def test_a_branch_looks_at_the_plain_data(self) -> None:
        class P(Workflow):
            @step
            def one(self, order: Order) -> Order:
                return Order(2)

            @step
            def two(self, data):
                return {**data, "two": True}

            flow = chain(one, branch(on="number", cases={2: two}))

        self.assertTrue(run(P, {"number": 1}).result["two"])
