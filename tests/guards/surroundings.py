"""The guards around a step and a worker: what leaks between steps, pools, fixtures, settings."""

from __future__ import annotations

from tests.guards.mutation import Mutation, mutation

_STEPS = "tests/life/test_surroundings.py::SurroundingsTests::test_"
_SLOTS = "tests/life/test_surroundings.py::WorkerSurroundingsTests::test_"
_MOVES = "tests/test_fixtures.py::FixtureTests::test_"

SURROUNDINGS: tuple[Mutation, ...] = (
    mutation(
        0,
        "what a step sets in a context variable is gone with it",
        "context:apart",
        "    return copy_context().run(_by_default, function, *args)\n",
        "    return _by_default(function, *args)\n",
        _STEPS + "what_a_step_sets_does_not_reach_the_test_and_the_tests_not_the_step",
    ),
    mutation(
        0,
        "a step begins in Django's time zone",
        "context:_by_default",
        "    timezone.deactivate()\n",
        "",
        _STEPS + "what_a_step_sets_does_not_reach_the_test_and_the_tests_not_the_step",
    ),
    mutation(
        0,
        "a step begins in Django's language",
        "context:_by_default",
        "    translation.deactivate()\n",
        "",
        _STEPS + "what_a_step_sets_does_not_reach_the_test_and_the_tests_not_the_step",
    ),
    mutation(
        0,
        "a forked process does not go on with its parent's random bytes",
        "fields:_after_fork",
        '_lock, _random = threading.Lock(), b""',
        "_lock = threading.Lock()",
        "tests/life/test_ids.py::IdTests::test_a_forked_process_makes_ids_of_its_own",
    ),
    mutation(
        0,
        "the record of a step keeps the memory of increments, which its data leaves out",
        "work:Forward.checkpoint",
        "text if keep or not increments else None",
        "text",
        "tests/life/test_values_between_steps.py::TypeTests::"
        "test_a_record_keeps_the_memory_of_increments_and_the_data_does_not",
    ),
    mutation(
        0,
        "decimal's context is changed in place, so a step gets a copy of it",
        "context:_with_decimals",
        "    decimal.setcontext(decimal.getcontext().copy())  # the only variable changed"
        " in place\n",
        "",
        _STEPS + "a_step_begins_in_djangos_defaults_whatever_ran_before_it",
    ),
    mutation(
        0,
        "what a body sets does not reach the callables of the flow behind it",
        "attempt:StepAttempt._body",
        "apart_again(\n                call, self.step,",
        "call(\n                self.step,",
        _STEPS + "the_callables_of_a_flow_begin_in_djangos_defaults_too",
    ),
    mutation(
        0,
        "what a callable of the flow sets is gone with it",
        "walk:Walk._asked",
        "apart(function, self.instance, *self.arguments())",
        "function(self.instance, *self.arguments())",
        _STEPS + "the_callables_of_a_flow_begin_in_djangos_defaults_too",
    ),
    mutation(
        0,
        "the steps of a slot share the clients of the caches",
        "slots:Slots._work",
        "        open_caches()\n",
        "",
        _SLOTS + "steps_of_one_slot_share_the_clients_of_the_caches",
    ),
    mutation(
        0,
        "a fixture carries the text of a value",
        "fields:DataField.value_from_object",
        "        value = super().value_from_object(obj)\n",
        "        return super().value_from_object(obj)\n",
        _MOVES + "values_keep_their_kind_in_a_fixture",
    ),
    mutation(
        0,
        "a fixture carries what increments remember",
        "fields:DataField.value_from_object",
        "keep_increments=True",
        "keep_increments=False",
        _MOVES + "every_column_is_the_same_after_the_journey_there_and_back",
    ),
    mutation(
        0,
        "a schedule that migrate has made gives way to that of a fixture",
        "deployed:give_way",
        "    rows.filter(firings__isnull=True).exclude(pk=loaded.pk).delete()\n",
        "",
        _MOVES + "a_schedule_that_migrate_has_made_is_the_one_that_the_fixture_brings",
    ),
    mutation(
        0,
        "a schedule that has fired is not replaced by a fixture",
        "deployed:give_way",
        "filter(firings__isnull=True)",
        "all()",
        _MOVES + "a_schedule_that_has_fired_here_is_not_replaced",
    ),
)
