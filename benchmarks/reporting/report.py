"""What a run found, as lines, a JSON file, a table of the targets and plots."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.measuring.bench import Record
from benchmarks.measuring.environments import NAMES
from benchmarks.reporting import plot
from benchmarks.reporting.targets import Check, Figures, over, targets

#: the figures of the table that compares the engines: title, scenario, key
COMPARED = (
    ("steps/s", "pipeline", "per_second"),
    ("worker ms/step", "pipeline", "worker_ms"),
    ("PostgreSQL ms/step", "pipeline", "server_ms"),
    ("WAL bytes/step", "pipeline", "wal_bytes"),
    ("steps/s with a row each", "rows", "per_second"),
    ("start→end p50 ms", "latency", "p50"),
    ("start→end p95 ms", "latency", "p95"),
    ("event→end p50 ms", "event-latency", "p50"),
    ("starts/s", "starts-one", "per_second"),
    ("starts/s in one call", "starts-one", "many_per_second"),
    ("starts/s beside a worker", "starts-beside", "per_second"),
    ("sleeps parked/s", "parked-sleep", "parked_per_second"),
    ("sleeps resumed/s", "parked-sleep", "resumed_per_second"),
    ("event waits parked/s", "parked-event", "parked_per_second"),
    ("event waits resumed/s", "parked-event", "resumed_per_second"),
)


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
    left_out: list[str]


def line(record: Record) -> str:
    """One record on one line."""
    values = ", ".join(f"{name} {_short(value)}" for name, value in record.values.items())
    return f"{record.scenario:16} {record.engine:14} {values}"


def write(run: Run, directory: Path) -> None:
    """``results.json``, ``results.md`` and the plots; the table is printed, too."""
    directory.mkdir(parents=True, exist_ok=True)
    table = markdown(run)
    medians = _medians(run.records)
    found = {**asdict(run), "medians": medians, "targets": _rows(run)}
    (directory / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    (directory / "results.md").write_text(table)
    for name, drawing in plots(run).items():
        (directory / f"{name}.svg").write_text(drawing)
    print(table)


def markdown(run: Run) -> str:
    """The targets, the engines side by side, and what they ran on."""
    figures = Figures(run.records)
    found = [
        f"Run `{run.size}` in {run.seconds / 60:.0f} minutes; {run.machine}; "
        f"PostgreSQL {run.postgres}. Medians of its rounds.",
        "",
        "| target | found | limit | met |",
        "|---|---|---|---|",
    ]
    for target in targets(run.records):
        for check in target.checks:
            found.append(f"| {target.row}: {check.what} | {_check(check)} |")
    found += ["", f"| | {' | '.join(NAMES)} |", "|---" * (1 + len(NAMES)) + "|"]
    for title, scenario, key in COMPARED:
        cells = (_cell(figures.of(scenario, key, name)) for name in NAMES)
        found.append(f"| {title} | {' | '.join(cells)} |")
    found += _growth_table(run)
    for record in run.records:
        if record.scenario == "limit" and record.round == 0:
            values = {key: figures.of("limit", key) for key in ("clients_1", "clients_32")}
            found += [
                "",
                f"The limit, by {record.values['by']}: {_cell(values['clients_1'])} checkpoints/s "
                f"with one client, {_cell(values['clients_32'])} with 32.",
            ]
    found.append("")
    for name, packages in run.versions.items():
        listed = ", ".join(f"{package} {version}" for package, version in packages.items())
        found.append(f"- {name}: {listed}")
    found += [f"- {note}" for note in run.notes]
    if run.left_out:
        found.append(f"- left out for want of time: {', '.join(run.left_out)}")
    found += [f"- FAILED: {error}" for error in run.errors]
    return "\n".join(found) + "\n"


def plots(run: Run) -> dict[str, str]:
    """The SVG files, by name."""
    figures = Figures(run.records)
    steps, cpu = [], []
    for name in NAMES:
        rate = figures.of("pipeline", "per_second", name)
        worker = figures.of("pipeline", "worker_ms", name)
        server = figures.of("pipeline", "server_ms", name)
        if rate is not None:
            steps.append(plot.Bar(name, (rate,)))
        if worker is not None:
            cpu.append(plot.Bar(name, (worker, server or 0)))
    return {
        "steps": plot.bars("Steps per second, one worker process", steps, ("",), "steps/s"),
        "cpu": plot.bars("CPU of a step", cpu, ("worker", "PostgreSQL"), "ms"),
        "growth": plot.lines("Time of one item or step, by how many there are", _growth(run), "ms"),
    }


def _growth(run: Run) -> dict[str, list[tuple[float, float]]]:
    """For all that may be large: sizes, each with the milliseconds of one item or step."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for record in run.records:
        if record.scenario == "growth" and record.values["size"]:
            found[record.values["what"]].append((record.values["size"], record.values["item_ms"]))
    return found


def _growth_table(run: Run) -> list[str]:
    """Each curve on a line, with the cost at its end over the least cost at a smaller size."""
    lines = ["", "| growth: ms of one (of how many) | | last / least before |", "|---|---|---|"]
    for what, points in _growth(run).items():
        *before, (_, last) = sorted(points)
        cells = (f"{plot.figure(ms)} ({plot.figure(size)})" for size, ms in sorted(points))
        ratio = over(last, min((ms for _, ms in before), default=None))
        lines.append(f"| {what} | {', '.join(cells)} | {_cell(ratio)} |")
    return lines if len(lines) > 3 else []


def _rows(run: Run) -> list[dict[str, Any]]:
    return [
        {"row": target.row, **asdict(check), "met": check.met}
        for target in targets(run.records)
        for check in target.checks
    ]


def _medians(records: list[Record]) -> list[dict[str, Any]]:
    """The median of each figure over the rounds, for each scenario, engine and size."""
    groups: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
    for record in records:
        parts = (record.values.get(name) for name in ("what", "batch", "size"))
        groups[(record.scenario, record.engine, *parts)].append(record)
    found = []
    for (scenario, engine, *_), group in groups.items():
        values = {
            key: statistics.median(one.values[key] for one in group)
            if isinstance(value, int | float)
            else value
            for key, value in group[0].values.items()
        }
        found.append({"scenario": scenario, "engine": engine, "rounds": len(group), **values})
    return found


def _check(check: Check) -> str:
    sign = "≥" if check.at_least else "≤"
    met = {True: "yes", False: "**no**", None: "not measured"}[check.met]
    return f"{_cell(check.found)} | {sign} {plot.figure(check.limit)} | {met}"


def _cell(value: float | None) -> str:
    return "" if value is None else plot.figure(value)


def _short(value: Any) -> str:
    return plot.figure(value) if isinstance(value, float) else str(value)
