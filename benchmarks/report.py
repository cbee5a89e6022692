"""What a run found, as lines, a JSON file, a table and plots."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.bench import Record


@dataclass(frozen=True)
class Run:
    """Everything that is reported of one run."""

    size: str
    seconds: float
    machine: str
    postgres: str
    versions: dict[str, dict[str, str]]
    notes: list[str]
    records: list[Record]
    errors: list[str]


def line(record: Record) -> str:
    """One record on one line."""
    values = ", ".join(f"{name} {_short(value)}" for name, value in record.values.items())
    return f"{record.scenario:16} {record.engine:14} {values}"


def _short(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def write(run: Run, directory: Path) -> None:
    """The files."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "results.json").write_text(json.dumps(asdict(run), indent=1) + "\n")
