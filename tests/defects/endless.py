"""The guards against what never ends: far times, and an engine that trips over the same row."""

from __future__ import annotations

from tests.defects.mutation import Mutation, mutation

_CHILD = "tests/composition/test_child_refusals.py::ChildRefusalTests::test_"
_FAR = "tests/engine/test_far_times.py::FarTimeTests::test_"

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
        "context:Ask.checked",
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
        "        keys = correlation_keys(definition, data, ())\n",
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
)
