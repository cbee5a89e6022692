"""The guards of the engine, each with the change that takes it away and the tests that must notice.

``check_guards`` makes each change in a copy of the tree and runs its tests there: all must fail.
"""

from __future__ import annotations

from tests.guards.attacks_doors import ATTACKS_DOORS
from tests.guards.attacks_people import ATTACKS_PEOPLE
from tests.guards.attacks_tenant import ATTACKS_TENANT
from tests.guards.composed import COMPOSED
from tests.guards.endless import ENDLESS
from tests.guards.kit import KIT
from tests.guards.looks import LOOKS
from tests.guards.mutation import Edit, Mutation
from tests.guards.mutation import mutation as _mutation
from tests.guards.parks import PARKS
from tests.guards.starts import STARTS
from tests.guards.surroundings import SURROUNDINGS

POSITIONS = "tests/life/test_positions.py::"
DATA = "tests/life/test_values_between_steps.py::"
WAITS = "tests/messages/test_waits.py::"
LATE = "tests/worker/test_late_workers.py::"
ATTEMPTS = "tests/life/test_attempts.py::"


_B2 = "tests/parts/test_branches.py::"
_CHOICE = _B2 + "RecordedChoiceTests::test_"
_P12 = POSITIONS + "PositionTests::test_"
_D14 = DATA + "TypeTests::test_"
_D18 = "tests/authoring/test_helpers.py::DataTests::test_"
_D19 = DATA + "ReplacementTests::test_"
_W4 = WAITS + "TimeoutTests::test_"
_W5 = WAITS + "CancelledWaitTests::test_"
_W7 = WAITS + "ParkTests::test_"
_W9 = WAITS + "EventTests::test_"
_W10 = WAITS + "RerunTests::test_"
_L6 = LATE + "CancelTests::test_"
_L15 = LATE + "FenceTests::test_"
_A13 = ATTEMPTS + "OptionTests::test_"
_A22 = ATTEMPTS + "BackoffTests::test_"
_A23 = ATTEMPTS + "ErrorTests::test_"
_A26 = ATTEMPTS + "RecordTests::test_"
_D24 = "tests/doors/admin/test_permissions.py::"
_URLS = "tests/attacks/test_every_url.py::EveryUrlTests::test_everybody_gets_what_the_table_says"
_A27 = "tests/people/test_questions.py::QuestionTests::test_"

MUTATIONS: tuple[Mutation, ...] = (
    _mutation(
        2,
        "the next step follows from the tree, not from the order of writing",
        "walk:Walk.leave",
        "            following = self.tree.following(path)\n",
        "            flat = [leaf.path for leaf in self.tree.leaves()]\n"
        "            following = self.tree.following(path)\n"
        "            if path in flat[:-1]:\n"
        "                following = self.tree.find(flat[flat.index(path) + 1])\n",
        _CHOICE + "a_resumed_execution_keeps_its_choice_whatever_the_code_says_now",
        _CHOICE + "on_is_asked_once_and_its_choice_is_on_record_before_anything_runs",
        _B2 + "NestingTests::test_branches_nest_and_join_where_they_began",
    ),
    _mutation(
        2,
        "a choice is recorded before anything runs in it",
        "runner:Runner._decide",
        "        return self._advance(Forward(claim, self.definition).at(walk, claim.data))\n",
        "        claim.at = Forward(claim, self.definition).at(walk, claim.data).to\n"
        "        return True\n",
        _CHOICE + "on_is_asked_once_and_its_choice_is_on_record_before_anything_runs",
    ),
    _mutation(
        2,
        "a choice that fails is written at the position that the row has",
        "runner:Runner._decide",
        "            if walk.path == claim.at.path:\n",
        "            claim.at = Forward(claim, self.definition).at(walk, claim.data).to\n"
        "            if True:\n",
        _CHOICE + "a_choice_that_fails_inside_a_choice_fails_the_execution",
    ),
    _mutation(
        4,
        "the claim gives an outcome to waits whose time is over",
        "claim:_expire",
        "_EXPIRE(waits=list(free))",
        "False",
        _W4 + "any_gives_the_timeout_value_when_time_is_over",
        _W4 + "all_without_a_value_raises_once_and_says_what_came",
        _W4 + "none_is_a_timeout_value_like_any_other",
        _W4 + "a_caught_timeout_lets_the_step_go_on_to_its_next_wait",
    ),
    _mutation(
        4,
        "a wait that timed out is told as such to the step",
        "step_context:StepContext.ask",
        "        elif wait.status == WaitStatus.TIMED_OUT:\n",
        "        elif False:\n",
        _W4 + "any_gives_the_timeout_value_when_time_is_over",
        _W4 + "all_without_a_value_raises_once_and_says_what_came",
    ),
    _mutation(
        5,
        "an execution that ends closes its waits",
        "finish:close",
        "    _CANCEL_WAITS(ids=ids)\n",
        "",
        _W5 + "the_waits_of_a_cancelled_execution_are_cancelled_and_take_nothing",
        _W5 + "after_a_retry_a_cancelled_wait_is_asked_anew_and_later_sleeps_sleep",
    ),
    _mutation(
        5,
        "a retry asks anew what was cancelled",
        "journal:reopen",
        "    others.exclude(status=WaitStatus.ANSWERED).delete()\n",
        "",
        _W5 + "after_a_retry_a_cancelled_wait_is_asked_anew_and_later_sleeps_sleep",
    ),
    _mutation(
        6,
        "the last checkpoint of a cancelled execution does not complete it",
        "checkpoint:Accepted.may_end",
        "not (self.cancel_requested or self.unfinished)",
        "not self.unfinished",
        _L6 + "a_cancellation_during_the_last_step_is_not_overwritten_by_completed",
    ),
    _mutation(
        6,
        "a checkpoint says whether somebody has cancelled meanwhile",
        "runner:Runner._advance",
        "        claim.cancel_requested = accepted.cancel_requested\n",
        "",
        _L6 + "no_further_step_starts_after_a_cancellation",
    ),
    _mutation(
        6,
        "letting go of a claim obeys a cancellation",
        "release:_obeyed",
        "    if asked.cancel:\n",
        "    if False:\n",
        _L6 + "a_step_that_is_cancelled_and_then_waits_ends_without_an_open_wait",
        _L6 + "a_failing_step_that_was_cancelled_is_neither_retried_nor_failed",
    ),
    _mutation(
        6,
        "a cancellation clears what a block has left",
        "landings:_REST",
        '    "blocked_by": "",\n',
        '    "blocked_by": KEPT,\n',
        _L6 + "what_was_blocked_and_is_cancelled_has_nothing_of_the_block_left",
    ),
    _mutation(
        6,
        "what is finished is not cancelled",
        "control:_locked",
        "    if execution.is_finished and not ended:\n        raise _refuse(execution, verb)\n",
        "",
        _L6 + "what_is_completed_can_not_be_cancelled",
    ),
    _mutation(
        7,
        "parking looks into the inbox once more",
        "suspend:park_alone",
        "(takes_events and take_from_inbox(wait))",
        "False",
        _W7 + "an_event_delivered_while_the_body_runs_is_found_at_the_park",
        _W9 + "two_waits_of_one_name_get_two_events_in_order_early_or_late",
        _W9 + "an_event_that_nobody_wants_stays_for_the_wait_that_does",
    ),
    _mutation(
        7,
        "wait and status are one transaction",
        "parks:write",
        "@in_transaction\ndef write(",
        "def write(",
        _W7 + "a_crash_while_parking_leaves_neither_wait_nor_status",
    ),
    _mutation(
        7,
        "wait and status are one transaction, whatever else there is to write",
        "suspend:park_alone",
        "@in_transaction\ndef park_alone(",
        "def park_alone(",
        _W7 + "nor_does_a_crash_of_one_that_has_more_to_write",
    ),
    _mutation(
        9,
        "an event is consumed by the wait that takes it",
        "gifts:Gifts.write",
        "_CONSUME(ids=list(self._taken), waits=self._taken)",
        "len(self._taken)",
        _W9 + "two_waits_of_one_name_get_two_events_in_order_early_or_late",
    ),
    _mutation(
        9,
        "waits of one name are told apart by their place",
        "journal:Journal.place",
        "        return kind, name, ordinal\n",
        "        return kind, name, 0\n",
        _W9 + "two_waits_of_one_name_get_two_events_in_order_early_or_late",
    ),
    _mutation(
        9,
        "an event without a wait is kept",
        "deliver:empty_inboxes",
        "        _KEEP(events=left)\n",
        "        Event.objects.filter(pk__in=left).pending().delete()\n",
        _W9 + "two_waits_of_one_name_get_two_events_in_order_early_or_late",
        _W9 + "an_event_that_nobody_wants_stays_for_the_wait_that_does",
    ),
    _mutation(
        10,
        "a wait on record is used again",
        "suspend:park_alone",
        "if known is None else",
        "if True else",
        _W10 + "a_step_that_parks_again_in_the_same_wait_uses_its_row",
    ),
    _mutation(
        10,
        "the record of an attempt is brought up to date, not inserted twice",
        "checkpoint:_INSERT",
        "ON CONFLICT (execution_id, path,",
        "/* ON CONFLICT (execution_id, path,",
        _W10 + "a_step_with_several_waits_is_one_attempt_however_often_it_runs",
        more=(
            Edit(
                "checkpoint:_INSERT",
                "worker = excluded.worker\n",
                "worker = excluded.worker */\n",
            ),
        ),
    ),
    _mutation(
        12,
        "result and position are one transaction",
        "checkpoint:write",
        "@in_transaction\ndef write(",
        "def write(",
        _P12 + "a_crash_before_the_commit_leaves_neither_result_nor_position",
    ),
    _mutation(
        12,
        "the position moves with the checkpoint",
        "checkpoint:_UPDATE",
        "SET data = v.data, path = v.path,",
        "SET data = v.data, path = CASE v.path WHEN '' THEN '' ELSE durable_execution.path END,",
        _P12 + "a_finished_step_does_not_run_again_after_a_crash",
    ),
    _mutation(
        12,
        "a position that the code has lost blocks",
        "runner:Runner.step",
        "                return self._block(node)\n        return self._lost_position()\n",
        "                return self._block(node)\n        return self._advance(\n"
        "            Checkpoint(claim.execution_id, claim.fence, claim.data, claim.at,"
        " type(claim.at)(''), claim.now(), None)\n        )\n",
        _P12 + "a_step_that_the_code_has_lost_blocks_and_is_taken_up_by_code_that_has_it",
    ),
    _mutation(
        12,
        "what goes on after a pause has nothing of a block left",
        "landings:_REST",
        '    "error": None,\n',
        '    "error": KEPT,\n',
        _P12 + "what_was_blocked_and_paused_goes_on_as_if_nothing_had_been",
    ),
    _mutation(
        13,
        "a step that kills its workers counts as failed after max_recoveries",
        "runner:Runner._leaf",
        "        if claim.at.recoveries > self.definition.options.max_recoveries:\n",
        "        if False:\n",
        _A13 + "a_step_that_kills_its_workers_fails_after_max_recoveries",
        _A13 + "workers_that_die_are_counted_against_each_attempt_and_attempts_are_bounded",
    ),
    _mutation(
        13,
        "a worker's death is counted",
        "landings:Landings.freed",
        "int(died)",
        "0",
        _A13 + "a_step_that_kills_its_workers_fails_after_max_recoveries",
    ),
    _mutation(
        13,
        "the timeout of a step limits its attempt",
        "attempt:StepAttempt._limit",
        "for limit in (self.step.timeout, left)",
        "for limit in (left,)",
        _A13 + "a_step_that_takes_longer_than_its_timeout_fails",
    ),
    _mutation(
        13,
        "the timeout of a workflow is its deadline",
        "start:new_row",
        "deadline_at=None if timeout is None else begin + timeout,",
        "deadline_at=None,",
        _A13 + "a_workflow_that_takes_longer_than_its_timeout_fails_waits_included",
    ),
    _mutation(
        13,
        "what sleeps in a wait is due at the workflow's deadline too",
        "parks:earlier",
        "min((at for at in (one, other) if at is not None), default=None)",
        "one",
        _A13 + "a_workflow_that_takes_longer_than_its_timeout_fails_waits_included",
    ),
    _mutation(
        13,
        "priority decides who goes first",
        "start:new_row",
        "rank=-priority,",
        "rank=0,",
        _A13 + "the_queue_and_priority_of_the_workflow_decide_who_takes_it_and_when",
    ),
    _mutation(
        13,
        "the workflow's queue decides who takes it",
        "claim:_ready",
        "Execution.objects.ready(queue, kinds)",
        "Execution.objects.filter(ready_at__isnull=False)",
        _A13 + "the_queue_and_priority_of_the_workflow_decide_who_takes_it_and_when",
    ),
    _mutation(
        13,
        "max_attempts bounds the attempts",
        "fail:next_delay",
        " or attempts >= retry.max_attempts:",
        ":",
        _A13 + "a_step_has_as_many_attempts_as_its_retry_says",
    ),
    _mutation(
        14,
        "a step gets its data as read back from storage",
        "attempt:StepAttempt._body",
        "        data = codec.loads(self.work.data)\n        reach(",
        "        data = getattr(self.claim, 'raw', None) or codec.loads(self.work.data)\n"
        "        reach(",
        _D14 + "the_first_run_sees_the_same_types_as_the_run_after_a_crash",
        _D14 + "the_first_run_gets_plain_stored_values",
        more=(
            Edit(
                "attempt:StepAttempt._body",
                "        return data if result is None else result\n",
                "        self.claim.raw = data if result is None else result\n"
                "        return self.claim.raw\n",
            ),
        ),
    ),
    _mutation(
        15,
        "a checkpoint carries the fence",
        "checkpoint:_UPDATE",
        " AND durable_execution.fence = v.fence\n",
        "\n",
        _L15 + "a_late_checkpoint_is_refused",
        _L15 + "late_writes_of_an_atomic_step_are_rolled_back_and_happen_once",
        _L15 + "a_late_progress_or_tag_is_refused",
    ),
    _mutation(
        15,
        "every other write of a claim carries the fence",
        "execution:ExecutionQuerySet.held_by",
        "status__in=HELD, worker__isnull=False, fence=fence)",
        "status__in=HELD, worker__isnull=False)",
        _L15 + "a_late_wait_is_refused",
        _L15 + "a_late_failure_is_refused_whether_or_not_it_would_be_retried",
        _L15 + "a_late_remembered_result_is_refused",
        _L15 + "a_late_release_or_block_is_refused",
    ),
    _mutation(
        15,
        "a claim raises the fence",
        "landings:Landings.held",
        '            fence=F("fence") + 1,\n',
        "",
        _L15 + "fences_only_grow",
        more=(
            Edit("claim:_claim", 'fence=row["fence"] + 1,', 'fence=row["fence"],'),
            Edit("landings:Landings.freed", '            fence=F("fence") + 1,\n', ""),
        ),
    ),
    _mutation(
        15,
        "a checkpoint is taken from a running execution only",
        "checkpoint:_UPDATE",
        "  AND durable_execution.status IN ('running', 'compensating')\n",
        "",
        _L15 + "a_buried_worker_can_write_nothing_even_before_another_claims",
        more=(Edit("checkpoint:_UPDATE", " AND durable_execution.fence = v.fence", ""),),
    ),
    _mutation(
        18,
        "increment of a missing key",
        "increments:incremented",
        "        return counted(amount, amount, None)\n",
        "        return counted(0, 0, None)\n",
        _D18 + "increment_starts_with_the_amount",
    ),
    _mutation(
        18,
        "append to a missing key",
        "increments:appended",
        "        return Grown([item], 1)\n",
        "        return Grown([], 0)\n",
        _D18 + "append_starts_a_list_with_the_item",
    ),
    _mutation(
        19,
        "what a step returns is the data",
        "attempt:StepAttempt._body",
        "        return data if result is None else result\n",
        "        result = data if result is None else result\n"
        "        return {**codec.loads(self.work.data), **result}\n",
        _D19 + "a_key_that_is_not_returned_is_gone",
        _D19 + "a_key_deleted_in_place_is_gone",
        _D19 + "an_empty_result_is_empty_data",
    ),
    _mutation(
        22,
        "an execution that waits for its retry is let go",
        "fail:_try_again",
        "put_to_sleep(claim, until, **claim.at.next_attempt().since(claim.at))",
        "claim.row().update(attempt=claim.at.attempt + 1)",
        _A22 + "an_execution_that_waits_for_its_retry_is_in_nobodys_hands",
    ),
    _mutation(
        22,
        "a retry has its due time",
        "fail:_try_again",
        "if at_deadline else clock.now() + delay\n",
        "if at_deadline else clock.now()\n",
        _A22 + "an_execution_that_waits_for_its_retry_is_in_nobodys_hands",
    ),
    _mutation(
        22,
        "a pause gives the delay of a retry back",
        "whole:_unpause",
        "    elif StepRun.objects.parked(execution.pk).filter(attempt=execution.attempt).exists():",
        "    elif Wait.objects.filter(execution=execution).exists():",
        _A22 + "a_pause_does_not_shorten_the_delay_of_a_retry",
    ),
    _mutation(
        23,
        "an error without words is described",
        "failures:_text",
        "    except BaseException as problem:",
        "    except ZeroDivisionError as problem:",
        _A23 + "an_error_without_words_is_described",
    ),
    _mutation(
        23,
        "text of errors is made storable",
        "failures:_text",
        '    text = text.replace("\\x00", "\\\\x00").encode("utf-8", "backslashreplace")'
        '.decode("utf-8")\n',
        "",
        _A23 + "text_that_no_database_stores_is_kept_readable",
    ),
    _mutation(
        23,
        "text of errors is cut",
        "failures:_text",
        "    return text if len(text) <= limit else ",
        "    return text if len(text) >= 0 else ",
        _A23 + "a_huge_error_is_cut",
    ),
    _mutation(
        23,
        "details of errors are made storable",
        "failures:_storable",
        '        refusal = {"not_storable": str(problem)}\n',
        "        return value\n",
        _A23 + "details_that_can_not_be_stored_do_not_hide_the_error",
    ),
    _mutation(
        23,
        "errors in a list of them are short",
        "failures:brief",
        "    if len(message) > BRIEF_CHARACTERS:\n",
        "    if not message:\n",
        "tests/parts/test_error_reports.py::ListTests::"
        "test_a_hundred_long_failures_of_a_foreach_leave_the_data_within_its_limit",
    ),
    _mutation(
        23,
        "a report that the data has no room for lists less",
        "join:_reported",
        "            continue\n",
        "            raise\n",
        "tests/parts/test_error_reports.py::ListTests::"
        "test_where_the_data_has_no_room_the_report_counts_what_it_does_not_list",
    ),
    _mutation(
        23,
        "exits and interrupts are failures of the step",
        "attempt:StepAttempt._once",
        "        except BaseException as error:  # SystemExit and the like",
        "        except Exception as error:  # SystemExit and the like",
        _A23 + "exits_and_interrupts_are_failures_of_the_step",
    ),
    _mutation(
        26,
        "the first start is kept",
        "landings:Landings.held",
        'Coalesce("started_at", clock.now())',
        "clock.now()",
        _A26 + "the_first_start_logs_and_input_are_kept_across_waits_and_deaths",
    ),
    _mutation(
        26,
        "logs before a wait are kept",
        "checkpoint:_INSERT",
        "logs = durable_steprun.logs || excluded.logs,",
        "logs = excluded.logs,",
        _A26 + "the_first_start_logs_and_input_are_kept_across_waits_and_deaths",
    ),
    _mutation(
        26,
        "a step's input is recorded",
        "attempt:StepAttempt.record",
        "            input=self.work.recorded_input,\n",
        "",
        _A26 + "the_first_start_logs_and_input_are_kept_across_waits_and_deaths",
        _A26 + "each_attempt_keeps_its_own_input_and_logs",
    ),
    _mutation(
        27,
        "answers are validated before anything is stored",
        "answer:record",
        "form.validate_for(wait, answer)",
        "answer",
        _A27 + "a_choice_is_one_of_the_values",
        _A27 + "a_form_of_fields_is_a_dict",
        "tests/people/test_approvals.py::DecisionTests"
        "::test_anything_else_is_refused_and_the_question_stays_open",
    ),
    _mutation(
        24,
        "an operator's action takes the permission for it",
        "actions:Action.run",
        "            access.require(by, self.permission, whole(execution))\n",
        "            pass\n",
        _URLS,
        _D24 + "AuditTests::test_what_is_refused_leaves_no_trace",
    ),
    _mutation(
        24,
        "a door takes an answer from who may give it",
        "inputs:answer",
        "    if refusal is not None:\n",
        "    if False:\n",
        "tests/doors/rest/test_inputs.py::InputTests::test_who_may_see_but_not_answer_gets_403",
        "tests/doors/admin/test_inputs.py::RoleTests"
        "::test_who_lost_the_permission_a_moment_ago_is_refused",
    ),
    _mutation(
        24,
        "what a person may is read anew under the lock of the question",
        "inputs:known",
        "    user = fresh(user) if held else user\n",
        "",
        "tests/doors/test_policy_doors.py::WordsTests"
        "::test_what_a_person_may_is_read_anew_when_a_command_answers",
    ),
    _mutation(
        24,
        "who neither sees an execution nor is asked by it knows of no question",
        "inputs:known",
        "        if not found:\n",
        "        if False:\n",
        "tests/doors/rest/test_inputs.py::InputTests"
        "::test_a_hidden_question_is_spoken_of_as_one_that_is_not_there",
    ),
    _mutation(
        24,
        "the client takes an answer of a person from who is asked",
        "answer:_open_to",
        "    if by is not None:\n",
        "    if False:\n",
        "tests/people/test_who_may_answer.py::PeopleTests"
        "::test_users_groups_and_permissions_may_be_assigned",
        "tests/people/test_who_may_answer.py::PeopleTests"
        "::test_excluded_people_may_not_even_if_they_are_assigned",
    ),
    _mutation(
        24,
        "a schedule is managed by who may manage schedules",
        "schedules:SchedulePages.act_view",
        '        allow(request, "manage_schedules", schedule)\n',
        "",
        _URLS,
    ),
    _mutation(
        24,
        "a queue is paused and limited by who may change queues",
        "queues:QueuePages.act_view",
        '        allow(request, "manage_queues", name)\n',
        "",
        _URLS,
    ),
    _mutation(
        24,
        "an execution is started by who may start that workflow",
        "starting:start",
        '    access.require(user, "start", workflow)\n',
        "",
        _URLS,
    ),
    _mutation(
        24,
        "what a person may not see does not exist for them",
        "executions:ExecutionPages.find",
        "        if found is None or not self._exists(request, found):\n",
        "        if found is None:\n",
        _URLS,
    ),
    _mutation(
        24,
        "what is done in the admin says where it comes from",
        "base:acting",
        "    token = origin.set(f\"admin {request.META.get('REMOTE_ADDR', '')}\".strip())\n",
        '    token = origin.set("")\n',
        _D24 + "AuditTests::test_each_action_is_on_record_once",
    ),
    *ATTACKS_DOORS,
    *ATTACKS_TENANT,
    *ATTACKS_PEOPLE,
    *COMPOSED,
    *ENDLESS,
    *KIT,
    *LOOKS,
    *PARKS,
    *STARTS,
    *SURROUNDINGS,
)
