"""What is shown: plain lines and tables; on a terminal also where each execution stands, live."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class State(NamedTuple):
    """Where an execution stands; ``detail`` changes so often that it is shown live only."""

    text: str
    detail: str = ""


class Screen:
    """Plain lines; on a terminal, below them, one line for each execution that changes in place."""

    def __init__(self) -> None:
        self.live = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._begun = time.monotonic()
        self._block: list[str] = []
        self._known: dict[str, State] = {}

    def say(self, text: str = "") -> None:
        """One line that stays."""
        seconds = time.monotonic() - self._begun
        self._erase()
        print(f"{seconds:5.1f} s  {text}" if text else "", flush=True)
        self._draw()

    def show(self, states: Mapping[str, State]) -> None:
        """Where each execution stands: what has changed, or the whole block in place."""
        changed = {
            name: state
            for name, state in states.items()
            if self._shown(self._known.get(name)) != self._shown(state)
        }
        self._known.update(changed)
        if not changed:
            return
        if self.live:
            self._erase()
            self._block = [
                f"         {name:<18} {'  '.join(state)}".rstrip()
                for name, state in self._known.items()
            ]
            self._draw()
        else:
            for name, state in changed.items():
                self.say(f"    {name:<18} {state.text}")

    def close(self) -> None:
        """Leave the block as it is; what follows stands below it."""
        self._block = []

    def _shown(self, state: State | None) -> State | str | None:
        return state if self.live or state is None else state.text

    def _erase(self) -> None:
        if self._block:
            print(f"\x1b[{len(self._block)}A\x1b[J", end="")

    def _draw(self) -> None:
        for line in self._block:
            print(line[: _columns()])
        if self._block:
            sys.stdout.flush()


def _columns() -> int:
    try:
        return os.get_terminal_size().columns or 100
    except OSError:
        return 100


def table(rows: Iterable[tuple[str, ...]]) -> None:
    """Print columns, the first row as their heads."""
    lines = list(rows)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for number, line in enumerate(lines):
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
