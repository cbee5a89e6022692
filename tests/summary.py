"""The results of pytest runs, read from their JUnit files: a line for each, and one for all."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree


class Counts(NamedTuple):
    """How many tests passed, failed (or ended in an error) and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def __str__(self) -> str:
        line = f"{self.passed} passed, {self.failed} failed"
        return f"{line}, {self.skipped} skipped" if self.skipped else line


def read(path: Path) -> Counts:
    """The counts in one JUnit file: each test once, however many subtests it has.

    A run that left no file (or half a one) counts as one failure.
    """
    try:
        cases = list(ElementTree.parse(path).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return Counts(failed=1)
    outcomes = [{child.tag for child in case} for case in cases]
    failed = sum(bool(tags & {"failure", "error"}) for tags in outcomes)
    skipped = sum("skipped" in tags and not tags & {"failure", "error"} for tags in outcomes)
    return Counts(len(cases) - failed - skipped, failed, skipped)


def main(paths: Sequence[str]) -> int:
    """Print a line for each file if there are several, then the sum; 1 if anything failed."""
    results = {Path(path).stem: read(Path(path)) for path in paths}
    total = Counts()
    for name, counts in results.items():
        total = total.plus(counts)
        if len(results) > 1:
            print(f"{name}: {counts}")
    print(total)
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
