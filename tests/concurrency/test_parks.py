"""Executions that park in one commit: each under its own fence, and none without its event."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

import durable
from durable import Data, Workflow, chain, hours, parallel, seconds, step
from durable.authoring.parse import registry
from durable.engine.deliver import deliver_due
from durable.engine.duties.inline import InlineSession
from durable.engine.ends import parks
from durable.engine.ends.parks import Park, Shared
from durable.engine.run.claim import claim_due
from durable.engine.run.runner import run as run_claim
from durable.models import CorrelationKey, Event, Execution, StepRun, Wait
from durable.storage import failpoints
from durable.testing import drain, worker
from durable.worker.committer import Committer
from tests.cases import (
    PATIENCE,
    ThreadedTestCase,
    elsewhere,
    impatient,
    open_transaction,
    until,
)
from tests.life.cases import a_worker

MANY = 6


class Collecting(InlineSession):
    """A session that keeps what it is to park."""

    def __init__(self) -> None:
        super().__init__()
        self.parks: list[Park] = []

    def park(self, one: Park) -> Shared:
        self.parks.append(one)
        raise KeyboardInterrupt  # the claim stays as it is


def define() -> None:
    class Hear(Workflow):
        @step
        def hear(self, data: Data) -> Data:
            got = self.wait_for_event("go", key=data.get("key"), timeout=hours(1))
            return {"got": got}

    class Sleep(Workflow):
        @step
        def rest(self, data: Data) -> Data:
            self.sleep(hours(1))
            return data

    class Both(Workflow):
        @step
        def left(self, data: Data) -> Data:
            return {"left": self.wait_for_event("left")}

        @step
        def right(self, data: Data) -> Data:
            return {"right": self.wait_for_event("right")}

        flow = chain(parallel(left, right))


class BatchTests(ThreadedTestCase):
    """Six executions that ask for a wait at the same time."""

    def setUp(self) -> None:
        super().setUp()
        define()

    def parking(self, workflow: str = "hear", bodies: Any = None) -> list[Park]:
        """The parks of executions whose bodies have asked for their wait."""
        durable.start_many(workflow, bodies or [{} for _ in range(MANY)])
        return self.asked(MANY)

    def asked(self, at_most: int) -> list[Park]:
        session = Collecting()
        for claim in claim_due(a_worker(), "default", registry.kinds(), at_most):
            with self.assertRaises(KeyboardInterrupt):
                run_claim(claim, session)
        return session.parks

    def statuses(self, batch: list[Park]) -> list[str]:
        found = dict(Execution.objects.values_list("pk", "status"))
        return [found[park.execution_id] for park in batch]

    def test_all_wait_with_what_they_need_to_go_on(self) -> None:
        batch = self.parking()
        self.assertEqual(parks.write(batch), {park.execution_id for park in batch})
        for row in Execution.objects.all():
            wait = Wait.objects.get(execution=row)
            self.assertEqual((row.status, row.worker, row.journaled), ("waiting", None, True))
            self.assertEqual(row.wake_at, wait.deadline_at)
            self.assertEqual((wait.names, wait.kind, wait.status), (["go"], "event", "open"))
            self.assertEqual(StepRun.objects.get(execution=row).status, "waiting")
            durable.send_event(row.pk, "go", str(row.pk))
        drain()
        for row in Execution.objects.all():
            self.assertEqual((row.status, row.data), ("completed", {"got": str(row.pk)}))

    def test_sleepers_wake_each_at_its_own_time(self) -> None:
        class Nap(Workflow):
            @step
            def nap(self, data: Data) -> Data:
                self.sleep(seconds(data["s"]))
                return data

        batch = self.parking("nap", [{"s": 60 * number} for number in range(1, MANY + 1)])
        parks.write(batch)
        for row in Execution.objects.all():
            wait = Wait.objects.get(execution=row)
            assert row.wake_at is not None
            self.assertEqual(row.wake_at - wait.opened_at, seconds(row.data["s"]))

    def test_the_number_of_statements_does_not_depend_on_the_size(self) -> None:
        for workflow in ("hear", "sleep"):
            with self.subTest(workflow):
                first, *others = self.parking(workflow)
                with CaptureQueriesContext(connection) as few, transaction.atomic():
                    parks.write([first])
                with CaptureQueriesContext(connection) as many, transaction.atomic():
                    parks.write(others)
                self.assertEqual(len(few), len(many))
                self.assertLessEqual(len(few), 8)  # savepoints included

    def test_keys_are_given_to_all_that_wait_for_them(self) -> None:
        batch = self.parking(bodies=[{"key": f"k{number}"} for number in range(MANY)])
        parks.write(batch)
        keys = CorrelationKey.objects.order_by("key").values_list("key", flat=True)
        self.assertEqual(list(keys), [f"k{number}" for number in range(MANY)])
        durable.publish_event("go", 7, key="k3")
        drain()
        self.assertEqual(Execution.objects.get(status="completed").data, {"got": 7})

    def test_one_whose_claim_is_lost_is_left_out_and_the_others_park(self) -> None:
        for stolen in ({"fence": 9}, {"attempt": 2}, {"visit": 2}, {"status": "pending"}):
            with self.subTest(stolen):
                Execution.objects.all().delete()
                batch = self.parking()
                rows = Execution.objects.filter(pk=batch[2].execution_id)
                rows.update(**stolen, **({"worker": None} if "status" in stolen else {}))
                before = rows.values().get()
                self.assertEqual(len(parks.write(batch)), MANY - 1)
                self.assertEqual(rows.values().get(), before)
                self.assertFalse(Wait.objects.filter(execution__in=rows).exists())

    def test_one_that_is_to_pause_or_to_cancel_is_left_out(self) -> None:
        batch = self.parking()
        durable.pause(batch[0].execution_id)
        durable.cancel(batch[1].execution_id)
        self.assertEqual(len(parks.write(batch)), MANY - 2)
        self.assertEqual(self.statuses(batch), ["running"] * 2 + ["waiting"] * (MANY - 2))

    def test_one_that_is_to_pause_or_to_cancel_does_so_at_its_wait(self) -> None:
        park = InlineSession.park
        for ask, status in ((durable.pause, "paused"), (durable.cancel, "cancelled")):
            with self.subTest(status):
                pk = durable.start("hear").pk
                (claim,) = claim_due(a_worker(), "default", registry.kinds(), 1)

                def asked(session: Any, one: Park, ask: Any = ask) -> Shared:
                    ask(one.execution_id)
                    return park(session, one)

                with mock.patch.object(InlineSession, "park", asked):
                    run_claim(claim, InlineSession())
                self.assertEqual(Execution.objects.get(pk=pk).status, status)

    def test_one_whose_event_was_there_first_is_left_out(self) -> None:
        batch = self.parking()
        durable.send_event(batch[4].execution_id, "go", 7)
        durable.send_event(batch[5].execution_id, "another", 7)
        deliver_due()  # no wait takes them
        self.assertEqual(len(parks.write(batch)), MANY - 1)
        self.assertEqual(self.statuses(batch)[4], "running")

    def test_branches_park_under_the_lock_of_their_root(self) -> None:
        root = durable.start("both").pk
        (parent,) = claim_due(a_worker(), "default", registry.kinds(), 1)
        run_claim(parent, InlineSession())
        batch = self.asked(2)
        self.assertEqual(len(parks.write(batch)), 2)
        for name in ("right", "left"):
            durable.send_event(root, name, name)
        drain()
        row = Execution.objects.get(pk=root)
        self.assertEqual((row.status, row.data), ("completed", {"left": "left", "right": "right"}))

    @pytest.mark.only_on("postgresql")
    def test_one_that_is_locked_elsewhere_keeps_nobody_waiting(self) -> None:
        batch = self.parking()
        locked = Execution.objects.filter(pk=batch[1].execution_id)
        with elsewhere() as other, open_transaction(other):
            other(lambda: locked.update(tags={"a": 1}))
            with impatient():
                self.assertEqual(len(parks.write(batch)), MANY - 1)
        self.assertEqual(parks.write([batch[1]]), {batch[1].execution_id})

    @pytest.mark.only_on("postgresql")
    def test_a_branch_whose_root_is_locked_elsewhere_is_left_out(self) -> None:
        root = durable.start("both").pk
        (parent,) = claim_due(a_worker(), "default", registry.kinds(), 1)
        run_claim(parent, InlineSession())
        batch = self.asked(2)
        with elsewhere() as other, open_transaction(other):
            other(lambda: Execution.objects.filter(pk=root).update(tags={"a": 1}))
            with impatient():
                self.assertEqual(parks.write(batch), set())

    @pytest.mark.only_on("postgresql")
    def test_an_event_sent_while_they_park_stays_due_until_the_waits_are_there(self) -> None:
        batch = self.parking()
        pk = batch[0].execution_id

        def send(point: str) -> None:
            if point == "wait.before_commit":
                with elsewhere() as other:
                    other(lambda: durable.send_event(pk, "go", 7))
                    other(deliver_due)

        with mock.patch.object(failpoints, "armed", send):
            parks.write(batch)
        self.assertTrue(Event.objects.filter(status="pending").exists())
        drain()
        self.assertEqual(Execution.objects.get(pk=pk).data, {"got": 7})

    def committed(self, batch: list[Park]) -> list[Shared]:
        """The answers of a committer that finds the whole batch in its queue."""
        committer = Committer()
        with ThreadPoolExecutor(len(batch)) as slots:
            replies = [slots.submit(committer.park, one) for one in batch]
            until(lambda: committer._queue.qsize() == len(batch))
            committer.start()
            answers = [reply.result(PATIENCE) for reply in replies]
        committer.stop()
        return answers

    def test_a_committer_parks_what_is_queued_in_one_commit(self) -> None:
        batch, written = self.parking(), []
        write = parks.write

        def note(several: Any) -> Any:
            written.append(len(several))
            return write(several)

        with mock.patch.object(parks, "write", note):
            answers = self.committed(batch)
        self.assertEqual((answers, written), ([Shared(True)] * MANY, [MANY]))

    def test_one_that_can_t_be_parked_sends_each_to_park_alone(self) -> None:
        batch = self.parking()
        bad = batch[3].opening.at(Execution.objects.first().created_at, "")  # type: ignore[union-attr]
        parks.open_waits([bad])
        with self.assertRaises(IntegrityError):
            parks.write(batch)
        self.assertEqual(Wait.objects.count(), 1)
        self.assertFalse(StepRun.objects.exists())
        answers = self.committed(batch)
        self.assertEqual(answers, [Shared(parked=False, in_doubt=True)] * MANY)
        good = [park for park in batch if park is not batch[3]]
        self.assertEqual(len(parks.write(good)), MANY - 1)

    def test_every_column_of_a_wait_is_written_or_may_be_missing(self) -> None:
        written = {"status", "told", "vote_count", "by_name", "comment", *parks._WAITS._keys}
        for field in Wait._meta.concrete_fields:
            self.assertTrue(field.null or field.column in written, field.column)


class WorkerTests(ThreadedTestCase):
    """A real worker, whose slots park together while events arrive."""

    def test_no_event_is_lost_that_is_sent_before_at_or_after_the_park(self) -> None:
        define()
        with worker():
            started = durable.start_many("hear", [{}] * 40)
            with ThreadPoolExecutor(4) as senders:
                sends = [
                    senders.submit(_send, execution.pk, number)
                    for number, execution in enumerate(started)
                ]
                for one in sends:
                    one.result(PATIENCE)
            for number, execution in enumerate(started):
                got = durable.wait_for_result(execution.pk, timeout=seconds(30))
                self.assertEqual(got, {"got": number})
        self.assertEqual(Event.objects.filter(status="consumed").count(), 40)


def _send(pk: Any, number: int) -> None:
    try:
        durable.send_event(pk, "go", number)
    finally:
        connection.close()
