"""One look, one decision: whatever another does between two statements, nothing waits for ever.

Some cells of the matrix, one for each kind of race that was found; ``make matrix`` tries them all.
"""

from __future__ import annotations

from tests.cases import ThreadedTestCase
from tests.concurrency import doors, matrix
from tests.concurrency.doors import Visitor
from tests.concurrency.interleave import opponent

#: a situation, a call, and what comes between its statements
CELLS = (
    ("new", "provide_input", "drain"),
    ("answered", "provide_input", "drain"),
    ("limited", "provide_input", "late"),
    ("branches retried", "work", "drain"),
    ("items retried", "work", "drain"),
    ("starter of a child", "prune", "retry the child and go on"),
    ("hearing", "send_event", "cancel and prune"),
    ("published", "deliver", "drain"),
)


#: the same at the doors
DOORS = (
    ("linked", "link", "provide_input"),
    ("linked, limited", "link", "late"),
    ("linked", "link", "answer, go on, cancel and prune"),
    ("linked", "rest answer", "link"),
    ("linked", "admin answer", "answer, go on, cancel and prune"),
    ("linked", "admin reassign", "cancel and prune"),
    ("failed", "rest retry", "retry and go on"),
    ("starter of a child", "rest retry child", "prune"),
    ("failed", "admin execution", "prune"),
    ("hearing", "webhook", "cancel and prune"),
    ("new", "rest limit queue", "pause queue and resume"),
)


class MatrixTests(ThreadedTestCase):
    def test_a_call_whatever_comes_between_its_statements(self) -> None:
        matrix.define()
        with opponent() as other:
            for number, names in enumerate(CELLS):
                cell = matrix.Cell(other, *names)
                with self.subTest(str(cell)):
                    self.assertEqual(list(cell.faults(stride=4, offset=number % 4)), [])

    def test_a_door_whatever_comes_between_its_statements(self) -> None:
        matrix.define()
        with Visitor.arrives(), opponent() as other:
            for number, names in enumerate(DOORS):
                cell = doors.Cell(other, *names)
                with self.subTest(str(cell)):
                    self.assertEqual(list(cell.faults(stride=16, offset=number)), [])

    def test_each_cell_sees_the_act_at_each_statement(self) -> None:
        """A matrix that interposes nothing would find nothing."""
        matrix.define()
        with opponent() as other:
            cell = matrix.Cell(other, "new", "provide_input", "drain")
            self.assertEqual(list(cell.faults(stride=2)), [])
        self.assertGreater(cell.tried, 2)
        self.assertGreater(cell.went_otherwise, 0)
