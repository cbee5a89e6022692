"""The guards of one look, one decision: what is decided on is read under a lock, or read again."""

from __future__ import annotations

from tests.guards.mutation import Mutation, mutation

_LOOK = "tests/concurrency/test_one_look.py::"
_LAST = _LOOK + "LastPartTests::test_"
_SHARES = "tests/worker/test_shares.py::"
_PRUNE = _LOOK + "RetentionTests::test_"

LOOKS: tuple[Mutation, ...] = (
    mutation(
        0,
        "whether a block is open is asked again under the lock of its execution",
        "join:park",
        "    if not is_open(claim):\n        return False\n",
        "",
        _LAST + "of_branches_after_a_retry",
        _LAST + "of_items_after_a_pause",
    ),
    mutation(
        0,
        "what was cancelled since its claim does not complete",
        "release:complete",
        "    if asked.cancel:\n",
        "    if False:\n",
        _LOOK + "EndTests::test_a_cancellation_between_the_claim_and_the_last_look",
    ),
    mutation(
        0,
        "who is put in charge while the first notice is sent is told",
        "notices:of_reassigned",
        '        if not notice.get("tries"):\n            return {}',
        "        return {}",
        _LOOK + "NoticeTests::test_those_who_get_it_while_the_first_notice_is_sent",
    ),
    mutation(
        0,
        "whether the time of a root is over is asked again under its lock",
        "prune:_mark",
        "rows.filter(pk__in=executions)",
        "Execution.objects.filter(pk__in=executions)",
        _PRUNE + "a_root_that_has_just_ended_again_is_as_old_as_its_end",
    ),
    mutation(
        0,
        "a tree that can't be removed costs no other",
        "prune:_remove",
        "    except (IntegrityError, StillNeeded) as error:\n",
        "    except (IntegrityError, StillNeeded) as error:\n        raise\n",
        _PRUNE + "one_bad_tree_costs_no_other",
    ),
    mutation(
        0,
        "a key for which an event was kept is not quiet",
        "deliver:_note_quiet",
        ".filter(~Exists(kept))",
        ".all()",
        _SHARES + "KeyTests::test_a_key_for_which_an_event_waits_gets_it",
        _SHARES + "KeyTests::test_an_event_that_was_kept_goes_to_the_first_that_gets_its_key",
    ),
    mutation(
        0,
        "what is left of the kept events goes before new ones",
        "deliver:sort_mailbox",
        "            return EVENTS_AT_ONCE",
        "            pass",
        _SHARES + "KeyTests::test_many_kept_events_are_copied_in_portions_and_in_order",
    ),
    mutation(
        0,
        "a duty ends when its share is used up",
        "share:within_share",
        "        if number >= at_least and is_over():\n            return\n",
        "",
        _SHARES + "ShareTests::test_a_portion_ends_when_the_share_is_used_up",
    ),
    mutation(
        0,
        "a duty by the clock whose share was over does not rest",
        "rota:Rota.perform",
        " and not is_over()",
        "",
        _SHARES + "ShareTests::test_a_duty_by_the_clock_whose_share_was_over_is_due_again_at_once",
    ),
)
