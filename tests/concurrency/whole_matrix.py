"""Cells of the matrix of interleavings at random, for ``MATRIX_SECONDS``: ``make matrix``."""

from __future__ import annotations

import os
import random
import sys
import time

from tests.cases import ThreadedTestCase
from tests.concurrency import matrix
from tests.concurrency.interleave import opponent

SEED = int(os.environ.get("MATRIX_SEED", "1"))
SECONDS = float(os.environ.get("MATRIX_SECONDS", "3600"))


def chosen(variable: str, names: list[str]) -> list[str]:
    """The names to choose from: all, or those that ``variable`` lists, with commas between."""
    return os.environ[variable].split(",") if variable in os.environ else names


class WholeMatrixTests(ThreadedTestCase):
    def test_the_matrix(self) -> None:
        matrix.define()
        situations = chosen("MATRIX_SITUATIONS", list(matrix.SITUATIONS))
        calls = chosen("MATRIX_CALLS", list(matrix.CALLS))
        acts = chosen("MATRIX_ACTS", list(matrix.ACTS))
        cells = [(s, c, a) for s in situations for c in calls for a in acts]
        dice = random.Random(SEED)
        dice.shuffle(cells)
        end, faults, tried = time.monotonic() + SECONDS, [], 0
        with opponent() as other:
            for names in cells:
                if time.monotonic() > end:
                    break
                cell = matrix.Cell(other, *names)
                for fault in cell.faults(stride=dice.choice((2, 3, 5)), offset=dice.randrange(4)):
                    faults.append(fault)
                    sys.stderr.write(f"{fault}\n")
                tried += 1
        sys.stderr.write(f"seed {SEED}: {tried} of {len(cells)} cells, {len(faults)} faults\n")
        self.assertEqual(faults, [])
