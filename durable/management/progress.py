"""The progress of an execution in one line: replaced on a terminal, else a line for each change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from durable.management.output import value_of, width
from durable.showing import times
from durable.showing.characters import visible_line

CLEAR = "\r\x1b[2K"

SHOWN = 3  # waits with their names
NARROWEST = 20  # columns


def line_of(summary: Mapping[str, Any]) -> str:
    """The status, step, attempt, progress, waits and error in one line."""
    words = [summary["status"]]
    if summary["step"] and not summary["step"].startswith("~"):
        words.append(f"at {summary['step']}")
    if summary["attempt"] > 1:
        words.append(f"(attempt {summary['attempt']})")
    if summary["block_progress"]:
        words.append(_block(summary["block_progress"]))
    if summary["progress"] is not None:
        words.append(f"progress {value_of(summary['progress'])}")
    waits = summary["waits_for"]
    if waits:
        named = [_wait(wait) for wait in waits[:SHOWN]]
        more = f" and {len(waits) - SHOWN} more" if len(waits) > SHOWN else ""
        words.append(f"for {', '.join(named)}{more}")
    if summary["error"]:
        error = summary["error"]
        words.append(f"- {error.get('type', '')}: {error.get('message', '')}")
    return visible_line(" ".join(words))


def _block(counts: Mapping[str, int]) -> str:
    done = sum(counts.get(status, 0) for status in ("completed", "failed", "cancelled"))
    failed = f", {counts['failed']} failed" if counts.get("failed") else ""
    return f"[{done}/{counts['total']}{failed}]"


def _wait(wait: Mapping[str, Any]) -> str:
    until = f" until {times.in_cell(wait['until'])}" if wait["until"] is not None else ""
    return f"{wait['kind']} {wait['name']}{until}"


def _as_is(text: str) -> str:
    """The text without colour: Django's standard error is red on a terminal."""
    return text


class Display:
    """Shows each change of a line on ``stream``, one of Django's wrappers."""

    def __init__(self, stream: Any, *, in_place: bool, columns: int = 80) -> None:
        self._stream, self._in_place = stream, in_place
        self._columns = max(columns, NARROWEST)
        self._last: str | None = None

    def show(self, line: str) -> None:
        """Show the line unless it equals the last one."""
        if line == self._last:
            return
        self._last = line
        if not self._in_place:
            self._stream.write(line, _as_is)
        else:
            while width(line) >= self._columns:
                line = line[:-2].rstrip("…") + "…"
            self._stream.write(CLEAR + line, _as_is, ending="")
        self._stream.flush()

    def close(self) -> None:
        """End the last line, so that it stays."""
        if self._in_place and self._last is not None:
            self._stream.write("")
            self._stream.flush()
