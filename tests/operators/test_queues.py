"""Queues: paused, resumed and limited by operators, at once and for all workers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.models import User

from durable import Data, DurableError, Workflow, start, step
from durable.authoring.parse import registry
from durable.engine.operators import queues
from durable.engine.run.claim import claim_due
from durable.models import AuditEntry, Queue
from durable.testing import drain
from tests.cases import ThreadedTestCase, WorkflowTestCase, together
from tests.life.cases import a_worker


def define() -> type[Workflow]:
    class Idle(Workflow):
        @step
        def only(self, data: Data) -> None: ...

    return Idle


class QueueTests(WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.workflow = define()

    def claimed(self, limit: int = 10, queue: str = "default") -> int:
        return len(claim_due(a_worker(), queue, registry.kinds(), limit))

    def test_nothing_is_claimed_from_a_paused_queue_until_it_is_resumed(self) -> None:
        start(self.workflow)
        queues.pause_queue("default", by=None)
        self.assertEqual(self.claimed(), 0)
        queues.resume_queue("default", by=None)
        self.assertEqual(self.claimed(), 1)

    def test_other_queues_go_on(self) -> None:
        start(self.workflow, queue="mail")
        queues.pause_queue("default", by=None)
        self.assertEqual(self.claimed(queue="mail"), 1)

    def test_a_limit_holds_over_all_workers_and_claims(self) -> None:
        for _ in range(5):
            start(self.workflow)
        queues.limit_queue("default", 3, by=None)
        self.assertEqual([self.claimed(2), self.claimed(2), self.claimed(2)], [2, 1, 0])
        queues.limit_queue("default", None, by=None)
        self.assertEqual(self.claimed(), 2)

    def test_every_change_is_audited_once_and_no_change_is_not(self) -> None:
        kim = User.objects.create_user("kim")
        for _ in range(2):
            queues.pause_queue("mail", by=kim)
        queues.limit_queue("mail", 7, by=kim)
        found = AuditEntry.objects.order_by("at", "id").values_list(
            "action", "target", "actor_name"
        )
        self.assertEqual(
            list(found), [("pause_queue", "mail", "kim"), ("limit_queue", "mail", "kim")]
        )

    def test_what_cannot_be_a_limit_is_refused(self) -> None:
        wrong: list[Any] = [0, -1, True, 1.5, "3", 2**40]
        for value in wrong:
            with self.subTest(value), self.assertRaises(DurableError):
                queues.limit_queue("default", value, by=None)
        for name in ("", "x" * 101, "\0", None):
            with self.subTest(name), self.assertRaises(DurableError):
                queues.pause_queue(name, by=None)  # type: ignore[arg-type]
        self.assertFalse(Queue.objects.exists())

    def test_depth_and_age_of_each_queue_are_told(self) -> None:
        first = start(self.workflow, queue="mail")
        start(self.workflow, queue="mail")
        queues.limit_queue("slow", 1, by=None)
        states = {state.name: state for state in queues.states()}
        self.assertEqual(set(states), {"default", "mail", "slow"})
        self.assertEqual((states["mail"].depth, states["mail"].concurrency), (2, None))
        self.assertEqual(states["mail"].due_since, first.created_at)
        self.assertEqual((states["default"].depth, states["default"].concurrency), (0, 10))
        self.assertEqual(states["slow"].limit, 1)
        self.claimed(1, "mail")
        state = next(state for state in queues.states() if state.name == "mail")
        self.assertEqual((state.depth, state.running), (1, 1))

    def test_the_testing_kit_honours_a_pause(self) -> None:
        execution = start(self.workflow)
        queues.pause_queue("default", by=None)
        drain()
        execution.refresh_from_db()
        self.assertEqual(execution.status, "pending")


class ConcurrentQueueTests(ThreadedTestCase):
    def test_two_workers_that_claim_at_once_do_not_exceed_a_limit_together(self) -> None:
        workflow = define()
        queues.limit_queue("default", 3, by=None)
        workers: list[UUID] = [a_worker() for _ in range(4)]
        for _ in range(12):
            start(workflow)
        taken = together(
            *(
                lambda worker=worker: claim_due(worker, "default", registry.kinds(), 2)
                for worker in workers
            )
        )
        self.assertEqual(sum(len(claims) for claims in taken), 3, taken)
