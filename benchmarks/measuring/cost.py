"""What a stretch of work took: time, CPU of workers and of PostgreSQL, WAL, commits."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring.server import Server

TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """The difference of two readings."""

    seconds: float
    worker_cpu: float  # seconds, user and system, of the worker processes
    server_cpu: float | None  # the same of all of PostgreSQL's processes, background ones too
    wal_bytes: int  # without page images, see ``Written``
    commits: int | None  # that changed something

    def per(self, units: int) -> dict[str, float]:
        """The figures of one unit of work, as they are reported."""
        found = {
            "per_second": units / self.seconds,
            "seconds": self.seconds,
            "worker_ms": 1000 * self.worker_cpu / units,
            "wal_bytes": self.wal_bytes / units,
        }
        if self.server_cpu is not None:
            found["server_ms"] = 1000 * self.server_cpu / units
            found["cpu_ms"] = found["worker_ms"] + found["server_ms"]
        if self.commits is not None:
            found["commits"] = self.commits / units
        return found


class Meter:
    """Reads all counters when it is made, and again at ``stop``."""

    def __init__(self, server: Server, workers: Iterable[int] = ()) -> None:
        self._server, self._workers = server, tuple(workers)
        self._postmaster = server.postmaster()
        self._wal = server.wal_position()
        self._begin = self._read()
        self._time = time.monotonic()

    def stop(self, at: float | None = None) -> Cost:
        """The cost until now; the time until ``at`` (monotonic), if the end was seen earlier."""
        ended = at if at is not None else time.monotonic()
        (workers, server), (workers_before, server_before) = self._read(), self._begin
        written = self._server.written(self._wal, self._server.wal_position())
        return Cost(
            seconds=ended - self._time,
            worker_cpu=workers - workers_before,
            server_cpu=None if server is None or server_before is None else server - server_before,
            wal_bytes=written.size,
            commits=written.commits,
        )

    def _read(self) -> tuple[float, float | None]:
        workers = sum(cpu_of(pid) for pid in self._workers)
        return workers, None if self._postmaster is None else tree_cpu(self._postmaster)


def cpu_of(pid: int, *, reaped: bool = True) -> float:
    """Seconds of CPU that a process has taken, with the children that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    # utime, stime, and the same of reaped children: fields 14 to 17 of proc(5).
    times = fields[11:15] if reaped else fields[11:13]
    return sum(map(int, times)) * TICK


def tree_cpu(postmaster: int) -> float:
    """Seconds of the postmaster and its children; ended ones count in what it has reaped."""
    total = cpu_of(postmaster)
    tasks = Path(f"/proc/{postmaster}/task")
    for children in tasks.glob("*/children"):
        for child in children.read_text().split():
            try:
                total += cpu_of(int(child))
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ends just now: counted with the reaped ones the next time
    return total


def resident_mb(pid: int) -> float:
    """The memory of a process."""
    return _status(pid, "VmRSS") / 1024


def peak_mb(pid: int) -> float:
    """The most memory that a process has had."""
    return _status(pid, "VmHWM") / 1024


def _status(pid: int, name: str) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split(f"{name}:")[1].split()[0])
