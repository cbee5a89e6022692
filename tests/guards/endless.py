"""The guards against what never ends: far times, and an engine that trips over the same row."""

from __future__ import annotations

from tests.guards.mutation import Mutation, mutation

_CHILD = "tests/parts/test_child_refusals.py::ChildRefusalTests::test_"
_TRIP = "tests/worker/test_engine_trips.py::TripTests::test_"
_OUTAGE = "tests/worker/test_engine_trips.py::CommittingTripTests::test_"
_DUTY = "tests/worker/test_duty_trips.py::DutyTests::test_"
_CLAIM = "tests/worker/test_claim_trips.py::ClaimTripTests::test_"
_FAR = "tests/life/test_far_times.py::FarTimeTests::test_"

ENDLESS: tuple[Mutation, ...] = (
    mutation(
        0,
        "an option that spans more than the calendar is no definition",
        "values:span",
        "    if why := beyond_past(value) if ago else beyond(value):\n",
        "    if ago and (why := beyond_past(value)):\n",
        _FAR + "a_span_or_moment_past_the_calendar_is_no_definition",
    ),
    mutation(
        0,
        "a retention that reaches back beyond the calendar is no definition",
        "options:_normal",
        "            return span(value, where, option, ago=True)\n",
        "            return span(value, where, option)\n",
        _FAR + "a_retention_that_reaches_back_beyond_the_calendar_is_no_definition",
    ),
    mutation(
        0,
        "a wait that ends past the calendar is not opened",
        "context:WaitSpec.checked",
        "            if when is not None and (why := beyond(when)):\n",
        "            if when is not None and (why := beyond(when)) and not why:\n",
        _FAR + "a_wait_that_ends_past_the_calendar_fails_its_step",
        _FAR + "a_span_or_moment_past_the_calendar_is_no_definition",
    ),
    mutation(
        0,
        "an escalation goes forward",
        "asks:_people",
        "        if step[0] < timedelta(0):\n",
        "        if step[0] != step[0]:\n",
        _FAR + "nobody_is_added_before_a_question_is_asked",
    ),
    mutation(
        0,
        "the keys of a child are told where the body asks for it",
        "children:Child.of",
        "        keys = correlation_keys(definition, data, options)\n",
        "        keys: list[str] = []\n",
        _CHILD + "a_key_that_cant_be_told_fails_the_step",
        _CHILD + "the_body_may_catch_it_and_so_may_the_flow",
    ),
    mutation(
        0,
        "the name of a child is checked where the body asks for it",
        "step_context:StepContext.start_workflow",
        '        sizes.text("the name of a child workflow", place[1])\n',
        "",
        _CHILD + "a_name_that_is_too_long_fails_the_step",
    ),
    mutation(
        0,
        "an error of the engine counts against the execution",
        "runner:run",
        "            trip(one, error, cls.definition.options.max_recoveries)\n",
        "            raise\n",
        _TRIP + "it_counts_waits_longer_and_longer_and_is_blocked_in_the_end",
        _TRIP + "a_retry_frees_it_with_as_many_recoveries_as_before",
    ),
    mutation(
        0,
        "an outage counts against no execution",
        "runner:run",
        "        if cls is None or is_unavailable(error):\n",
        "        if cls is None:\n",
        _OUTAGE + "an_outage_counts_nothing",
    ),
    mutation(
        0,
        "after as many recoveries as allowed an execution is blocked",
        "trip:trip",
        "row.recoveries < allowed + (asked and not claim.at.undoes_all)",
        "row.recoveries >= 0",
        _TRIP + "it_counts_waits_longer_and_longer_and_is_blocked_in_the_end",
        _TRIP + "none_are_allowed_if_it_says_zero",
    ),
    mutation(
        0,
        "what was asked of an execution is obeyed before it is blocked",
        "trip:trip",
        "    asked = row.pause_requested or row.cancel_requested_at is not None\n",
        "    asked = False\n",
        _OUTAGE + "what_is_asked_of_it_meanwhile_is_obeyed",
    ),
    mutation(
        0,
        "each recovery comes later than the one before",
        "trip:_pause",
        "2 ** min(row.recoveries, 30)",
        "1",
        _TRIP + "it_counts_waits_longer_and_longer_and_is_blocked_in_the_end",
    ),
    mutation(
        0,
        "a blocked execution that is freed has all its recoveries again",
        "trip:_block",
        "    Execution.objects.filter(pk=row.pk).stand_at(recoveries=0)\n",
        "",
        _TRIP + "a_retry_frees_it_with_as_many_recoveries_as_before",
    ),
    mutation(
        0,
        "a row that can't be claimed keeps no other from being claimed",
        "claim:claim_due",
        "        if is_unavailable(error):\n",
        "        if error:\n",
        _CLAIM + "one_claim_takes_all_but_the_row_that_trips",
    ),
    mutation(
        0,
        "what a duty fails with keeps it from nothing else that is due",
        "share:each",
        "            if is_unavailable(error) or connection().in_atomic_block:\n",
        "            if error:\n",
        _DUTY + "events_to_carriers_of_keys",
        _DUTY + "events_in_inboxes",
        _DUTY + "ends_of_children",
        _DUTY + "slots",
        _DUTY + "notices",
        _DUTY + "dead_workers",
    ),
    mutation(
        0,
        "a row that can't be claimed counts its recoveries",
        "landings:Landings.put_off",
        ', recoveries=F("recoveries") + 1',
        "",
        _CLAIM + "a_row_that_cant_be_read_counts_and_is_blocked_in_the_end",
    ),
    mutation(
        0,
        "an item with which the engine failed leaves its batch",
        "runner:_run",
        "        runner.leave_batch()",
        "        pass",
        _OUTAGE + "an_item_that_trips_holds_up_no_other",
    ),
    mutation(
        0,
        "workers that die outside of any body are counted",
        "runner:Runner._refuse_deadly_place",
        "        if claim.at.recoveries > allowed:\n",
        "        if claim.at.recoveries < 0:\n",
        _TRIP + "workers_that_die_outside_of_any_body_are_counted",
    ),
    mutation(
        0,
        "a failure that can't be written when a step's time is over counts, too",
        "attempt:StepAttempt.give_up",
        "            trip(self.claim, error, self.work.definition.options.max_recoveries)\n",
        "            raise\n",
        "tests/worker/test_trips.py::TripTests::"
        "test_a_step_whose_time_is_over_is_counted_when_the_engine_fails_with_that",
    ),
)
