"""The testing kit: run workflows in process, move the clock, assert on the result.

Works in ``django.test.TestCase`` and under pytest, without a worker, and never sleeps.
"""

from durable.testing.assertions import (
    assert_completed,
    assert_step,
    assert_waiting_for,
    describe,
)
from durable.testing.running import drain, run, worker
from durable.testing.standing_in import isolate_workflows, replace_step
from durable.testing.travel import advance, time_travel

__all__ = [
    "advance",
    "assert_completed",
    "assert_step",
    "assert_waiting_for",
    "describe",
    "drain",
    "isolate_workflows",
    "replace_step",
    "run",
    "time_travel",
    "worker",
]
