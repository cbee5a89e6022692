"""What a mutation is: a guard of the engine taken away, and the tests that must notice."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Edit(NamedTuple):
    """In the function at ``place``, ``old`` stands exactly once, and becomes ``new``.

    A place is ``"module:name"``: the last part of a module's name, and a function, method, class
    or constant in it (``"claim:Pulse.next_due"``). Where the module lies does not matter, so a
    guard follows its function when that moves.
    """

    place: str
    old: str
    new: str


class Place(NamedTuple):
    """Where a named piece of the source stands: its file, and the offsets of its text there."""

    file: Path
    start: int
    end: int


class Misfit(Exception):
    """An edit whose place or text is not in the source exactly once."""


def find(root: Path, edit: Edit) -> Place:
    """The one place below ``root / "durable"`` that ``edit`` names; ``Misfit`` if not one."""
    module, _, name = edit.place.partition(":")
    found = [
        Place(path, *span)
        for path in sorted((root / "durable").rglob(f"{module}.py"))
        for span in _spans(path.read_text(), name)
    ]
    if len(found) != 1:
        raise Misfit(f"{edit.place}: found {len(found)} times")
    return found[0]


def changed(root: Path, edit: Edit) -> tuple[Path, str]:
    """The file that ``edit`` changes, and its text without the guard, or ``Misfit``."""
    file, start, end = find(root, edit)
    text = file.read_text()
    piece = text[start:end]
    if piece.count(edit.old) != 1:
        count = piece.count(edit.old)
        raise Misfit(f"{edit.place}: found {count} times: {edit.old.strip()[:70]!r}")
    return file, text[:start] + piece.replace(edit.old, edit.new) + text[end:]


def _spans(text: str, name: str) -> Iterator[tuple[int, int]]:
    """From the line of a definition (or its decorators) to its end, for each one of that name."""
    lines = text.splitlines(keepends=True)
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    for qualified, first, last in _definitions(ast.parse(text), ()):
        if qualified == name:
            yield offsets[first - 1], offsets[last]


def _definitions(node: ast.AST, above: tuple[str, ...]) -> Iterator[tuple[str, int, int]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = min(child.lineno, *(d.lineno for d in child.decorator_list), child.lineno)
            yield ".".join((*above, child.name)), first, child.end_lineno or child.lineno
            yield from _definitions(child, (*above, child.name))
        elif isinstance(child, ast.Assign | ast.AnnAssign) and not above:
            target = child.targets[0] if isinstance(child, ast.Assign) else child.target
            if isinstance(target, ast.Name):
                yield target.id, child.lineno, child.end_lineno or child.lineno


class Mutation(NamedTuple):
    """One guard taken away: of which row of the list of defects, how, and who must notice.

    Row 0 is for promises that are on no row.
    """

    defect: int
    guard: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


def mutation(
    defect: int,
    guard: str,
    place: str,
    old: str,
    new: str,
    *tests: str,
    more: tuple[Edit, ...] = (),
) -> Mutation:
    """A guard that is taken away at one place, or with ``more`` edits."""
    return Mutation(defect, guard, (Edit(place, old, new), *more), tests)
