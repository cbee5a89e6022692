"""The guards of composition, of the calendar, and some that are on no row of the list."""

from __future__ import annotations

from tests.defects.mutation import Edit, Mutation, mutation

TREES = "tests/defects/test_trees.py::"
ROLLBACK = "tests/defects/test_rollback.py::Defect16RollbackTests::test_"
CALENDAR = "tests/defects/test_calendar.py::"

_T1 = TREES + "Defect01FinalStatusTests::test_"
_T3 = TREES + "Defect03WaitInABranchTests::test_"
_T8 = TREES + "Defect08ParentTests::test_"
_T20 = TREES + "Defect20ItemTests::test_"
_C11 = CALENDAR + "Defect11SlotTests::test_"
_C17 = CALENDAR + "Defect17FailureTests::test_"
_C28 = CALENDAR + "Defect28DueTimeTests::test_"
_FIRES = "tests/schedules/test_several_workers.py::SeveralWorkersTests::test_"
_FAILS = "tests/schedules/test_run_time.py::FailureTests::test_"
_BLOCKS = "tests/composition/test_blocks.py::BlockTests::test_"
_ITEMS = "tests/composition/test_foreach.py::"
_MERGES = "tests/composition/test_parallel.py::MergeStrategyTests::test_"
_CHANGES = "tests/composition/test_merge.py::ChangeTests::test_"
_LISTS = "tests/client/test_lookup.py::ListTests::test_"
_RERUNS = "tests/client/test_retry_rerun.py::RerunTests::test_"
_REASONS = "tests/composition/test_cancel_reasons.py::CancelReasonTests::test_"
_RECORDED = "tests/composition/test_recorded_answers.py::RecordedAnswerTests::test_"
_ORDER = "tests/composition/test_order_of_completion.py::"
_PRUNES = "tests/schedules/test_retention.py::RetentionTests::test_"

COMPOSED: tuple[Mutation, ...] = (
    mutation(
        0,
        "a slot tells the heartbeat of a doubtful claim",
        "slots:Slots._work",
        "            if failed:\n                self._doubtful()\n",
        "",
        "tests/worker/test_claims.py::PartTests::"
        "test_a_slot_tells_of_a_claim_with_which_the_engine_itself_failed",
    ),
    mutation(
        0,
        "what lies in a paused queue is not ready",
        "pulse:_PULSE",
        "\n     AND queue NOT IN (SELECT name FROM durable_queue WHERE paused)\n",
        "\n",
        CALENDAR + "PausedQueueTests::test_what_lies_in_a_paused_queue_is_not_ready",
    ),
    mutation(
        0,
        "from a paused queue nothing is claimed",
        "queue:QueueQuerySet.room",
        "        if row.paused:\n            return 0\n",
        "",
        "tests/concurrency/test_claims.py::ClaimTests::"
        "test_a_paused_queue_gives_nothing_until_it_goes_on",
    ),
    mutation(
        0,
        "what a killed drain held has a lease",
        "inline:_next",
        "        claims = claim_due(presence.worker(), queue, registry.kinds(), 1)\n",
        "        claims = claim_due(uuid7(), queue, registry.kinds(), 1)\n",
        "tests/kit/test_testing_kit.py::KilledTests::"
        "test_what_it_held_is_due_again_when_the_lease_has_run_out",
    ),
    mutation(
        1,
        "a status moves along the table only",
        "execution:ExecutionQuerySet.move",
        "self.filter(status__in=sources(target)).update(",
        "self.update(",
        _T1 + "whoever_comes_late_with_another_end_changes_nothing",
    ),
    mutation(
        0,
        "what is stopped with its parent says why",
        "tree_of:stop",
        ", cancel_reason=why",
        "",
        _REASONS + "what_lies_below_a_cancelled_execution_names_it_and_its_reason_at_every_depth",
        _REASONS + "siblings_of_a_failed_branch_name_it_and_its_error",
        _REASONS + "a_child_that_nobody_waits_for_any_longer_names_who_did",
    ),
    mutation(
        0,
        "items that end with their execution before their turn say why",
        "tree_of:_stop_unstarted",
        ", cancel_reason=why",
        "",
        _REASONS + "items_without_a_turn_of_a_cancelled_execution_name_it",
    ),
    mutation(
        0,
        "items that get no turn say why",
        "turns:stop_turns",
        ", cancel_reason=why",
        "",
        _REASONS + "items_without_a_turn_say_why_none_comes",
        _REASONS + "items_of_a_batch_that_another_has_stopped_say_so",
    ),
    mutation(
        0,
        "a part passes on the reason for which it is cancelled",
        "reasons:cancelled",
        "    if execution.role in (Role.BRANCH, Role.ITEM):\n",
        "    if False:\n",
        _REASONS + "what_a_branch_calls_while_its_execution_is_cancelled_gets_the_same_reason",
    ),
    mutation(
        0,
        "a wait that is on record needs no class, form or row",
        "step_context:StepContext.ask",
        "        if wait is None:\n            _check_new(ask)\n",
        "        _check_new(ask)\n        if wait is None:\n",
        _RECORDED + "the_result_of_a_child",
        _RECORDED + "the_failure_of_a_child",
        _RECORDED + "the_timeout_of_a_child",
        _RECORDED + "of_a_standing_node_in_items",
        _RECORDED + "the_answer_to_a_form_that_the_class_has_no_more",
        _RECORDED + "the_answer_to_a_choice_among_rows_that_have_gone",
        _RECORDED + "a_wait_that_is_still_open_goes_on_waiting",
    ),
    mutation(
        0,
        "a start that is on record needs no class",
        "step_context:StepContext.start_workflow",
        "        if record is not None:\n",
        "        startable(workflow)\n        if record is not None:\n",
        _RECORDED + "the_id_of_a_started_child",
    ),
    mutation(
        0,
        "what can't be asked anew is refused when it is asked",
        "step_context:_check_new",
        "    ask.checked()\n",
        "",
        _RECORDED + "what_is_not_on_record_still_needs_its_class_and_its_form",
    ),
    mutation(
        16,
        "what ends in one process is in order, over all rows",
        "held:completed_after",
        "    return clock.in_order(present)\n",
        "    return present\n",
        _ORDER + "FrozenClockTests::test_a_branch_that_was_resumed_later_is_undone_first",
        _ORDER + "FrozenClockTests::"
        "test_over_branches_items_and_children_in_whatever_order_they_go_on",
        _ORDER + "FrozenClockTests::test_after_a_pause_and_after_the_clock_has_moved",
        _ORDER + "CoarseClockTests::"
        "test_claims_of_one_process_complete_in_order_whatever_they_take_the_time_to_be",
    ),
    mutation(
        16,
        "SQLite's present is taken to the microsecond",
        "claim:_claim",
        'clock.precise(row["present"], connection())',
        'clock.parse(row["present"])',
        _ORDER + "CoarseClockTests::test_a_claim_knows_the_microseconds_that_sqlite_does_not_tell",
    ),
    mutation(
        16,
        "a failed attempt has its place in the order",
        "attempt:StepAttempt.fail",
        "ended_at=next_completed_at(claim)",
        "ended_at=claim.now()",
        _ORDER + "FrozenClockTests::"
        "test_an_attempt_with_an_unknown_outcome_has_its_place_in_the_order",
    ),
    mutation(
        16,
        "an attempt in which a worker died has its place in the order",
        "finish:_note_crash",
        "    at = completed_after(clock.read(database()), row.last_completed_at)\n",
        "    at = clock.read(database())\n",
        _ORDER + "FrozenClockTests::test_so_has_one_in_which_a_worker_has_died",
    ),
    mutation(
        1,
        "an execution that rolls back keeps its status while nobody holds it",
        "release:let_go",
        "    if claim.status == Status.COMPENSATING and target in"
        " (Status.PENDING, Status.WAITING):\n",
        "    if False:\n",
        _T1 + "a_rollback_that_goes_through_the_queue_ends_as_compensated",
    ),
    mutation(
        1,
        "a claim leaves an execution that rolls back in its status",
        "claim:claim_due",
        "    if rolling_back:  # they stay",
        "    if False:  # they stay",
        _T1 + "a_rollback_that_goes_through_the_queue_ends_as_compensated",
    ),
    mutation(
        1,
        "a rollback ends in a status of its own",
        "rollback:_conclude",
        'if why["failed"] else Status.COMPENSATED\n',
        'if why["failed"] else Status.FAILED\n',
        _T1 + "a_rollback_that_goes_through_the_queue_ends_as_compensated",
    ),
    mutation(
        3,
        "a branch ends at the end of its own steps",
        "position:Walk.leave",
        "                case _:  # the end of the flow, of a branch or of an item\n",
        "                case Parallel():\n"
        "                    path = owner.path\n"
        "                case _:\n",
        _T3 + "after_a_wait_in_a_branch_the_rest_of_that_branch_runs_and_nothing_else",
    ),
    mutation(
        3,
        "a wait belongs to the branch that waits",
        "suspend:_open",
        "        execution_id=claim.execution_id,\n        root_id=claim.root_id,\n",
        "        execution_id=claim.root_id,\n        root_id=claim.root_id,\n",
        _T3 + "after_a_wait_in_a_branch_the_rest_of_that_branch_runs_and_nothing_else",
        _T3 + "a_wait_leaves_no_mark_in_the_data",
    ),
    mutation(
        3,
        "a branch stands at a position of its own",
        "fan_out:_child",
        "        path=path,\n        visit=1,\n",
        "        path=body.nodes[-1].path,\n        visit=1,\n",
        _T3 + "after_a_wait_in_a_branch_the_rest_of_that_branch_runs_and_nothing_else",
    ),
    mutation(
        8,
        "every end is to be told",
        "finish:_RELEASED",
        'default=F("awaited")),',
        'default=F("unreported")),',
        _T8 + "a_parent_is_woken_by_a_child_that_completes",
        _T8 + "a_parent_is_woken_by_a_child_that_fails",
        _T8 + "a_parent_is_woken_by_a_child_that_is_compensated",
        _T8 + "a_parent_is_woken_by_a_child_whose_workers_die",
    ),
    mutation(
        8,
        "a cancelled one is to be told too, also an item",
        "finish:finish",
        '        changes["unreported"] = F("awaited")',
        '        changes["unreported"] = F("unreported")',
        _T8 + "a_parent_is_woken_by_a_child_that_is_cancelled",
        _T8 + "a_worker_sees_that_a_parent_is_to_be_told",
        _ITEMS + "ControlTests::test_cancel_while_an_item_is_in_its_step_ends_the_tree",
    ),
    mutation(
        8,
        "a wait is answered by whatever end its child comes to",
        "report:_answer",
        "    Wait.objects.filter(child=child).resolve(",
        "    if child.status == Status.COMPLETED:\n"
        "        Wait.objects.filter(child=child).resolve(",
        _T8 + "a_parent_is_woken_by_a_child_that_fails",
        _T8 + "a_parent_is_woken_by_a_child_that_is_cancelled",
        _T8 + "a_parent_is_woken_by_a_child_that_is_compensated",
        _T8 + "a_parent_is_woken_by_a_child_whose_workers_die",
    ),
    mutation(
        8,
        "a parent that is told is woken",
        "report:report_to",
        "    if not parent.is_finished:\n        _wake(parent)\n",
        "",
        _T8 + "a_parent_is_woken_by_a_child_that_completes",
        _T8 + "a_parent_is_woken_by_a_child_that_is_cancelled",
    ),
    mutation(
        8,
        "a worker sees that there is something to tell",
        "pulse:_PULSE",
        ",\n    (SELECT 1 FROM durable_execution WHERE unreported ORDER BY parent_id LIMIT 1)),",
        "),",
        _T8 + "a_worker_sees_that_a_parent_is_to_be_told",
    ),
    mutation(
        11,
        "start and advance are one transaction",
        "fire:_fire",
        "@in_transaction\ndef _fire(",
        "def _fire(",
        _FIRES + "a_crash_before_the_commit_leaves_the_slot_due",
    ),
    mutation(
        11,
        "what is due is looked at again under the lock",
        "fire:_fire",
        "lock(Schedule.objects.due().filter(pk=pk), skip_locked=True)",
        "lock(Schedule.objects.filter(pk=pk), skip_locked=True)",
        _C11 + "whoever_comes_second_looks_again_and_finds_nothing_due",
    ),
    mutation(
        11,
        "a start advances its schedule",
        "fire:_fire",
        "    Schedule.objects.filter(pk=pk).update(next_run_at=following)\n",
        "",
        _C11 + "a_start_and_the_next_time_go_together",
        _C11 + "a_slot_that_was_fired_is_not_fired_again_whatever_the_next_time_says",
    ),
    mutation(
        11,
        "a slot that was fired is passed over",
        "fire:_fire",
        "        if slot not in known and not _fire_slot(",
        "        if not _fire_slot(",
        _C11 + "a_slot_that_was_fired_is_not_fired_again_whatever_the_next_time_says",
    ),
    mutation(
        11,
        "a slot is unique",
        "schedule:Firing.Meta",
        'models.UniqueConstraint(fields=("schedule", "slot"), name="durable_firing_once"),',
        "",
        _C11 + "no_slot_is_on_record_twice",
        more=(
            Edit(
                "0001_initial:Migration",
                "        migrations.AddConstraint(\n"
                "            model_name='firing',\n"
                "            constraint=models.UniqueConstraint(fields=('schedule', 'slot'),"
                " name='durable_firing_once'),\n"
                "        ),\n",
                "",
            ),
        ),
    ),
    mutation(
        16,
        "what a dead worker was undoing is due again",
        "workers:_free",
        "    freed = rolling_back.update(worker=None, **changes)\n",
        "    freed = 0\n",
        ROLLBACK + "a_worker_that_dies_in_a_rollback_leaves_the_rest_to_another",
    ),
    mutation(
        16,
        "what is undone is not undone again",
        "remaining:to_undo",
        "runs.filter(~Exists(undone), status__in=",
        "runs.filter(status__in=",
        ROLLBACK + "a_worker_that_dies_in_a_rollback_leaves_the_rest_to_another",
    ),
    mutation(
        16,
        "a compensation has retries of its own",
        "attempt:StepAttempt.fail",
        "        delay = fail.next_delay(self.step.retry, error,"
        " claim.attempt - claim.attempt_floor)\n",
        "        delay = fail.next_delay(self.step.retry, error,"
        " claim.attempt - claim.attempt_floor)\n"
        "        delay = None if claim.rolls_back else delay\n",
        ROLLBACK + "a_compensation_that_raises_is_tried_again_and_then_counts_as_failed",
    ),
    mutation(
        16,
        "a compensation that fails for good counts",
        "rollback:_conclude",
        'target = Status.COMPENSATION_FAILED if why["failed"] else Status.COMPENSATED',
        "target = Status.COMPENSATED",
        ROLLBACK + "a_compensation_that_raises_is_tried_again_and_then_counts_as_failed",
    ),
    mutation(
        16,
        "the rest is undone although one failed",
        "fail:_fail_for_good",
        "    if claim.rolls_back:\n        _go_on_undoing(claim)\n        return\n",
        "    if claim.rolls_back:\n"
        "        rollback._conclude(claim, {**claim.frames['~'], 'failed': [1]})\n"
        "        return\n",
        ROLLBACK + "a_compensation_that_raises_is_tried_again_and_then_counts_as_failed",
    ),
    mutation(
        16,
        "branches, items and children are undone too",
        "remaining:to_undo",
        "own | _below(execution_id, why)",
        "own",
        ROLLBACK + "what_branches_items_and_children_have_done_is_undone_newest_first",
        ROLLBACK + "each_gets_the_data_as_it_was_when_its_step_completed",
    ),
    mutation(
        16,
        "what is below children and branches is undone too",
        "remaining:_below",
        "    while level.exists():\n        condition |=",
        "    for _ in range(1):\n        condition |=",
        ROLLBACK + "what_branches_items_and_children_have_done_is_undone_newest_first",
    ),
    mutation(
        16,
        "the steps of a child whose class is not here are not passed over",
        "remaining:_compensable",
        "        yield True  # perhaps\n",
        "        yield False\n",
        "tests/composition/test_compensation.py::LackingTests::"
        "test_it_is_blocked_until_a_worker_has_it_and_then_undone_in_order",
    ),
    mutation(
        16,
        "newest first",
        "remaining:to_undo",
        '.order_by("-ended_at", "-id")',
        '.order_by("ended_at", "id")',
        ROLLBACK + "what_branches_items_and_children_have_done_is_undone_newest_first",
        ROLLBACK + "a_worker_that_dies_in_a_rollback_leaves_the_rest_to_another",
    ),
    mutation(
        16,
        "a compensation gets the data that its step left",
        "rollback:Undo.data",
        "        value = self.run.output if self.run.status == StepStatus.COMPLETED"
        " else self.run.input\n",
        "        value = codec.loads(self.claim.data)\n",
        ROLLBACK + "each_gets_the_data_as_it_was_when_its_step_completed",
    ),
    mutation(
        17,
        "a start that fails is caught and counted",
        "fire:_start",
        "    except Exception as error:\n        _count_failure(schedule, error, present)\n",
        "    except ZeroDivisionError as error:\n"
        "        _count_failure(schedule, error, present)\n",
        _C17 + "a_start_that_fails_is_not_due_again_at_once",
        _FAILS + "it_is_counted_shown_and_moved_on",
    ),
    mutation(
        17,
        "a schedule that can't start moves on",
        "fire:_count_failure",
        '        changes["next_run_at"] = _following(schedule, present + rest)\n',
        '        changes["next_run_at"] = present\n',
        _C17 + "a_start_that_fails_is_not_due_again_at_once",
    ),
    mutation(
        17,
        "a schedule that can't start is tried less and less often",
        "fire:_count_failure",
        "        rest = pause if schedule.failures else timedelta(0)\n",
        "        rest = pause * 0\n",
        _FAILS + "it_is_tried_less_and_less_often",
    ),
    mutation(
        17,
        "failures are counted",
        "fire:_count_failure",
        '        "failures": F("failures") + 1,\n',
        "",
        _C17 + "a_start_that_fails_is_not_due_again_at_once",
        _FAILS + "it_is_counted_shown_and_moved_on",
    ),
    mutation(
        17,
        "the last error is shown",
        "fire:_count_failure",
        '        "last_error": f"{type(error).__name__}: {error}"[:2000],\n',
        "",
        _C17 + "a_start_that_fails_is_not_due_again_at_once",
        _FAILS + "it_is_counted_shown_and_moved_on",
    ),
    mutation(
        17,
        "a start that succeeds resets the count",
        "fire:_start",
        'pk=schedule.pk).update(last_run_at=slot, failures=0, last_error="")',
        "pk=schedule.pk).update(last_run_at=slot)",
        _FAILS + "success_resets_the_count",
    ),
    mutation(
        20,
        "increments are operations, not values",
        "merge:_operation",
        "    if delta is not None:\n",
        "    if False:\n",
        _BLOCKS + "foreach_counts_every_item_whatever_the_concurrency",
        _MERGES + "increments_and_appends_add_up_on_existing_and_missing_keys",
    ),
    mutation(
        20,
        "increments survive storage within a branch or item",
        "work:Forward.checkpoint",
        "            keep = self.block is not None\n",
        "            keep = False\n",
        _MERGES + "increments_survive_many_steps_of_a_branch_and_a_retry",
    ),
    mutation(
        20,
        "an item leaves its changes behind, not all of its data",
        "work:Forward._outcome",
        "        self._changed = made = merge.changes(self._base, codec.loads(text))\n",
        "        self._changed = made = merge.changes({}, codec.loads(text))\n",
        _T20 + "an_item_that_leaves_a_value_alone_does_not_take_back_the_change_of_another",
    ),
    mutation(
        20,
        "continue starts the next item although one failed",
        "turns:is_stopped",
        '    if node.on_error == "continue":\n',
        "    if node.max_failures is not None:\n",
        _ITEMS + "ErrorTests::test_continue_tries_every_item_and_says_what_became_of_them",
    ),
    mutation(
        20,
        "continue goes on after the block although items failed",
        "join:join_foreach",
        '    if failures and (node.on_error == "fail_fast" or (limit is not None'
        " and failures > limit)):\n",
        "    if failures:\n",
        _ITEMS + "ErrorTests::test_continue_tries_every_item_and_says_what_became_of_them",
        _BLOCKS + "collects_results_in_order_and_continues_over_failures",
    ),
    mutation(
        20,
        "a block that is open is not opened again",
        "runner:Runner._block",
        "            if not join.has_children(claim):\n",
        "            if True:\n",
        _T20 + "a_worker_that_dies_while_it_closes_the_block_has_no_item_run_again",
    ),
    mutation(
        20,
        "an item that is finished is on record as such",
        "checkpoint:write",
        "        finish_completed([(c.execution_id, c.journaled) for c in finished])\n",
        "        if finished[0].role != Role.ITEM:\n"
        "            finish_completed([(c.execution_id, c.journaled) for c in finished])\n",
        _T20 + "after_a_crash_finished_items_do_not_run_again",
    ),
    mutation(
        21,
        "an unchanged value is no change",
        "merge:_operation",
        '    return None if old is not MISSING and _same(old, value) else ["set", value]\n',
        '    return ["set", value]\n',
        _MERGES + "an_unchanged_old_value_never_overwrites_a_change",
        _CHANGES + "nothing_changed_is_no_change",
    ),
    mutation(
        21,
        "the merge has three ways: it compares with the data before the block",
        "join:_deep",
        "        data = merge.apply(data, merge.changes(base, changed), base)\n    return data\n",
        "        data = merge.apply(data, merge.changes({}, changed), base)\n    return data\n",
        _MERGES + "an_unchanged_old_value_never_overwrites_a_change",
    ),
    mutation(
        21,
        "dicts are merged inside",
        "merge:_operation",
        "    if isinstance(value, dict) and (old is MISSING or isinstance(old, dict)):\n",
        "    if False:\n",
        _MERGES + "deep_applies_what_a_branch_changed_or_added_and_keeps_the_rest",
        _CHANGES + "deep_recurses_into_dicts",
    ),
    mutation(
        21,
        "another type is a change",
        "merge:_same",
        "    if type(one) is not type(other) or one != other:\n",
        "    if one != other:\n",
        _CHANGES + "types_count_as_changes",
    ),
    mutation(
        25,
        "a class is listed by its one name",
        "client:list_executions",
        "        name = workflow if isinstance(workflow, str) else workflow.definition.name\n",
        "        name = workflow if isinstance(workflow, str) else workflow.__name__\n",
        _LISTS + "by_class_and_by_name",
    ),
    *(
        mutation(
            25,
            f"a rerun keeps the {what}",
            "rerun:rerun",
            line,
            "",
            _RERUNS + test,
        )
        for what, line, test in (
            (
                "priority",
                "        priority=old.priority,\n",
                "from_the_start_with_the_same_input_linked",
            ),
            (
                "queue",
                "        queue=old.home_queue,\n",
                "from_the_start_with_the_same_input_linked",
            ),
            ("tags", "        tags=old.tags,\n", "from_the_start_with_the_same_input_linked"),
            ("version", "        version=old.version,\n", "an_old_version_stays_on_that_version"),
        )
    ),
    mutation(
        25,
        "a retry goes on in the same execution, with all that it has",
        "control:_retry_failed",
        "        deadline_at=deadline,\n        **afresh,\n",
        "        deadline_at=deadline,\n        rank=0,\n        **afresh,\n",
        "tests/client/test_retry_rerun.py::RetryTests::"
        "test_it_is_the_same_execution_with_its_queue_and_priority",
    ),
    mutation(
        25,
        "trees are removed whole",
        "prune:_remove_trees",
        "    for level in reversed(levels):\n",
        "    for level in levels[:1]:\n",
        _PRUNES + "a_tree_goes_whole_and_the_audit_stays",
    ),
    mutation(
        25,
        "a tree with an unfinished child stays whole",
        "prune:_finished_trees",
        "                if status in UNFINISHED:\n",
        "                if False:\n",
        _PRUNES + "nothing_of_a_tree_goes_while_a_child_is_unfinished",
    ),
    mutation(
        28,
        "the zone of a date helper is honoured",
        "helpers:_zone",
        "    return ZoneInfo(tz) if isinstance(tz, str) else tz\n",
        "    return timezone.get_current_timezone()\n",
        "tests/unit/test_helpers.py::MomentTests::test_the_zone_decides_what_today_is",
    ),
    mutation(
        28,
        "the zone of a schedule is honoured",
        "fire:_slots",
        "    return slots_after(schedule.cron, zone_of(schedule.timezone), after)\n",
        '    return slots_after(schedule.cron, zone_of("UTC"), after)\n',
        "tests/schedules/test_slots.py::SlotTests::"
        "test_a_gap_and_a_repeated_hour_each_have_one_slot",
    ),
    mutation(
        28,
        "a worker looks again when the next is due, not when it polls",
        "dispatcher:Dispatcher._until_next",
        "        return poll if until is None else min(poll, max(until, 0.001))\n",
        "        return poll\n",
        _C28 + "a_worker_waits_no_longer_than_until_the_next_sleeper_or_slot_is_due",
    ),
    mutation(
        28,
        "sleepers are among what is due next",
        "pulse:Pulse.seconds_to_next",
        "        moments = (self.next_wake, self.next_expiry, self.next_slot)\n",
        "        moments = (self.next_expiry, self.next_slot)\n",
        _C28 + "a_worker_waits_no_longer_than_until_the_next_sleeper_or_slot_is_due",
    ),
    mutation(
        28,
        "slots are among what is due next",
        "pulse:Pulse.seconds_to_next",
        "        moments = (self.next_wake, self.next_expiry, self.next_slot)\n",
        "        moments = (self.next_wake, self.next_expiry)\n",
        _C28 + "a_worker_waits_no_longer_than_until_the_next_sleeper_or_slot_is_due",
    ),
)
