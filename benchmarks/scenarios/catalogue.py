"""All scenarios, in the order of a round."""

from __future__ import annotations

from benchmarks.scenarios import latency, parking, starts, throughput

SCENARIOS = (
    *throughput.SCENARIOS,
    *latency.SCENARIOS,
    *starts.SCENARIOS,
    *parking.SCENARIOS,
)
