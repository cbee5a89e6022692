"""Messages that meet parking executions: nothing is lost, nobody waits, one winner."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Q

import durable
from durable import Data, Workflow, hours, seconds, step
from durable.engine.claim import claim_due, promote
from durable.engine.deliver import deliver_due
from durable.models import Event, Execution, Wait
from durable.models.fields import uuid7
from durable.states import Status
from durable.testing import (
    advance,
    assert_completed,
    assert_waiting_for,
    drain,
    run,
    time_travel,
    worker,
)
from tests.cases import ThreadedTestCase, elsewhere, open_transaction, together

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
RACES = 100


def define() -> None:
    class Waiting(Workflow):
        @step
        def wait(self, data: Data) -> Data:
            if data.get("all"):
                return {"got": self.wait_for_all(["a", "b"])}
            return {"got": self.wait_for_event("go", key=data.get("key"))}

    class Asking(Workflow):
        @step
        def ask(self, data: Data) -> Data:
            return {"got": self.wait_for_text("q", timeout=hours(1), timeout_value="late")}


class ParkTests(ThreadedTestCase):
    """An event that is sent while its execution parks."""

    def setUp(self) -> None:
        super().setUp()
        define()

    def finish(self, executions: list[Execution], got: Any) -> None:
        drain()
        for execution in executions:
            execution.refresh_from_db()
            self.assertEqual((execution.status, execution.data), ("completed", {"got": got}))

    def test_is_never_lost(self) -> None:
        started = []
        for number in range(RACES):
            execution = durable.start("waiting", queue=f"q{number}")
            started.append(execution)

            def send(pk: Any = execution.pk) -> None:
                durable.send_event(pk, "go", 7)

            failed = [
                one for one in together(drain, send, deliver_due) if isinstance(one, Exception)
            ]
            self.assertEqual(failed, [])
        self.finish(started, 7)
        self.assertEqual(Event.objects.filter(status="consumed").count(), RACES)

    def test_is_never_lost_when_it_is_published_under_a_key_of_the_wait(self) -> None:
        started = []
        for number in range(RACES // 4):
            execution = durable.start("waiting", {"key": f"k{number}"})
            started.append(execution)

            def publish(key: str = f"k{number}") -> None:
                durable.publish_event("go", 7, key=key)

            failed = [one for one in together(drain, publish) if isinstance(one, Exception)]
            self.assertEqual(failed, [])
        self.finish(started, 7)

    def test_two_at_once_both_count_for_wait_for_all(self) -> None:
        started = []
        for _ in range(RACES // 4):
            execution = durable.start("waiting", {"all": True})
            started.append(execution)
            sends = [
                lambda pk=execution.pk, name=name: durable.send_event(pk, name, name)
                for name in ("a", "b")
            ]
            failed = [one for one in together(drain, *sends) if isinstance(one, Exception)]
            self.assertEqual(failed, [])
        self.finish(started, {"a": "a", "b": "b"})

    def test_with_a_real_worker_none_is_lost_or_late(self) -> None:
        with worker():
            for _ in range(RACES // 5):
                execution = durable.start("waiting")
                durable.send_event(execution.pk, "go", 7)
                got = durable.wait_for_result(execution.id, timeout=seconds(20))
                self.assertEqual(got, {"got": 7})


class OpenWaitTests(ThreadedTestCase):
    """A body may come again to a wait that is still open (it was blocked, say)."""

    def parked_again(self, answer: Any) -> Execution:
        visits: list[int] = []

        class Again(Workflow):
            @step(atomic=False)
            def only(self, data: Data) -> Data:
                visits.append(1)
                if len(visits) == 2:
                    answer(self.id)
                    deliver_due()
                return {"got": [self.wait_for_text("q"), self.wait_for_event("go")]}

        execution = run(Again)
        if answer is send:
            durable.provide_input(execution.id, "q", "x")
            visits.clear()
            drain()
        rows = Execution.objects.filter(pk=execution.pk)
        self.assertTrue(rows.move(Status.BLOCKED, ready_at=None, wake_at=None, blocked_by="code"))
        visits[:] = [1]
        durable.retry(execution.id)
        drain()
        return execution

    def test_an_answer_while_the_body_runs_again_is_not_lost(self) -> None:
        execution = self.parked_again(lambda pk: durable.provide_input(pk, "q", "x"))
        assert_waiting_for(execution, event="go")
        durable.send_event(execution.id, "go", 1)
        drain()
        assert_completed(execution)

    def test_an_event_while_the_body_runs_again_is_not_lost(self) -> None:
        assert_completed(self.parked_again(send))

    @pytest.mark.only_on("postgresql")
    def test_an_answer_is_told_only_once_the_parking_is_over(self) -> None:
        define()
        execution = run("asking")
        with elsewhere() as other, open_transaction(other):
            # as ``park`` does it: the row is locked, and was running before
            other(lambda: list(Execution.objects.select_for_update().filter(pk=execution.pk)))
            Wait.objects.filter(execution=execution).resolve("answered", told=False, answer="x")
            deliver_due()
            self.assertFalse(Wait.objects.get().told)
        drain()
        assert_completed(execution)


def send(pk: Any) -> None:
    durable.send_event(pk, "go", 1)


class AnswerRaceTests(ThreadedTestCase):
    def setUp(self) -> None:
        super().setUp()
        define()

    def test_answer_against_timeout_has_one_winner(self) -> None:
        outcomes = set()
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

                told, _ = together(answer, time_out)
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

    def soon(self, call: Any) -> Any:
        """``call()`` on another connection must not wait for a lock."""

        def impatient() -> Any:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL lock_timeout = '2s'")
                return call()

        (found,) = together(impatient)
        if isinstance(found, Exception):
            raise found
        return found

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
