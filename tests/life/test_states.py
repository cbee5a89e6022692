"""The table of transitions is whole, the engine keeps to it, and the database refuses the rest."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.test import SimpleTestCase, TestCase

import durable
from durable import Data, Workflow, clock, step
from durable.engine.duties import workers
from durable.engine.undo import rollback
from durable.errors import InvalidTransition
from durable.models import AuditEntry, Execution, Wait
from durable.models.fields import uuid7
from durable.states import FINAL, TRANSITIONS, UNFINISHED, Status, sources
from durable.testing import drain
from tests.stage import LEASE, NOON, Hand, tick

AT = datetime(2030, 1, 1, tzinfo=UTC)

#: What brings an execution out of a final status: an operator's word.
OPERATORS_MOVES = {
    (Status.CANCELLED, Status.PENDING),  # a branch or item whose block is retried
    (Status.FAILED, Status.PENDING),  # retry
    (Status.FAILED, Status.COMPENSATING),  # compensate
    (Status.COMPENSATION_FAILED, Status.COMPENSATING),  # retry of the compensations
}


class TableTests(SimpleTestCase):
    """What can be told from the table alone."""

    def test_every_status_is_in_the_table_and_is_final_or_not(self) -> None:
        self.assertEqual(set(TRANSITIONS), set(Status))
        self.assertEqual(FINAL | UNFINISHED, set(Status))
        self.assertFalse(FINAL & UNFINISHED)

    def test_every_status_is_reached_from_the_first(self) -> None:
        self.assertEqual(_reachable(Status.PENDING), set(Status))

    def test_from_every_status_that_is_not_final_the_end_can_be_reached(self) -> None:
        for status in UNFINISHED:
            with self.subTest(status=status):
                self.assertTrue(_reachable(status) & FINAL)

    def test_every_unfinished_status_but_a_rollback_can_be_cancelled(self) -> None:
        self.assertEqual(sources(Status.CANCELLED), UNFINISHED - {Status.COMPENSATING})

    def test_only_an_operator_moves_out_of_a_final_status(self) -> None:
        moves = {(source, target) for source in FINAL for target in TRANSITIONS[source]}
        self.assertEqual(moves, OPERATORS_MOVES)

    def test_sources_is_the_table_read_backwards(self) -> None:
        for source in Status:
            for target in Status:
                self.assertEqual(source in sources(target), target in TRANSITIONS[source])

    def test_no_status_moves_to_itself(self) -> None:
        self.assertFalse([status for status in Status if status in TRANSITIONS[status]])


def _reachable(status: Status) -> set[Status]:
    seen, todo = {status}, [status]
    while todo:
        new = TRANSITIONS[todo.pop()] - seen
        seen |= new
        todo += new
    return seen


def row(status: Status, **changes: Any) -> Execution:
    """A row that stands as the engine leaves one in this status."""
    pk = uuid7()
    values: dict[str, Any] = {
        "id": pk,
        "root_id": pk,
        "workflow": "w",
        "kind": "w@1",
        "path": "one",
        "created_at": AT,
        "status": status,
        "worker": uuid7() if status == Status.RUNNING else None,
        "finished_at": AT if status in FINAL else None,
    }
    return Execution.objects.create(**{**values, **changes})


class ConstraintTests(TestCase):
    """Rows that can't be are refused by the database itself."""

    def refused(self, execution: Execution, **changes: Any) -> None:
        with self.assertRaises(IntegrityError), transaction.atomic():
            Execution.objects.filter(pk=execution.pk).update(**changes)

    def test_every_status_stands_as_the_engine_leaves_it(self) -> None:
        for status in Status:
            row(status)

    def test_an_unknown_status_is_refused(self) -> None:
        self.refused(row(Status.PENDING), status="resting")

    def test_what_runs_has_a_worker(self) -> None:
        self.refused(row(Status.RUNNING), worker=None)
        self.refused(row(Status.PENDING), status=Status.RUNNING)

    def test_what_does_not_run_has_no_worker(self) -> None:
        for status in set(Status) - {Status.RUNNING, Status.COMPENSATING}:
            with self.subTest(status=status):
                self.refused(row(status), worker=uuid7())

    def test_what_is_final_has_an_end_and_nothing_else_has(self) -> None:
        for status in Status:
            with self.subTest(status=status):
                self.refused(row(status), finished_at=None if status in FINAL else AT)

    def test_nothing_is_due_that_may_not_run(self) -> None:
        for status in {Status.RUNNING, Status.PAUSED, Status.BLOCKED, *FINAL}:
            for column in ("ready_at", "wake_at"):
                with self.subTest(status=status, column=column):
                    self.refused(row(status), **{column: AT})

    def test_a_branch_item_or_child_has_a_parent(self) -> None:
        for role in ("branch", "item", "child"):
            self.refused(row(Status.PENDING), role=role)

    def test_a_wait_that_is_resolved_says_when_and_an_open_one_does_not(self) -> None:
        execution = row(Status.WAITING)
        wait = Wait.objects.create(
            execution=execution,
            root_id=execution.pk,
            path="one",
            kind="event",
            name="go",
            opened_at=AT,
        )
        for changes in (
            {"status": "answered"},
            {"resolved_at": AT},
            {"told": False},
        ):
            with self.subTest(**changes), self.assertRaises(IntegrityError), transaction.atomic():
                Wait.objects.filter(pk=wait.pk).update(**changes)

    def test_one_execution_per_workflow_and_idempotency_key(self) -> None:
        row(Status.COMPLETED, idempotency_key="a")
        with self.assertRaises(IntegrityError), transaction.atomic():
            row(Status.PENDING, idempotency_key="a")


class MoverTests(TestCase):
    """What one worker has left an execution in, somebody else can bring it out of."""

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(clock.frozen(NOON))

        class Asks(Workflow):
            @step
            def book(self, data: Data) -> None: ...

            @book.compensate
            def unbook(self, data: Data) -> None: ...

            @step
            def ask(self, data: Data) -> Data:
                return {"got": self.wait_for_event("go")}

        self.workflow = Asks
        self.execution = durable.start(Asks)
        self.first = Hand("the one that entered it")

    #: Each status that is not final: how to get there, how somebody else goes on from it, and
    #: where that leads.
    MOVERS: dict[Status, tuple[str, str, Status]] = {
        Status.PENDING: ("stay", "claim", Status.RUNNING),
        Status.RUNNING: ("claim_and_die", "bury_and_claim", Status.RUNNING),
        Status.WAITING: ("park", "deliver_and_claim", Status.RUNNING),
        Status.PAUSED: ("pause", "resume_and_claim", Status.RUNNING),
        Status.BLOCKED: ("lose_the_code", "register_and_claim", Status.RUNNING),
        Status.COMPENSATING: ("undo_and_die", "bury_and_undo", Status.COMPENSATED),
    }

    def stay(self) -> None: ...

    def claim_and_die(self) -> None:
        self.first.must_claim()

    def park(self) -> None:
        self.first.run(self.first.must_claim())

    def pause(self) -> None:
        durable.pause(self.execution.id)

    def lose_the_code(self) -> None:
        workers.sign_off(self.first.worker)
        workers.block_orphans([])

    def undo_and_die(self) -> None:
        self.park()
        durable.cancel(self.execution.id, compensate=True)
        claim = self.first.must_claim()
        rollback.look(claim, self.workflow.definition)  # stands at the compensation now

    def claim(self) -> None:
        Hand("another").must_claim()

    def bury_and_claim(self) -> None:
        clock.set_frozen(NOON + 2 * LEASE)
        tick()
        self.claim()

    def bury_and_undo(self) -> None:
        clock.set_frozen(NOON + 2 * LEASE)
        tick()
        another = Hand("another")
        another.run(another.must_claim())

    def deliver_and_claim(self) -> None:
        durable.send_event(self.execution.id, "go")
        tick()
        self.claim()

    def resume_and_claim(self) -> None:
        durable.resume(self.execution.id)
        tick()
        self.claim()

    def register_and_claim(self) -> None:
        self.claim()

    def status(self) -> Status:
        self.execution.refresh_from_db()
        return Status(self.execution.status)

    def test_the_list_has_every_status_that_is_not_final(self) -> None:
        self.assertEqual(set(self.MOVERS), UNFINISHED)

    def test_each_status_that_is_not_final_is_left_without_the_one_who_entered_it(self) -> None:
        for status, (enter, leave, target) in self.MOVERS.items():
            with self.subTest(status=status), _undone():
                getattr(self, enter)()
                self.assertEqual(self.status(), status)
                getattr(self, leave)()
                self.assertEqual(self.status(), target)
                self.assertNotEqual(self.execution.worker, self.first.worker)
            clock.set_frozen(NOON)

    def test_a_final_status_is_left_by_an_audited_retry_of_what_failed_and_by_nothing_else(
        self,
    ) -> None:
        operators: dict[str, Callable[[Any], Any]] = {
            "retry": durable.retry,
            "cancel": durable.cancel,
            "pause": durable.pause,
            "resume": durable.resume,
        }
        for status in FINAL:
            for verb, operate in operators.items():
                with self.subTest(status=status, verb=verb):
                    execution = row(status)
                    if verb == "retry" and status in (Status.FAILED, Status.COMPENSATION_FAILED):
                        operate(execution.pk)
                        entry = AuditEntry.objects.get(execution_id=execution.pk)
                        self.assertEqual((entry.action, entry.before), ("retry", status))
                        continue
                    with self.assertRaises(InvalidTransition):
                        operate(execution.pk)
                    execution.refresh_from_db()
                    self.assertEqual(execution.status, status)
                    self.assertFalse(AuditEntry.objects.filter(execution_id=execution.pk).exists())

    def test_nothing_that_is_due_or_ticks_touches_a_final_row(self) -> None:
        durable.cancel(self.execution.id)
        finals = {row(status).pk: status for status in FINAL}
        clock.set_frozen(NOON + 100 * LEASE)
        self.assertEqual(drain(), 0)
        self.assertEqual(
            dict(Execution.objects.filter(pk__in=finals).values_list("pk", "status")), finals
        )


class _undone:
    """What happens inside is rolled back."""

    def __enter__(self) -> None:
        self._atomic = transaction.atomic()
        self._atomic.__enter__()

    def __exit__(self, *exc_info: Any) -> None:
        transaction.set_rollback(True)
        self._atomic.__exit__(*exc_info)
