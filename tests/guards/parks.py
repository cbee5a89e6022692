"""The guards of parks and deliveries that share a commit: each under its own fence and lock."""

from __future__ import annotations

from tests.guards.mutation import Mutation, mutation

_PARKS = "tests/concurrency/test_parks.py::BatchTests::test_"
_REPEATED = "tests/crash/test_repeated_writes.py::RepeatedWriteTests::test_"

PARKS: tuple[Mutation, ...] = (
    mutation(
        0,
        "who has lost its claim does not park",
        "parks:_held",
        "stands == place and not",
        "not",
        _PARKS + "one_whose_claim_is_lost_is_left_out_and_the_others_park",
    ),
    mutation(
        0,
        "who is asked to pause does not wait",
        "parks:_held",
        "and not pause and",
        "and",
        _PARKS + "one_that_is_to_pause_or_to_cancel_is_left_out",
        _PARKS + "one_that_is_to_pause_or_to_cancel_does_so_at_its_wait",
    ),
    mutation(
        0,
        "who is asked to cancel does not wait",
        "parks:_held",
        " and cancel is None:",
        ":",
        _PARKS + "one_that_is_to_pause_or_to_cancel_is_left_out",
        _PARKS + "one_that_is_to_pause_or_to_cancel_does_so_at_its_wait",
    ),
    mutation(
        0,
        "who parks with others looks into its inbox, too",
        "parks:write",
        "_without_events(_held(batch))",
        "_held(batch)",
        _PARKS + "one_whose_event_was_there_first_is_left_out",
    ),
    mutation(
        0,
        "a park whose shared commit got no answer is looked for before it is made again",
        "suspend:park",
        "in_doubt = shared.in_doubt",
        "pass",
        _REPEATED + "a_park_that_needs_nothing_else_is_made_once",
    ),
)
