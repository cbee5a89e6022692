"""A branch or item that is blocked is tried again by its execution's id: it has none itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import durable
from durable import Workflow, chain, foreach, parallel, step
from durable.doors.actions import ACTIONS
from durable.models import AuditEntry, Execution
from durable.testing import assert_completed, assert_waiting_for, drain, run
from tests.cases import WorkflowTestCase


class BlockedPartTests(WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.asked = "before"

    def branches(self) -> type[Workflow]:
        test = self

        class Branches(Workflow):
            @step
            def a(self, data: Any) -> Any:
                return {**data, "a": self.wait_for_event(test.asked)}

            @step
            def b(self, data: Any) -> Any:
                return {**data, "b": True}

            flow = chain(parallel(a, b))

        return Branches

    def items(self) -> type[Workflow]:
        test = self

        class Items(Workflow):
            @step
            def each(self, data: Any, item: str, index: int) -> Any:
                return {**data, item: self.wait_for_event(test.asked)}

            flow = chain(parallel(inner=foreach("items", each)))

        return Items

    def stuck(self, workflow: type[Workflow]) -> Execution:
        """Its one part that waits came back to code that asks for something else."""
        self.asked = "before"
        execution = run(workflow, {"items": ["a"]})
        self.asked = "after"
        durable.send_event(execution.id, "before", 1)
        drain()
        execution.refresh_from_db()
        self.assertEqual(execution.status, "waiting")
        blocked = Execution.objects.get(root_id=execution.pk, status="blocked")
        self.assertEqual((blocked.error or {})["type"], "JournalMismatch")
        return execution

    def each_kind(self, check: Callable[[Execution], None]) -> None:
        for make in (self.branches, self.items):
            with self.subTest(make.__name__):
                check(self.stuck(make()))

    def test_when_the_code_fits_again_a_retry_goes_on_with_the_recorded_answer(self) -> None:
        def check(execution: Execution) -> None:
            self.asked = "before"
            durable.retry(execution.id)
            drain()
            assert_completed(execution)
            self.assertEqual(execution.data["a"], 1)

        self.each_kind(check)

    def test_a_restarted_step_forgets_what_the_part_has_on_record(self) -> None:
        def check(execution: Execution) -> None:
            durable.retry(execution.id, restart_step=True)
            drain()
            assert_waiting_for(execution, event="after")
            durable.send_event(execution.id, "after", 2)
            drain()
            assert_completed(execution)
            self.assertEqual(execution.data["a"], 2)

        self.each_kind(check)

    def test_it_is_offered_and_audited_once(self) -> None:
        execution = self.stuck(self.branches())
        self.assertTrue(ACTIONS["retry"].offered(execution))
        durable.retry(execution.id)
        self.assertEqual(AuditEntry.objects.get().execution_id, execution.pk)
        self.assertFalse(ACTIONS["retry"].offered(execution))

    def test_without_a_blocked_part_it_is_refused_as_before(self) -> None:
        execution = run(self.branches())
        self.assertFalse(ACTIONS["retry"].offered(execution))
        with self.assertRaisesRegex(durable.InvalidTransition, "waiting.*failed or blocked"):
            durable.retry(execution.id)
