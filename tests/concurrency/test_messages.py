"""Messages that meet parking executions: nothing is lost, nobody waits, one winner."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any, TypeVar
from unittest import mock

import pytest

import durable
from durable import Data, Workflow, hours, seconds, step
from durable.engine.deliver import deliver_due, wake_answered
from durable.models import Event, Execution, Wait
from durable.storage import failpoints
from durable.testing import (
    assert_completed,
    assert_waiting_for,
    drain,
    run,
    worker,
)
from tests.cases import (
    PATIENCE,
    ThreadedTestCase,
    elsewhere,
    impatient,
    open_transaction,
    team,
)

R = TypeVar("R")
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
RACES = 40


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
        self.at_once = self.enterContext(team(3))

    def all_well(self, results: list[Any]) -> None:
        self.assertEqual([one for one in results if isinstance(one, Exception)], [])

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

            self.all_well(self.at_once(drain, send, deliver_due))
        self.finish(started, 7)
        self.assertEqual(Event.objects.filter(status="consumed").count(), RACES)

    def test_is_never_lost_when_it_is_published_under_a_key_of_the_wait(self) -> None:
        started = []
        for number in range(RACES // 4):
            execution = durable.start("waiting", {"key": f"k{number}"})
            started.append(execution)

            def publish(key: str = f"k{number}") -> None:
                durable.publish_event("go", 7, key=key)

            self.all_well(self.at_once(drain, publish, deliver_due))
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
            self.all_well(self.at_once(drain, *sends))
        self.finish(started, {"a": "a", "b": "b"})

    def test_with_a_real_worker_none_is_lost_or_late(self) -> None:
        with worker():
            for _ in range(RACES // 5):
                execution = durable.start("waiting")
                durable.send_event(execution.pk, "go", 7)
                got = durable.wait_for_result(execution.id, timeout=seconds(20))
                self.assertEqual(got, {"got": 7})


@pytest.mark.only_on("postgresql")
class BetweenTests(ThreadedTestCase):
    """Exactly between looking into the inbox and the commit of the parking."""

    def test_an_event_stays_due_until_the_wait_is_there(self) -> None:
        define()
        execution = durable.start("waiting", keys=["k"])
        looked, go = threading.Event(), threading.Event()
        self.addCleanup(go.set)
        parking: list[int] = []

        def block(point: str) -> None:
            if point == "wait.before_commit" and threading.get_ident() in parking:
                looked.set()
                go.wait(PATIENCE)

        def park() -> None:
            parking.append(threading.get_ident())
            drain()

        with elsewhere() as other, mock.patch.object(failpoints, "armed", block):
            parked = other.begin(park)
            self.assertTrue(looked.wait(PATIENCE))
            durable.send_event(execution.id, "go", "sent")
            durable.publish_event("go", "published", key="k")
            with impatient():
                deliver_due()
            self.assertTrue(Event.objects.filter(execution=execution, status="pending").exists())
            go.set()
            parked.result(PATIENCE)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": "sent"})


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
                    wake_answered()
                return {"got": [self.wait_for_text("q"), self.wait_for_event("go")]}

        execution = run(Again)
        if answer is send:
            durable.provide_input(execution.id, "q", "x")
            visits.clear()
            drain()
        rows = Execution.objects.filter(pk=execution.pk)
        self.assertTrue(rows.blocked("code", None))
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
            with impatient():
                wake_answered()
            self.assertFalse(Wait.objects.get().told)
        drain()
        assert_completed(execution)


def send(pk: Any) -> None:
    durable.send_event(pk, "go", 1)
