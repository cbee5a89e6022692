"""The guards of parks and deliveries that share a commit: each under its own fence and lock."""

from __future__ import annotations

from tests.guards.mutation import Mutation, mutation

_PARKS = "tests/concurrency/test_parks.py::BatchTests::test_"
_INBOXES = "tests/concurrency/test_deliveries.py::InboxTests::test_"
_JOURNALS = "tests/life/test_journals_of_claims.py::JournalTests::test_"
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
        "gifts:Gifts.write",
        "written != len(self._answers) + len(partly) + len(self._taken)",
        "False",
        _INBOXES + "a_wait_that_is_over_since_it_was_read_takes_nothing",
        _INBOXES + "an_event_that_was_consumed_since_it_was_read_is_given_to_nobody_else",
    ),
    mutation(
        0,
        "a portion of events is bounded, however many inboxes it is for",
        "deliver:_locked_with_events",
        "busy=list(busy), limit=EVENTS_AT_ONCE)",
        "busy=list(busy), limit=1_000_000)",
        _INBOXES + "a_portion_is_bounded_however_many_inboxes_it_is_for",
    ),
    mutation(
        0,
        "the journal of a claim is that of the visit at which it stands",
        "journal:_where_they_stand",
        '{"path": F("execution__path"), "visit": F("execution__visit")}',
        "{}",
        _JOURNALS + "it_has_the_waits_of_its_visit_alone",
    ),
    mutation(
        0,
        "the journal of a claim is read again once the claim has moved",
        "held:Claim.read_journal",
        "if known is not None and known[0] is self.at:",
        "if known is not None:",
        _JOURNALS + "it_is_for_the_place_at_which_it_was_read",
    ),
    mutation(
        0,
        "the journal of a claim has the records, too",
        "claim:_read_journals",
        'if row["recorded"]',
        "if False",
        _JOURNALS + "what_was_run_is_not_run_again",
    ),
    mutation(
        5,
        "a step that ends well closes the waits that it did not need",
        "finish:finish_completed",
        "        close(_UNCLOSED(ids=journaled))\n",
        "        pass\n",
        _JOURNALS + "a_wait_that_the_last_step_does_without_is_closed",
    ),
    mutation(
        0,
        "a worker sees that an execution is to be woken with its answer",
        "pulse:_PULSE",
        "  (SELECT 1 FROM durable_wait WHERE NOT told ORDER BY resolved_at LIMIT 1),\n",
        "  NULL,\n",
        "tests/people/test_questions.py::QuestionTests::test_text",
    ),
)
