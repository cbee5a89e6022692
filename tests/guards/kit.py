"""The guards of due work in the kit, and of statements that are kept for later calls."""

from __future__ import annotations

from tests.guards.mutation import Mutation, mutation

_DUE = "tests/kit/test_due_work.py::"
_COST = "tests/kit/test_cost.py::CostTests::test_"
_KEPT = "tests/life/test_compiled_statements.py::StatementTests::test_"

KIT: tuple[Mutation, ...] = (
    mutation(
        0,
        "a stopped clock is no part of a kept statement",
        "clock:now_sql",
        "present if _kept.get() else present.bound(connection)",
        "present.bound(connection)",
        _KEPT + "a_stopped_clock_is_read_in_each_call",
    ),
    mutation(
        0,
        "a statement is compiled for each fixed value",
        "statement:Statement._compiled",
        ", *(values[name] for name in self._fixed)",
        "",
        _KEPT + "a_fixed_value_is_built_in_and_another_one_is_compiled_anew",
    ),
    mutation(
        0,
        "before a drain ends it does the duties by the clock",
        "inline:work",
        "claim is not None or _keep_up(rota, seen)",
        "claim is not None",
        _DUE + "StrayTests::test_what_a_stopped_worker_holds_is_freed",
        _DUE + "OrphanTests::test_what_a_step_starts_is_blocked_if_nobody_has_its_code",
    ),
    mutation(
        0,
        "what upkeep has made due is done by the same drain",
        "workers:_unblock_found",
        "    return found + _unblock_parents(own_kinds)\n",
        "    _unblock_parents(own_kinds)\n    return 0\n",
        _DUE + "OrphanTests::test_what_was_blocked_runs_in_the_drain_that_finds_its_code",
    ),
    mutation(
        0,
        "declared schedules are registered before anything fires",
        "rota:Rota.due",
        "(upkeep or duty.every == ONCE)",
        "upkeep",
        _DUE + "ScheduleTests::test_one_that_is_declared_no_longer_does_not_fire_once_more",
    ),
    mutation(
        0,
        "a schedule that has failed is not in line: a deploy ends its back-off",
        "deployed:_in_line",
        "            and not row.failures\n",
        "",
        "tests/calendar/test_declared.py::DeclaredTests::"
        "test_a_deploy_after_a_failure_neither_waits_longer_nor_forgets_a_slot_that_is_due",
    ),
    mutation(
        0,
        "rows of schedules that no class declares any more are not in line",
        "deployed:_in_line",
        "len(mine) == len(declared) and all(",
        "all(",
        _DUE + "ScheduleTests::test_one_that_is_declared_no_longer_goes",
    ),
    mutation(
        0,
        "the first of all queues is claimed",
        "inline:_NEXT",
        "ORDER BY first.rank, first.ready_at, first.id LIMIT 1\n",
        "ORDER BY queues.name DESC LIMIT 1\n",
        "tests/kit/test_testing_kit.py::RunTests::"
        "test_drain_works_in_a_fixed_order_one_after_the_other",
    ),
)
