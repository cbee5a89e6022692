"""Cells of the matrix of interleavings at random, for ``MATRIX_SECONDS``: ``make matrix``."""

from __future__ import annotations

import os
import random
import sys
import time

import pytest

from tests.cases import ThreadedTestCase
from tests.concurrency import doors, matrix, test_snapshots
from tests.concurrency.interleave import opponent

SEED = int(os.environ.get("MATRIX_SEED", "1"))
SECONDS = float(os.environ.get("MATRIX_SECONDS", "3600"))


def chosen(variable: str, names: list[str]) -> list[str]:
    """The names to choose from: all, or those that ``variable`` lists, with commas between."""
    return os.environ[variable].split(",") if variable in os.environ else names


class WholeMatrixTests(ThreadedTestCase):
    def try_all(self, kind: type[matrix.Cell]) -> None:
        """Cells of this kind, in any order, until the time is over."""
        situations = chosen("MATRIX_SITUATIONS", list(kind.situations))
        calls = chosen("MATRIX_CALLS", list(kind.calls))
        acts = chosen("MATRIX_ACTS", list(kind.acts))
        cells = [(s, c, a) for s in situations for c in calls for a in acts]
        dice = random.Random(SEED)
        dice.shuffle(cells)
        end, faults, tried = time.monotonic() + SECONDS, [], 0
        with opponent() as other:
            for names in cells:
                if time.monotonic() > end:
                    break
                cell = kind(other, *names)
                stride = dice.choice((2, 3, 5)) * kind.pace
                for fault in cell.faults(stride=stride, offset=dice.randrange(4)):
                    faults.append(fault)
                    sys.stderr.write(f"{fault}\n")
                tried += 1
        sys.stderr.write(f"seed {SEED}: {tried} of {len(cells)} cells, {len(faults)} faults\n")
        self.assertEqual(faults, [])

    def test_the_matrix(self) -> None:
        matrix.define()
        self.try_all(matrix.Cell)

    def test_the_doors(self) -> None:
        matrix.define()
        with doors.Visitor.arrives():
            self.try_all(doors.Cell)

    @pytest.mark.only_on("postgresql")
    def test_all_calls_whose_snapshot_is_old(self) -> None:
        matrix.define()
        situations = chosen("MATRIX_SITUATIONS", list(test_snapshots.SITUATIONS))
        calls = chosen("MATRIX_CALLS", list(test_snapshots.CALLS))
        acts = chosen("MATRIX_ACTS", list(test_snapshots.ACTS))
        cells = [(s, c, a) for s in situations for c in calls for a in acts]
        dice = random.Random(SEED)
        dice.shuffle(cells)
        end, faults, tried = time.monotonic() + SECONDS, [], 0
        with opponent() as other:
            for names in cells:
                if time.monotonic() > end:
                    break
                for fault in test_snapshots.attempt(
                    other, dice.choice(test_snapshots.LEVELS), names
                ):
                    faults.append(fault)
                    sys.stderr.write(f"{fault}\n")
                tried += 1
        sys.stderr.write(f"seed {SEED}: {tried} of {len(cells)} cells, {len(faults)} faults\n")
        self.assertEqual(faults, [])
