"""The scenarios: each measures one thing, for one engine at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.measuring.bench import Bench
from benchmarks.measuring.environments import NAMES

PEERS = NAMES[1:]
OURS = NAMES[:1]


@dataclass(frozen=True)
class Scenario:
    """One measurement, and who takes part in it."""

    name: str
    run: Callable[[Bench, str, int], None]
    engines: tuple[str, ...] = OURS
    #: repeated in every round, interleaved with the others; else measured once
    repeated: bool = True
