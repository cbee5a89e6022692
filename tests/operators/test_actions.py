"""What operators do: offered where it makes sense, checked, audited, done by the engine."""

from __future__ import annotations

from typing import Any

from durable import Data, Fail, Workflow, WorkflowMeta, step
from durable.doors.access import AccessDenied
from durable.doors.actions import ACTIONS, offered
from durable.errors import InvalidTransition
from durable.models import AuditEntry, Execution
from durable.states import Status
from durable.testing import drain, run
from tests.cases import WorkflowTestCase
from tests.doors.people import OPERATOR, VIEWER, person


class ActionCase(WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()

        class Booking(Workflow):
            class Meta(WorkflowMeta):
                on_failure = "hold"

            @step
            def book(self, data: Data) -> None: ...

            @book.compensate
            def undo(self, data: Data) -> None: ...

            @step
            def then(self, data: Data) -> None:
                if data.get("fail"):
                    raise Fail("no")
                self.wait_for_event("go")

        self.workflow = Booking
        self.operator, self.viewer = person("op", *OPERATOR), person("view", *VIEWER)

    def does(self, name: str, execution: Execution, **options: Any) -> Execution:
        return ACTIONS[name].run(execution, by=self.operator, options=options)

    def names(self, execution: Execution) -> set[str]:
        execution.refresh_from_db()
        return {action.name for action in offered(execution, self.operator)}


class OfferedTests(ActionCase):
    def test_where_the_execution_stands_decides_what_is_offered(self) -> None:
        waiting = run(self.workflow)
        self.assertEqual(self.names(waiting), {"pause", "cancel", "cancel_compensate"})
        self.does("pause", waiting)
        self.assertEqual(self.names(waiting), {"resume", "cancel", "cancel_compensate"})
        failed = run(self.workflow, {"fail": True})
        self.assertEqual(self.names(failed), {"retry", "rerun", "compensate"})

    def test_to_who_may_only_look_nothing_is_offered(self) -> None:
        for execution in (run(self.workflow), run(self.workflow, {"fail": True})):
            self.assertEqual(offered(execution, self.viewer), [])

    def test_every_status_is_thought_of(self) -> None:
        for status in Status:
            known = [action for action in ACTIONS.values() if status in action.statuses]
            self.assertTrue(known or status == Status.COMPENSATING, status)


class RunTests(ActionCase):
    def test_who_may_not_changes_nothing(self) -> None:
        execution = run(self.workflow)
        for action in ACTIONS.values():
            with self.subTest(action.name), self.assertRaises(AccessDenied):
                action.run(execution, by=self.viewer, options={})
        execution.refresh_from_db()
        self.assertEqual(execution.status, "waiting")
        self.assertFalse(AuditEntry.objects.exists())

    def test_each_is_done_and_audited_once(self) -> None:
        def entry() -> tuple[str, str]:
            (found,) = AuditEntry.objects.all()
            AuditEntry.objects.all()._raw_delete("default")
            return found.action, found.actor_name

        execution = run(self.workflow)
        for name, status in (("pause", "paused"), ("resume", "waiting")):
            self.assertEqual(self.does(name, execution).status, status)
            self.assertEqual(entry(), (name, "op"))
        self.assertEqual(self.does("cancel", execution, reason="why").cancel_reason, "why")
        self.assertEqual(entry(), ("cancel", "op"))
        again = self.does("rerun", execution, from_step="then")
        self.assertEqual((again.rerun_of_id, again.path), (execution.pk, "then"))
        self.assertEqual(entry(), ("rerun", "op"))
        other = run(self.workflow)
        self.does("cancel_compensate", other)
        self.assertEqual(entry(), ("cancel", "op"))
        drain()
        other.refresh_from_db()
        self.assertEqual(other.status, "compensated")
        failed = run(self.workflow, {"fail": True})
        self.assertEqual(self.does("retry", failed, restart_step=True).status, "pending")
        self.assertEqual(entry(), ("retry", "op"))
        drain()
        self.assertEqual(self.does("compensate", failed).status, "compensating")
        self.assertEqual(entry(), ("compensate", "op"))

    def test_what_the_engine_refuses_is_said_and_not_audited(self) -> None:
        execution = run(self.workflow)
        with self.assertRaisesRegex(InvalidTransition, "it is waiting"):
            self.does("retry", execution)
        self.assertFalse(AuditEntry.objects.exists())
