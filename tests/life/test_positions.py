"""Where a run stands, whatever happens to its worker.

Defect 12 of the original.
"""

from __future__ import annotations

from django.test import TransactionTestCase

import durable
from durable import Data, Workflow, step
from durable.models import Execution, StepRun
from durable.testing import assert_completed
from tests.stage import (
    LEASE,
    Hand,
    Killed,
    at_noon,
    drain,
    fresh,
    history,
    killed_at,
    pass_time,
    run_until,
    tick,
)


def deploy(*, second: str) -> type[Workflow]:
    """The same workflow in a new version of the code, in which a step has another name."""

    class Renamed(Workflow):
        @step
        def ask(self, data: Data) -> None:
            self.wait_for_event("go")

        @step(name=second)
        def renamed(self, data: Data) -> Data:
            return {"done": True}

        @step
        def third(self, data: Data) -> None: ...

    return Renamed


class PositionTests(TransactionTestCase):
    """12: result and position were two writes, and a renamed step completed the run silently."""

    def two_steps(self, ran: list[str]) -> type[Workflow]:
        class Two(Workflow):
            @step(atomic=False)
            def one(self, data: Data) -> Data:
                ran.append("one")
                return {**data, "one": True}

            @step(atomic=False)
            def two(self, data: Data) -> Data:
                ran.append("two")
                return {**data, "two": True}

        return Two

    def test_a_crash_before_the_commit_leaves_neither_result_nor_position(self) -> None:
        with at_noon():
            execution = durable.start(self.two_steps([]))
            hand = Hand()
            claim = hand.must_claim()
            with killed_at("checkpoint.before_commit"), self.assertRaises(Killed):
                hand.run(claim)
            left = fresh(execution)
        self.assertEqual((left.path, left.data), ("one", {}))
        self.assertFalse(StepRun.objects.exists())

    def test_a_finished_step_does_not_run_again_after_a_crash(self) -> None:
        ran: list[str] = []
        with at_noon():
            execution = durable.start(self.two_steps(ran))
            hand = Hand()
            claim = hand.must_claim()
            with killed_at("checkpoint.after_commit"), self.assertRaises(Killed):
                hand.run(claim)
            pass_time(seconds=LEASE.total_seconds() + 1)
        assert_completed(execution)
        self.assertEqual(ran, ["one", "two"])
        self.assertEqual(history(execution), [("one", 1, "completed"), ("two", 1, "completed")])

    def test_a_step_that_the_code_has_lost_blocks_and_is_taken_up_by_code_that_has_it(self) -> None:
        with at_noon():
            execution = durable.start(deploy(second="ship"))
            durable.send_event(execution.id, "go")
            tick()
            hand = Hand()
            claim = hand.must_claim()
            with killed_at("checkpoint.after_commit"), self.assertRaises(Killed):
                hand.run(claim)
            deploy(second="deliver")
            pass_time(seconds=LEASE.total_seconds() + 1)
            stuck = fresh(execution)
            self.assertEqual((stuck.status, stuck.path), ("blocked", "ship"))
            self.assertEqual(stuck.error["type"], "PositionLost")
            deploy(second="ship")
            durable.retry(execution.id)
            drain()
        assert_completed(execution)
        self.assertIsNone(fresh(execution).error)

    def stopped(self, *, asked_before: bool) -> Execution:
        """An execution that has lost its step, and is paused besides."""
        execution = durable.start(deploy(second="ship"))
        durable.send_event(execution.id, "go")
        tick()
        hand = Hand()
        run_until(hand, hand.must_claim(), "checkpoint.after_commit")
        deploy(second="deliver")
        if asked_before:
            durable.pause(execution.id)
        pass_time(seconds=LEASE.total_seconds() + 1)
        if not asked_before:
            durable.pause(execution.id)
        self.assertEqual(fresh(execution).status, "paused")
        return execution

    def test_what_was_blocked_and_paused_goes_on_as_if_nothing_had_been(self) -> None:
        for asked_before in (True, False):
            with self.subTest(asked_before=asked_before), at_noon():
                execution = self.stopped(asked_before=asked_before)
                deploy(second="ship")
                durable.resume(execution.id)
                row = fresh(execution)
                self.assertEqual((row.error, row.blocked_by), (None, ""))
                drain()
                assert_completed(execution)
