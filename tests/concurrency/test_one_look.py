"""One look, one decision: what another does between two statements is seen, or comes after."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction

import durable
from durable import Data, Workflow, chain, foreach, hours, parallel, signals, step
from durable.authoring.parse import registry
from durable.engine import deliver
from durable.engine.duties import inline, rota, workers
from durable.engine.duties.duty import duties_of
from durable.engine.duties.inline import InlineSession
from durable.engine.duties.pulse import pulse
from durable.engine.ends import release
from durable.engine.operators import prune, remove
from durable.engine.parts import join
from durable.engine.run.claim import claim_due
from durable.engine.run.runner import run as run_claim
from durable.errors import Fail
from durable.management import doctor
from durable.models import Execution, Wait
from durable.models.fields import uuid7
from durable.people import answer, notices
from durable.testing import assert_completed, drain, run
from tests.cases import (
    PATIENCE,
    ThreadedTestCase,
    blocked_by_a_lock,
    elsewhere,
    open_transaction,
    until,
)
from tests.concurrency.interleave import after, interleaved, opponent

NEVER = timedelta(0)


def sign_on() -> Any:
    """A worker that is alive: nobody frees what it holds."""
    return workers.sign_on("test", [], [], timedelta(minutes=5), listening=False)


class LastPartTests(ThreadedTestCase):
    """A parent that parks at its block while the last part of it ends is woken all the same."""

    broken = True

    def setUp(self) -> None:
        super().setUp()
        case = self

        class Both(Workflow):
            @step
            def left(self, data: Data) -> Data:
                return data

            @step
            def right(self, data: Data) -> Data:
                if case.broken:
                    raise Fail("broken")
                return {**data, "right": True}

            flow = chain(parallel(left, right, on_error="complete_all"))

        class Each(Workflow):
            @step
            def one(self, data: Data, item: int, index: int) -> int:
                if case.broken and item:
                    raise Fail("broken")
                return item

            flow = chain(foreach("items", one, collect_as="items"))

    def work_elsewhere(self) -> None:
        with elsewhere() as other:
            other(drain)

    def look_while_the_last_part_ends(self, execution: Execution) -> None:
        """Claim the parent, and let all parts end after it has seen that its block is open."""
        (claim,) = claim_due(sign_on(), "default", [execution.kind], 1)
        self.assertEqual(claim.execution_id, execution.pk)
        with mock.patch.object(join, "is_open", after(join.is_open, self.work_elsewhere)):
            run_claim(claim, InlineSession())
        drain()
        assert_completed(Execution.objects.get(pk=execution.pk))

    def retried(self, workflow: str) -> Execution:
        execution = run(workflow, {"items": [0, 1]})
        self.assertEqual(execution.status, "failed")
        self.broken = False
        return durable.retry(execution.pk)

    def test_of_branches_after_a_retry(self) -> None:
        self.look_while_the_last_part_ends(self.retried("both"))

    def test_of_items_after_a_retry(self) -> None:
        self.look_while_the_last_part_ends(self.retried("each"))

    def test_of_branches_after_a_pause(self) -> None:
        self.broken = False
        execution = durable.start("both", {})
        inline.work(1)
        durable.pause(execution.pk)
        self.look_while_the_last_part_ends(durable.resume(execution.pk))

    def test_of_items_after_a_pause(self) -> None:
        self.broken = False
        execution = durable.start("each", {"items": [0, 1]})
        inline.work(1)
        durable.pause(execution.pk)
        self.look_while_the_last_part_ends(durable.resume(execution.pk))

    def test_the_doctor_wakes_who_waits_for_nothing(self) -> None:
        self.broken = False
        execution = durable.start("both", {})
        inline.work(1)
        with mock.patch("durable.engine.parts.report._wake"):
            drain()
        execution.refresh_from_db()
        self.assertEqual(execution.status, "waiting")
        (finding,) = [f for f in doctor.diagnose() if f.code == "waiting-for-nothing"]
        self.assertEqual((finding.severity, finding.samples), ("error", [str(execution.pk)]))
        report = doctor.examine(fix=True)
        self.assertEqual(report.repaired["wake"], 1)
        drain()
        assert_completed(Execution.objects.get(pk=execution.pk))

    def test_the_doctor_leaves_alone_who_waits_for_something(self) -> None:
        class Ask(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                return {"answer": self.wait_for_text("q", timeout=hours(1))}

        class Parent(Workflow):
            @step
            def call(self, data: Data) -> Data:
                return dict(self.call_workflow(Ask, {}))

        parent = run(Parent)
        durable.start("both", {})
        inline.work(1)
        found = [finding.code for finding in doctor.diagnose()]
        self.assertNotIn("waiting-for-nothing", found)
        durable.provide_input(Wait.objects.questions().get().root_id, "q", "a")
        self.assertNotIn("waiting-for-nothing", [f.code for f in doctor.diagnose()])
        drain()
        assert_completed(Execution.objects.get(pk=parent.pk))


class EndTests(ThreadedTestCase):
    """What is cancelled never completes, whenever the cancellation comes."""

    def test_a_cancellation_between_the_claim_and_the_last_look(self) -> None:
        class Ask(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                return {"answer": self.wait_for_text("q")}

        execution = run(Ask)
        durable.provide_input(execution.pk, "q", "a")
        Execution.objects.filter(pk=execution.pk).update(path="")
        duties = rota.Rota(duties_of())
        while sum(map(duties.perform, duties.due(pulse((), registry.kinds())))):
            pass
        (claim,) = claim_due(uuid7(), "default", [execution.kind], 1)
        durable.cancel(execution.pk, "not any more")
        release.complete(claim, in_sequence=False)
        drain()
        self.assertEqual(Execution.objects.get(pk=execution.pk).status, "cancelled")


class QuestionTests(ThreadedTestCase):
    """Which question is meant is decided on one state of it."""

    def setUp(self) -> None:
        super().setUp()

        class Twice(Workflow):
            @step
            def first(self, data: Data) -> Data:
                return {"first": self.wait_for_text("q")}

            @step
            def second(self, data: Data) -> Data:
                return {**data, "second": self.wait_for_text("q")}

    @pytest.mark.only_on("postgresql")
    def test_a_question_that_opens_between_the_two_reads_is_answered(self) -> None:
        """It is held, so nobody else's answer comes between."""
        held: list[Any] = []
        for at in range(1, 9):
            with self.subTest(at=at), opponent() as other:
                execution = run("twice")
                durable.provide_input(execution.pk, "q", "1")

                def call(pk: Any = execution.pk) -> None:
                    with transaction.atomic():
                        row = Execution.objects.get(pk=pk)
                        found = answer.questions_named(row, "q", held=True)
                        held.append((found[0].status, is_locked(found[0])))

                interleaved(other, call, drain, at)
        self.assertLessEqual(set(held), {("answered", False), ("open", True)})
        self.assertIn(("open", True), held)

    def test_no_message_says_that_an_open_question_is_not_there(self) -> None:
        execution = durable.start("twice", {})
        seen: set[str] = set()
        for at in range(1, 12):
            with opponent() as other:
                outcome, _ = interleaved(
                    other,
                    lambda pk=execution.pk: durable.provide_input(pk, "q", "a"),
                    drain,
                    at,
                )
            if outcome.error is not None:
                seen.add(str(outcome.error))
                self.assertNotIn("open: 'q'", str(outcome.error))
            execution = durable.start("twice", {})
        self.assertTrue(seen)


def is_locked(wait: Wait) -> bool:
    """Whether a transaction (that of this thread) holds the row."""
    with elsewhere() as other:
        rows = Wait.objects.select_for_update(skip_locked=True).filter(pk=wait.pk)
        return not other(lambda: in_one(lambda: list(rows)))


def in_one(call: Callable[[], Any]) -> Any:
    with transaction.atomic():
        return call()


class NoticeTests(ThreadedTestCase):
    """Whoever is put in charge of a question is told of it."""

    def told(self, *, reassigned_to: str) -> list[str]:
        """Who is told, if the question is handed on while its first notice is being sent."""
        Group.objects.create(name="x")
        Group.objects.create(name="y")
        told: list[str] = []

        class Ask(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                return {"answer": self.wait_for_text("q", assignees=["group:x"])}

        execution = run_without_notices(Ask)

        def receiver(to: list[str], **_: Any) -> None:
            told.extend(to)
            if told == ["group:x"]:
                durable.reassign(execution.pk, "q", to=reassigned_to)

        for signal in (signals.input_asked, signals.input_reassigned):
            signal.connect(receiver, weak=False)
            self.addCleanup(signal.disconnect, receiver)
        while notices.tell_due():
            pass
        return told

    def test_those_who_get_it_while_the_first_notice_is_sent(self) -> None:
        self.assertEqual(self.told(reassigned_to="group:y"), ["group:x", "group:y"])

    def test_nobody_twice_if_nobody_is_new(self) -> None:
        self.assertEqual(self.told(reassigned_to="group:x"), ["group:x"])


def run_without_notices(workflow: type[Workflow]) -> Execution:
    """A question that is asked, and of which nobody has been told yet."""
    with mock.patch.object(notices, "tell_due", return_value=0):
        return run(workflow)


class RetentionTests(ThreadedTestCase):
    """What is set going again while retention looks at it stays."""

    broken = True

    def setUp(self) -> None:
        super().setUp()
        case = self

        class Fragile(Workflow):
            @step
            def work(self, data: Data) -> Data:
                if case.broken:
                    raise Fail("broken")
                return data

        class Starter(Workflow):
            @step
            def begin(self, data: Data) -> Data:
                return {"child": str(self.start_workflow(Fragile, {}))}

    def prune_while(self, act: Callable[[], Any]) -> list[Any]:
        """Let ``act`` come before each statement of a removal; what both have raised."""
        errors: list[Any] = []
        at = 1
        while True:
            self.prepare()
            with opponent() as other:
                outcome, acted = interleaved(other, lambda: prune.prune(NEVER), act, at)
            errors += [e for e in (outcome.error, acted) if e is not None]
            drain()
            self.check(at)
            if outcome.statements < at:
                return errors
            at += 1

    def prepare(self) -> None:
        self.broken = True
        self.root = run("starter")
        self.child = Execution.objects.get(parent=self.root.pk)
        self.broken = False

    def check(self, at: int) -> None:
        """No tree is in pieces, and what goes on has gone on."""
        left = set(Execution.objects.values_list("pk", flat=True))
        self.assertIn(self.child.pk in left, (self.root.pk in left,), at)
        self.assertFalse(Execution.objects.unfinished().exists())

    def test_a_child_that_is_retried(self) -> None:
        kept: set[bool] = set()

        def act() -> None:
            durable.retry(self.child.pk)

        def check(at: int) -> None:
            found = Execution.objects.filter(pk=self.child.pk).first()
            kept.add(found is not None)
            if found is not None:
                assert_completed(found)

        with mock.patch.object(self, "check", check):
            errors = self.prune_while(act)
        self.assertEqual({type(error) for error in errors}, {durable.ExecutionNotFound})
        self.assertEqual(kept, {True, False})

    def test_a_rerun_of_what_is_removed(self) -> None:
        errors = self.prune_while(lambda: durable.rerun(self.child.pk))
        self.assertLessEqual({type(error) for error in errors}, {durable.ExecutionNotFound})

    def test_what_is_rerun_while_it_is_removed(self) -> None:
        for at in range(1, 15):
            self.prepare()
            with self.subTest(at=at), opponent() as other:
                outcome, acted = interleaved(
                    other,
                    lambda: durable.rerun(self.child.pk),
                    lambda: prune.prune(NEVER),
                    at,
                )
                self.assertIsNone(acted)
                if outcome.error is not None:
                    self.assertIsInstance(outcome.error, durable.ExecutionNotFound)
            drain()

    def test_an_event_to_what_ends_and_is_removed_meanwhile(self) -> None:
        class Wait1(Workflow):
            @step
            def hear(self, data: Data) -> Data:
                return {"heard": self.wait_for_event("go")}

        for at in range(1, 12):
            execution = run(Wait1)

            def act(pk: Any = execution.pk) -> None:
                durable.cancel(pk)
                prune.prune(NEVER)

            with self.subTest(at=at), opponent() as other:
                outcome, acted = interleaved(
                    other, lambda pk=execution.pk: durable.send_event(pk, "go"), act, at
                )
                self.assertIsNone(acted)
                if outcome.error is not None:
                    self.assertIsInstance(outcome.error, durable.DurableError)

    def test_a_root_that_has_just_ended_again_is_as_old_as_its_end(self) -> None:
        self.prepare()
        old = Execution.objects.filter(pk=self.root.pk)
        rows = old.filter(finished_at__lte=self.root.created_at)
        self.assertEqual(prune._mark(rows, [self.root.pk]), [])
        self.assertTrue(old.exists())

    def test_one_bad_tree_costs_no_other(self) -> None:
        roots = [run("fragile") for _ in range(5)]
        portion, bad = remove._remove_portion, roots[2].pk

        def refuse(rows: Any) -> tuple[int, int]:
            if rows.filter(pk=bad).exists():
                raise IntegrityError("something of somebody else refers to it")
            return portion(rows)

        with (
            mock.patch.object(remove, "_remove_portion", refuse),
            self.assertLogs("durable.retention"),
        ):
            self.assertEqual(prune.prune(NEVER), 4)
        self.assertEqual(Execution.objects.get().pk, bad)


@pytest.mark.only_on("postgresql")
class FailuresTests(ThreadedTestCase):
    """``max_failures`` counts items that fail at the same moment."""

    def test_two_items_that_fail_at_the_same_moment(self) -> None:
        class Each(Workflow):
            @step
            def one(self, data: Data, item: int, index: int) -> int:
                if item < 2:
                    raise Fail("broken")
                return item

            flow = chain(
                foreach(
                    "items",
                    one,
                    concurrency=2,
                    on_error="continue",
                    max_failures=1,
                    collect_as="results",
                )
            )

        execution = durable.start("each", {"items": list(range(10))})
        inline.work(1)
        first, second = claim_due(uuid7(), "default", [execution.kind], 9)
        with elsewhere() as one, elsewhere() as two:
            with open_transaction(one):
                one(lambda: run_claim(first, InlineSession()))
                failing = two.begin(lambda: run_claim(second, InlineSession()))
                until(lambda: failing.done() or blocked_by_a_lock())
            failing.result(PATIENCE)
        drain()
        execution.refresh_from_db()
        self.assertEqual(execution.status, "failed")
        done = execution.children.filter(status="completed").count()
        self.assertLessEqual(done, 1)  # the one that got its turn from the first failure


@pytest.mark.only_on("postgresql")
class KeyTests(ThreadedTestCase):
    """A key is quiet only if no event is on its way to the mailbox."""

    def test_an_event_that_is_being_kept_reaches_who_gets_its_key_meanwhile(self) -> None:
        class Hear(Workflow):
            class Meta:
                key = "order"

            @step
            def hear(self, data: Data) -> Data:
                return {"heard": self.wait_for_event("go")}

        durable.publish_event("go", 1, key="k")
        with elsewhere() as other:
            with open_transaction(other):
                other(deliver.deliver_due)  # nobody carries the key: the event is kept
                execution = durable.start(Hear, {"order": "k"})
                self.assertEqual(deliver._note_quiet(), 0)
            drain()
        assert_completed(Execution.objects.get(pk=execution.pk))
