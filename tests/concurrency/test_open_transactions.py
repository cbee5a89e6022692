"""What users hold open in their transactions, and answers at a deadline: nobody waits, one wins."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest
from django.db.models import Q

import durable
from durable import hours, seconds
from durable.engine.duties import workers
from durable.engine.run.claim import claim_due, promote
from durable.models import Execution, Wait
from durable.models.fields import uuid7
from durable.testing import advance, assert_completed, assert_waiting_for, drain, run, time_travel
from tests.cases import ThreadedTestCase, elsewhere, impatient, open_transaction, team
from tests.concurrency.test_messages import define

R = TypeVar("R")
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


class AnswerRaceTests(ThreadedTestCase):
    def setUp(self) -> None:
        super().setUp()
        define()

    def test_answer_against_timeout_has_one_winner(self) -> None:
        outcomes = set()
        at_once = self.enterContext(team(2))
        for _ in range(25):
            with time_travel(NOON):
                execution = run("asking")
                advance(hours=1, work=False)
                Wait.objects.filter(execution=execution).update(
                    deadline_at=NOON + hours(1) + seconds(1)
                )

                def answer(pk: Any = execution.pk) -> str:
                    try:
                        durable.provide_input(pk, "q", "in time")
                    except durable.AlreadyAnswered:
                        return "refused"
                    return "taken"

                def time_out() -> None:
                    advance(seconds=2)

                told, _ = at_once(answer, time_out)
                drain()
            execution.refresh_from_db()
            outcomes.add((told, execution.data["got"]))
        self.assertLessEqual(outcomes, {("taken", "in time"), ("refused", "late")})

    def test_a_claim_at_the_deadline_and_an_answer_have_one_winner(self) -> None:
        for first in ("answer", "claim"):
            with self.subTest(first), time_travel(NOON):
                execution = run("asking")
                advance(hours=1, work=False)
                promote()
                if first == "answer":
                    with self.assertRaises(durable.AlreadyAnswered):
                        durable.provide_input(execution.id, "q", "late")
                claim_due(uuid7(), "default", ["asking@1"], 1)
                self.assertEqual(Wait.objects.get(execution=execution).status, "timed_out")


@pytest.mark.only_on("postgresql")
class LockTests(ThreadedTestCase):
    """What users hold open in their transactions keeps no worker waiting."""

    def setUp(self) -> None:
        super().setUp()
        define()

    def soon(self, call: Callable[[], R]) -> R:
        """``call()`` must not wait for a lock that somebody else holds."""
        with impatient():
            return call()

    def test_a_transaction_that_sent_an_event_holds_no_lock_of_the_engine(self) -> None:
        execution = durable.start("waiting", keys=["k"])
        with elsewhere() as other, open_transaction(other):
            other(lambda: durable.send_event(execution.id, "go", "uncommitted"))
            other(lambda: durable.publish_event("go", "uncommitted", key="k"))
            self.soon(drain)  # parks
            assert_waiting_for(execution, event="go")
            durable.send_event(execution.id, "go", "committed")
            self.soon(drain)  # delivers, and completes
            assert_completed(execution)
        execution.refresh_from_db()
        self.assertEqual(execution.result, {"got": "committed"})

    def test_nor_does_one_that_started_an_execution(self) -> None:
        with elsewhere() as other, open_transaction(other):
            other(lambda: durable.start("waiting", keys=["k"], idempotency_key="i"))
            execution = self.soon(lambda: run("waiting", {"key": "k"}))
            durable.publish_event("go", 7, key="k")
            self.soon(drain)
            assert_completed(execution)

    def test_one_that_answered_keeps_no_worker_from_the_rest(self) -> None:
        answered, timed_out = (run("asking") for _ in range(2))
        with elsewhere() as other, open_transaction(other):
            other(lambda: durable.provide_input(answered.id, "q", "x"))
            later = durable.start("waiting")
            self.soon(drain)
            assert_waiting_for(later, event="go")
            # its deadline passes while the answer is not committed
            past = Wait.objects.filter(execution=timed_out).get().opened_at
            Wait.objects.filter(execution=timed_out).update(deadline_at=past)
            Execution.objects.filter(
                Q(pk=timed_out.pk) | Q(pk=answered.pk), status="waiting"
            ).update(wake_at=past)
            self.soon(drain)
            timed_out.refresh_from_db()
            self.assertEqual(timed_out.data, {"got": "late"})
        drain()
        answered.refresh_from_db()
        self.assertEqual(answered.data, {"got": "x"})

    def test_an_answer_open_past_its_deadline_stalls_nobody_and_is_taken(self) -> None:
        with time_travel(NOON):
            answered, late = (run("asking") for _ in range(2))
            with elsewhere() as other, open_transaction(other):
                other(lambda: durable.provide_input(answered.id, "q", "x"))
                advance(hours=1, work=False)
                self.soon(lambda: drain(max_steps=20))
                late.refresh_from_db()
                self.assertEqual(late.data, {"got": "late"})
            drain()
            answered.refresh_from_db()
            self.assertEqual(answered.data, {"got": "x"})

    def test_one_that_acts_on_what_is_blocked_keeps_no_worker_from_its_upkeep(self) -> None:
        for blocked_by in ("worker", "child"):
            with self.subTest(blocked_by), elsewhere() as other:
                execution = run("waiting")
                error = {"details": {"kind": "waiting@1"}}
                Execution.objects.filter(pk=execution.pk).blocked(blocked_by, error)
                with open_transaction(other):
                    other(lambda pk=execution.pk: durable.pause(pk))
                    self.soon(lambda: workers.block_orphans(["waiting@1"]))
                durable.cancel(execution.pk)
