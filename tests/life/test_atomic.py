"""An atomic step's own writes, its checkpoint and the move onwards are one transaction."""

from __future__ import annotations

from contextlib import suppress

from django.db import IntegrityError, connection, transaction

import durable
from durable import Retry, Workflow, WorkflowMeta, seconds, step
from durable.models import Execution, StepRun
from durable.testing import assert_completed, assert_step, drain, run
from tests.cases import ThreadedTestCase, WorkflowTestCase
from tests.life.cases import die_at
from tests.shop.models import Note, Order


def notes() -> list[str]:
    return list(Note.objects.order_by("id").values_list("text", flat=True))


class RollbackTests(WorkflowTestCase):
    def test_what_a_completed_step_wrote_is_there(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                Note.objects.create(text="one", execution_id=self.id)

        execution = run(P)
        assert_completed(execution)
        self.assertEqual(Note.objects.get().execution_id, execution.id)

    def test_what_a_failed_attempt_wrote_is_rolled_back_and_the_attempt_is_on_record(self) -> None:
        class P(Workflow):
            @step(retry=Retry(3, base=seconds(0)))
            def one(self, data):
                Note.objects.create(text=f"attempt {self.attempt}")
                if self.attempt < 3:
                    raise ValueError

        execution = run(P)
        assert_step(execution, "one", attempts=3)
        self.assertEqual(notes(), ["attempt 3"])

    def test_a_result_that_is_refused_rolls_back_too(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                Note.objects.create(text="one")
                return data["result"]

        for result in ([1], "text"):
            self.assertFailed(run(P, {"result": result}), "InvalidStepResult")

        class Q(Workflow):
            @step
            def one(self, data):
                Note.objects.create(text="one")
                return {"a": object()}

        self.assertFailed(run(Q), "NotSerializable")
        self.assertEqual(notes(), [])

    def test_what_a_step_wrote_before_a_wait_is_rolled_back_at_each_suspend(self) -> None:
        seen: list[int] = []

        class P(Workflow):
            @step
            def one(self, data):
                seen.append(Note.objects.count())
                Note.objects.create(text="before")
                self.wait_for_event("a")
                Note.objects.create(text="between")
                self.wait_for_event("b")
                Note.objects.create(text="after")

        execution = run(P)
        self.assertEqual(notes(), [])
        durable.send_event(execution.id, "a")
        drain()
        self.assertEqual(notes(), [])
        durable.send_event(execution.id, "b")
        drain()
        assert_completed(execution)
        self.assertEqual(notes(), ["before", "between", "after"])
        self.assertEqual(seen, [0, 0, 0])

    def test_a_worker_that_loses_its_claim_leaves_no_trace_of_its_step(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                Note.objects.create(text=f"fence {Execution.objects.get().fence}")
                if Execution.objects.get().fence == 1:
                    Execution.objects.update(fence=2)

        run(P)
        self.assertEqual(notes(), [])
        self.assertFalse(StepRun.objects.exists())

    def test_what_the_step_after_does_cant_undo_a_completed_step(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                Note.objects.create(text="one")

            @step
            def two(self, data):
                Note.objects.create(text="two")
                raise ValueError

        self.assertFailed(run(P), "ValueError")
        self.assertEqual(notes(), ["one"])

    def test_a_caught_integrity_error_fails_the_step_with_a_clear_error(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                Order.objects.create(reference="a")
                with suppress(IntegrityError):
                    Order.objects.create(reference="a")

        self.assertFailed(run(P), "TransactionBroken", "transaction.atomic()")
        self.assertFalse(Order.objects.exists())

    def test_an_integrity_error_in_a_savepoint_of_the_step_is_fine(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                Order.objects.create(reference="a")
                try:
                    with transaction.atomic():
                        Order.objects.create(reference="a")
                except IntegrityError:
                    return {"twice": True}

        self.assertEqual(run(P).result, {"twice": True})
        self.assertEqual(Order.objects.count(), 1)

    def test_after_a_set_rollback_the_step_fails(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                Note.objects.create(text="one")
                transaction.set_rollback(True)

        self.assertFailed(run(P), "TransactionBroken")
        self.assertEqual(notes(), [])


class CommittedTests(ThreadedTestCase):
    """Where the step's transaction is the outermost one."""

    def test_an_atomic_step_is_in_a_transaction_and_another_is_not(self) -> None:
        class P(Workflow):
            @step
            def atomic(self, data):
                data["atomic"] = connection.in_atomic_block

            @step(atomic=False)
            def plain(self, data):
                data["plain"] = connection.in_atomic_block

        self.assertEqual(run(P).result, {"atomic": True, "plain": False})

    def test_meta_atomic_sets_another_default(self) -> None:
        class P(Workflow):
            class Meta(WorkflowMeta):
                atomic = False

            @step
            def default(self, data):
                data["default"] = connection.in_atomic_block

            @step(atomic=True)
            def own(self, data):
                data["own"] = connection.in_atomic_block

        self.assertEqual(run(P).result, {"default": False, "own": True})

    def test_writes_of_a_step_that_is_not_atomic_stay_whatever_happens_after(self) -> None:
        class P(Workflow):
            @step(atomic=False)
            def one(self, data):
                Note.objects.create(text="outside")
                raise ValueError

        self.assertFailed(run(P), "ValueError")
        self.assertEqual(notes(), ["outside"])

    def test_a_body_that_ends_the_transaction_fails_the_step(self) -> None:
        for statement in ("COMMIT", "ROLLBACK"):

            class P(Workflow):
                @step
                def one(self, data, statement=statement):
                    Note.objects.create(text="one")
                    with connection.cursor() as cursor:
                        cursor.execute(statement)

            execution = run(P)
            self.assertFailed(execution, "TransactionEnded", "atomic=False")

    def test_a_body_that_leaves_a_transaction_open_fails_the_step(self) -> None:
        class P(Workflow):
            @step(atomic=False)
            def one(self, data):
                transaction.set_autocommit(False)
                Note.objects.create(text="one")

        self.assertFailed(run(P), "TransactionEnded", "left a transaction open")
        self.assertEqual(notes(), [])

    def test_a_crash_before_the_commit_leaves_nothing_and_one_after_it_everything(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                Note.objects.create(text="one")
                return {"one": True}

            @step
            def two(self, data):
                return {**data, "two": True}

        for point, left, path in [
            ("body.before", [], "one"),
            ("body.after", [], "one"),
            ("checkpoint.before_commit", [], "one"),
            ("checkpoint.after_commit", ["one"], "two"),
        ]:
            with self.subTest(point):
                Note.objects.all().delete()
                execution = durable.start(P)
                die_at(point)
                self.assertEqual(notes(), left)
                execution.refresh_from_db()
                self.assertEqual((execution.status, execution.path), ("pending", path))
                drain()
                assert_completed(execution)
                self.assertEqual(notes(), ["one"])
                self.assertEqual(execution.result, {"one": True, "two": True})
