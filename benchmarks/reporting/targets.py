"""The targets, row by row, and what a run found for each."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from benchmarks.measuring.bench import Record
from benchmarks.measuring.processes import ROOT


@dataclass(frozen=True)
class Check:
    """One figure against its limit."""

    what: str
    found: float | None  # None: not measured in this run
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the limit is kept; ``None`` if nothing was measured."""
        if self.found is None:
            return None
        return self.found >= self.limit if self.at_least else self.found <= self.limit


@dataclass(frozen=True)
class Target:
    """One row of the targets, with all its figures."""

    row: str
    checks: tuple[Check, ...]


class Figures:
    """Medians over the rounds of a run."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records

    def of(self, scenario: str, key: str, engine: str = "ours", **match: Any) -> float | None:
        """The median of a figure, ``None`` if the run does not have it."""
        found = [
            record.values[key]
            for record in self._records
            if (record.scenario, record.engine) == (scenario, engine)
            and key in record.values
            and all(record.values.get(name) == value for name, value in match.items())
        ]
        return statistics.median(found) if found else None

    def last(self, scenario: str, key: str, **match: Any) -> float | None:
        """The figure of the largest size."""
        sizes = [
            record.values["size"]
            for record in self._records
            if record.scenario == scenario
            and all(record.values.get(name) == value for name, value in match.items())
        ]
        return self.of(scenario, key, size=max(sizes), **match) if sizes else None

    def to(self, scenario: str, key: str, peer: str) -> float | None:
        """Ours divided by a peer's."""
        return over(self.of(scenario, key), self.of(scenario, key, peer))


def over(ours: float | None, other: float | None) -> float | None:
    """A ratio, where both are there."""
    return None if ours is None or not other else ours / other


def least(*found: float | None) -> float | None:
    """The smallest of those that are there."""
    there = [one for one in found if one is not None]
    return min(there) if there else None


def targets(records: Sequence[Record]) -> list[Target]:
    """Every row, in the order of the specification."""
    figures = Figures(records)
    return [*_steps(figures), *_starts(figures), *_standing(figures), *_rest(figures)]


def _steps(figures: Figures) -> list[Target]:
    of, to = figures.of, figures.to
    return [
        Target(
            "CPU of a step without SQL, worker and PostgreSQL",
            (
                Check("ms", of("pipeline", "cpu_ms"), 0.35),
                Check("of DBOS", to("pipeline", "cpu_ms", "dbos"), 1 / 8),
                Check("of Absurd", to("pipeline", "cpu_ms", "absurd"), 1 / 2),
            ),
        ),
        Target(
            "steps/s, one process",
            (
                Check("× DBOS", to("pipeline", "per_second", "dbos"), 8, True),
                Check("× Absurd", to("pipeline", "per_second", "absurd"), 2.5, True),
                Check("× pgqueuer", to("pipeline", "per_second", "pgqueuer"), 1.2, True),
            ),
        ),
        Target(
            "each body writes one ORM row in its atomic step",
            (
                Check("ms of CPU", of("rows", "cpu_ms"), 1.5),
                Check("× DBOS", to("rows", "per_second", "dbos"), 4, True),
            ),
        ),
        Target(
            "commits of a ten-step pipeline",
            (
                Check("alone", of("commits-alone", "commits"), 11),
                Check("under load", _ten(of("pipeline", "commits")), 2),
            ),
        ),
        Target(
            "start → end of one step on an idle system",
            (
                Check("p50 ms", of("latency", "p50"), 6),
                Check("p95 ms", of("latency", "p95"), 12),
            ),
        ),
        Target(
            "event → resume and answer → resume",
            tuple(
                Check(f"{kind} {part} ms", of(f"{kind}-latency", part), limit)
                for kind in ("event", "answer")
                for part, limit in (("p50", 8), ("p95", 15))
            ),
        ),
    ]


def _ten(each: float | None) -> float | None:
    return None if each is None else 10 * each


def _starts(figures: Figures) -> list[Target]:
    of, to = figures.of, figures.to
    keyed = {
        "pipelines": over(of("keyed-pipeline", "per_second"), of("pipeline", "per_second")),
        "backlog": over(of("backlog-keyed-one", "per_second"), of("backlog-one", "per_second")),
        "starts": over(of("starts-keyed-one", "per_second"), of("starts-one", "per_second")),
        "parked": over(of("parked-keyed-event", "per_second"), of("parked-event", "per_second")),
    }
    return [
        Target(
            "start() one by one, and start_many",
            (
                Check("× Absurd", to("starts-one", "per_second", "absurd"), 1, True),
                Check("start_many/s", of("starts-one", "many_per_second"), 8000, True),
                Check(
                    "beside a worker, of alone",
                    over(of("starts-beside", "per_second"), of("starts-one", "per_second")),
                    0.6,
                    True,
                ),
            ),
        ),
        Target(
            "parked and resumed",
            tuple(
                check
                for kind in ("sleep", "event")
                for check in (
                    Check(
                        f"{kind}: parked × Absurd",
                        to(f"parked-{kind}", "parked_per_second", "absurd"),
                        1.5,
                        True,
                    ),
                    Check(
                        f"{kind}: resumed × Absurd",
                        to(f"parked-{kind}", "resumed_per_second", "absurd"),
                        1.5,
                        True,
                    ),
                    Check(f"{kind}: ms of CPU", of(f"parked-{kind}", "cpu_ms"), 1.0),
                )
            ),
        ),
        Target(
            "the same with key, tags, subject, of without",
            tuple(Check(what, found, 0.8, True) for what, found in keyed.items()),
        ),
    ]


def _standing(figures: Figures) -> list[Target]:
    of = figures.of
    usual = of("latency", "p95")
    empty = of("growth", "per_second", what="empty")
    return [
        Target(
            "WAL of a step",
            (Check("of DBOS", figures.to("pipeline", "wal_bytes", "dbos"), 1),),
        ),
        Target(
            "first start after a worker has come up",
            (Check("p50, of the usual p95", over(of("first-start", "p50"), usual), 1),),
        ),
        Target(
            "idle worker",
            (
                Check("transactions/s", of("idle", "transactions_per_second"), 2),
                Check("% CPU", of("idle", "cpu_percent"), 0.5),
                Check("MB", of("idle", "memory_mb"), 65),
            ),
        ),
        Target(
            "throughput beside sleeping and finished executions, of an empty table",
            (
                Check(
                    "sleeping and finished",
                    over(figures.last("growth", "per_second", what="finished"), empty),
                    0.9,
                    True,
                ),
            ),
        ),
    ]


def _rest(figures: Figures) -> list[Target]:
    of, last = figures.of, figures.last
    return [
        Target(
            "foreach of trivial items",
            (
                Check(
                    "batches of 100, items/s", last("foreach", "per_second", batch=100), 4000, True
                ),
                Check("one by one, items/s", last("foreach", "per_second", batch=1), 800, True),
                Check("MB", last("foreach", "peak_mb", batch=100), 150),
                Check("rate, of a tenth of the items", _same_rate(figures), 0.9, True),
            ),
        ),
        Target(
            "recovery after SIGKILL",
            (Check("s beyond the lease", of("recovery", "beyond_lease"), 2),),
        ),
        Target(
            "two processes",
            (
                Check(
                    "× one",
                    over(of("two-processes", "per_second"), of("pipeline", "per_second")),
                    1.6,
                    True,
                ),
            ),
        ),
        Target("SQLite", (Check("steps/s", of("sqlite", "per_second"), 800, True),)),
        Target(
            "testing kit on SQLite",
            (
                Check("claims/s", of("kit", "claims_per_second"), 300, True),
                Check("s for 100 items with a child each", of("kit", "children_seconds"), 2),
            ),
        ),
        Target(
            "statements of a tree, each execution: at the whole size, of a quarter of it",
            (
                Check("failure", of("fail-tree", "growth"), 1.2),
                Check("cancel and rollback", of("cancel-tree", "growth"), 1.2),
                Check("cancel of a crowd", of("cancel-crowd", "growth"), 1.2),
            ),
        ),
        Target(
            "make test, both databases (the latest run here, if there was one)",
            (Check("minutes", _suite_minutes(), 12),),
        ),
    ]


def _same_rate(figures: Figures) -> float | None:
    """The rate at the whole size over that at the smallest, the worse of both batch sizes."""
    rates = []
    for batch in (100, 1):
        small, large = figures.last("foreach", "size", batch=batch), None
        if small is not None:
            tenth = int(small) // 10
            large = figures.last("foreach", "per_second", batch=batch)
            rates.append(over(large, figures.of("foreach", "per_second", batch=batch, size=tenth)))
    return least(*rates)


def _suite_minutes() -> float | None:
    """The wall time of the suite on both databases, from the results that it has left."""
    seconds = 0.0
    for database in ("sqlite", "postgres"):
        try:
            root = ElementTree.parse(ROOT / ".cache" / "results" / f"py-{database}.xml").getroot()
        except (OSError, ElementTree.ParseError):
            return None
        seconds += sum(float(suite.get("time", 0)) for suite in root.iter("testsuite"))
    return seconds / 60
