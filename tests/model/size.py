"""How much the random tests play: a little in each run of the suite, ``TIMES`` as much if asked."""

from __future__ import annotations

import os
from collections.abc import Mapping

#: to search for longer: how many times as many flows, trees or executions each test tries
TIMES = int(os.environ.get("DURABLE_TEST_TIMES", "1"))


def seeds(number: int) -> range:
    """The games that are played; there are ``number`` of them, once."""
    return range(number * TIMES)


def needed(of_eight: Mapping[str, int]) -> dict[str, int]:
    """What must have happened in all games together, if eight times as many must have so much."""
    return {what: least * TIMES // 8 for what, least in of_eight.items()}
