"""All scenarios, in the order of a round."""

from __future__ import annotations

from benchmarks.scenarios import (
    embedded,
    growth,
    items,
    latency,
    parking,
    recovery,
    standing,
    starts,
    throughput,
)

SCENARIOS = (
    *throughput.SCENARIOS,
    *latency.SCENARIOS,
    *starts.SCENARIOS,
    *parking.SCENARIOS,
    *standing.SCENARIOS,
    *items.SCENARIOS,
    *recovery.SCENARIOS,
    *embedded.SCENARIOS,
    *growth.SCENARIOS,
)
