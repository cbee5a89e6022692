"""Rows are found by the beginning of their id, never by chance."""

from __future__ import annotations

from uuid import UUID

from durable import Data, Workflow, step
from durable.models import Execution
from durable.models.fields import uuid7
from durable.storage.ids import AmbiguousId, UnknownId, begins_with, find
from durable.testing import run
from tests.cases import WorkflowTestCase


class FindTests(WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()

        class Idle(Workflow):
            @step
            def only(self, data: Data) -> None: ...

        self.rows = [run(Idle) for _ in range(3)]

    def test_an_id_is_found_whole_and_by_its_beginning(self) -> None:
        first = self.rows[0]
        alone = next(
            text
            for text in (str(first.pk)[:length] for length in range(8, 37))
            if sum(str(row.pk).startswith(text) for row in self.rows) == 1
        )
        for text in (str(first.pk), first.pk.hex, str(first.pk).upper(), alone, f" {first.pk} "):
            self.assertEqual(find(Execution.objects.all(), text), first)

    def test_a_beginning_that_several_have_is_refused_and_some_are_named(self) -> None:
        with self.assertRaises(AmbiguousId) as caught:
            find(Execution.objects.all(), str(self.rows[0].pk)[:6])
        self.assertIn(str(self.rows[2].pk), str(caught.exception))

    def test_what_is_no_id_is_not_found(self) -> None:
        for text in ("", "xyz!", "0" * 33, str(uuid7()), "12", "%", "\0", "'; --"):
            with self.subTest(text), self.assertRaises(UnknownId):
                find(Execution.objects.all(), text)

    def test_only_the_rows_asked_are_looked_at(self) -> None:
        with self.assertRaises(UnknownId):
            find(Execution.objects.filter(status="failed"), self.rows[0].pk)

    def test_the_ends_of_the_range_are_in_it(self) -> None:
        low, high = UUID("abcd" + "0" * 28), UUID("abcd" + "f" * 28)
        Execution.objects.filter(pk=self.rows[0].pk).delete()
        template = self.rows[1]
        for pk in (low, high):
            template.pk = template.root_id = pk
            template._state.adding = True
            template.save(force_insert=True)
        self.assertEqual(begins_with(Execution.objects.all(), "abcd").count(), 2)
