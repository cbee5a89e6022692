"""A foreach stores what belongs to each item: the data that all of them have is stored once.

The list that is iterated usually lies in the data: kept with each item, it would take the square
of its size.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Sum
from django.db.models.functions import Coalesce, Length

import durable
from durable import Fail, Workflow, chain, foreach, increment, step
from durable.models import Execution, StepRun
from durable.testing import assert_completed, drain, run
from tests.cases import WorkflowTestCase

NAMES = [f"{number:03}" + "x" * 3000 for number in range(20)]
ONE_LIST = 20 * 3000


def bytes_kept() -> int:
    """What the items and the records of their steps take."""
    columns = ("input", "data", "base", "outcome", "frames")
    items = Execution.objects.filter(role="item").aggregate(
        size=sum((Coalesce(Sum(Length(name)), 0) for name in columns[1:]), Sum(Length("input")))
    )
    runs = StepRun.objects.filter(execution__role="item").aggregate(
        size=Sum(Length("input")) + Coalesce(Sum(Length("output")), 0)
    )
    return int(items["size"] + runs["size"])


class ForeachStorageTests(WorkflowTestCase):
    def campaign(self, **options: Any) -> type[Workflow]:
        class Campaign(Workflow):
            @step
            def greet(self, data: Any, item: str, index: int) -> Any:
                if item in data.get("bad", ()):
                    raise Fail("no such address")
                return increment(data, "sent")

            @step
            def note(self, data: Any, item: str, index: int) -> Any:
                return {**data, "last": index}

            flow = chain(foreach("names", chain("greet", "note"), name="mails", **options))

        return Campaign

    def assert_linear(self, **options: Any) -> Execution:
        execution = run(self.campaign(**options), {"names": NAMES})
        assert_completed(execution)
        self.assertEqual(execution.data["sent"], len(NAMES))
        self.assertEqual((execution.data["last"], execution.data["names"]), (19, NAMES))
        # the items themselves, in their rows and in the records of two steps; the last item of a
        # sequence has the data that the block ends with
        self.assertLess(bytes_kept(), 7 * ONE_LIST)
        return execution

    def test_one_after_the_other(self) -> None:
        self.assert_linear()

    def test_side_by_side(self) -> None:
        self.assert_linear(concurrency=8)

    def test_in_batches(self) -> None:
        self.assert_linear(concurrency=8, batch_size=5)

    def test_of_an_item_is_recorded_what_it_was_and_what_it_changed(self) -> None:
        for concurrency in (1, 4):
            with self.subTest(concurrency=concurrency):
                execution = run(
                    self.campaign(concurrency=concurrency, on_error="continue"),
                    {"names": ["a", "b", "c"], "bad": ["b"]},
                )
                runs = [
                    (row.name, row.input, row.output)
                    for item in execution.children.order_by("index")
                    for row in item.steps
                ]
                sent = 2 if concurrency == 1 else 1
                self.assertEqual(
                    runs,
                    [
                        ("greet", {"item": "a", "index": 0}, {"sent": 1}),
                        ("note", {"item": "a", "index": 0}, {"sent": 1, "last": 0}),
                        ("greet", {"item": "b", "index": 1}, None),
                        ("greet", {"item": "c", "index": 2}, {"sent": sent}),
                        ("note", {"item": "c", "index": 2}, {"sent": sent, "last": 2}),
                    ],
                )

    def test_a_compensation_of_an_item_still_gets_all_of_its_data(self) -> None:
        given: list[Any] = []

        class Bookings(Workflow):
            @step
            def book(self, data: Any, item: str, index: int) -> Any:
                return {**data, "booked": item}

            @book.compensate
            def cancel(self, data: Any, item: str, index: int) -> None:
                given.append((data, item, index))

            @step
            def pay(self, data: Any) -> Any:
                raise Fail("no money")

            flow = chain(foreach("names", "book", concurrency=2), "pay")

        execution = run(Bookings, {"names": ["a", "b"], "trip": 7})
        self.assertEqual(execution.status, "compensated")
        self.assertEqual(
            given,
            [
                ({"names": ["a", "b"], "trip": 7, "booked": "b"}, "b", 1),
                ({"names": ["a", "b"], "trip": 7, "booked": "a"}, "a", 0),
            ],
        )

    def test_a_sequence_that_is_retried_goes_on_with_the_data_that_was_handed_on(self) -> None:
        """Items that failed come after those that are done, in the order of the list."""
        broken: set[str] = set()

        class Campaign(Workflow):
            @step
            def send(self, data: Any, item: str, index: int) -> Any:
                if item in broken:
                    raise Fail("not now")
                return {**increment(data, "sent"), "seen": [*data.get("seen", []), item]}

            flow = chain(
                foreach("names", "send", on_error="continue", max_failures=0, name="mails")
            )

        for failing, seen in (("c", "abcd"), ("abcd", "abcd")):
            with self.subTest(failing=failing):
                broken = set(failing)
                execution = run(Campaign, {"names": ["a", "b", "c", "d"]})
                self.assertEqual(execution.status, "failed")
                broken.clear()
                durable.retry(execution.id)
                drain()
                assert_completed(execution)
                self.assertEqual((execution.data["sent"], execution.data["seen"]), (4, list(seen)))

    def test_items_that_failed_among_others_add_to_what_those_have_changed(self) -> None:
        broken = {"b", "d"}

        class Campaign(Workflow):
            @step
            def open(self, data: Any, item: str, index: int) -> Any:
                return {**data, "opened": [*data.get("opened", []), item]}

            @step
            def send(self, data: Any, item: str, index: int) -> Any:
                if item in broken:
                    raise Fail("not now")
                return {**increment(data, "sent"), "seen": [*data.get("seen", []), item]}

            flow = chain(
                foreach(
                    "names",
                    chain("open", "send"),
                    on_error="continue",
                    max_failures=1,
                    name="mails",
                )
            )

        execution = run(Campaign, {"names": ["a", "b", "c", "d", "e"]})
        self.assertEqual(execution.status, "failed")
        broken.remove("b")
        durable.retry(execution.id)
        drain()
        assert_completed(execution)
        self.assertEqual((execution.data["sent"], execution.data["seen"]), (4, list("acbe")))
        self.assertEqual(execution.data["mails"]["failed"], 1)
