"""What a mutation is: a guard of the engine taken away, and the tests that must notice."""

from __future__ import annotations

from typing import NamedTuple


class Edit(NamedTuple):
    """``old`` stands exactly once in the file, and becomes ``new``."""

    file: str
    old: str
    new: str


class Mutation(NamedTuple):
    """One guard taken away: of which row of the list of defects, how, and who must notice.

    Row 0 is for promises that are on no row.
    """

    defect: int
    guard: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


def mutation(
    defect: int, guard: str, file: str, old: str, new: str, *tests: str, more: tuple[Edit, ...] = ()
) -> Mutation:
    """A guard that is taken away at one place, or with ``more`` edits."""
    return Mutation(defect, guard, (Edit(file, old, new), *more), tests)
