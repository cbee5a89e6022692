"""The guards of parks and deliveries that share a commit: each under its own fence and lock."""

from __future__ import annotations

from tests.guards.mutation import Mutation, mutation

_PARKS = "tests/concurrency/test_parks.py::BatchTests::test_"
_INBOXES = "tests/concurrency/test_deliveries.py::InboxTests::test_"
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
    mutation(
        0,
        "inboxes that can't be emptied together are emptied one by one",
        "deliver:_inboxes",
        '        logger.info("could not empty the inboxes together", exc_info=error)\n',
        "        raise\n",
        "tests/worker/test_duty_trips.py::DutyTests::test_events_in_inboxes",
    ),
    mutation(
        0,
        "an event goes to no wait that was resolved since it was read",
        "deliver:Gifts.write",
        "written != len(self._answers) + len(partly) + len(self._taken)",
        "False",
        _INBOXES + "a_wait_that_is_over_since_it_was_read_takes_nothing",
        _INBOXES + "an_event_that_was_consumed_since_it_was_read_is_given_to_nobody_else",
    ),
    mutation(
        0,
        "a portion of events is bounded, however many inboxes it is for",
        "deliver:empty_inboxes",
        "    limit = EVENTS_AT_ONCE\n",
        "    limit = 1_000_000\n",
        _INBOXES + "a_portion_is_bounded_however_many_inboxes_it_is_for",
    ),
)
