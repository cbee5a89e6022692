"""The audit trail: who changed what, in the transaction of the change, for good."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User

import durable
from durable import Data, Workflow, step
from durable.models import AuditEntry
from durable.testing import drain, run
from tests.cases import WorkflowTestCase


class AuditTests(WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()

        class Asking(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                if data.get("fail"):
                    raise ValueError
                return {"name": self.wait_for_text("q")}

        self.workflow = Asking
        self.kim = User.objects.create_user("kim")

    def test_every_call_that_changes_something_writes_one_row_with_its_actor(self) -> None:
        waiting, failed = run(self.workflow), run(self.workflow, {"fail": True})
        pk = waiting.id
        calls: list[tuple[str, Any, Any]] = [
            ("start", lambda by: durable.start(self.workflow, by=by), None),
            ("start_many", lambda by: durable.start_many(self.workflow, [{}], by=by), None),
            ("send_event", lambda by: durable.send_event(pk, "go", 1, by=by), pk),
            ("publish_event", lambda by: durable.publish_event("go", 1, by=by), None),
            ("reassign", lambda by: durable.reassign(pk, "q", to=by, by=by), pk),
            ("pause", lambda by: durable.pause(pk, by=by), pk),
            ("resume", lambda by: durable.resume(pk, by=by), pk),
            ("provide_input", lambda by: durable.provide_input(pk, "q", "x", by=by), pk),
            ("cancel", lambda by: durable.cancel(pk, "why", by=by), pk),
            ("rerun", lambda by: durable.rerun(failed.id, by=by), None),
            ("retry", lambda by: durable.retry(failed.id, by=by), failed.id),
        ]
        for action, call, target in calls:
            with self.subTest(action):
                known = set(AuditEntry.objects.values_list("pk", flat=True))
                call(self.kim)
                entry = AuditEntry.objects.exclude(pk__in=known).get()
                self.assertEqual((entry.action, entry.actor), (action, self.kim))
                self.assertEqual(entry.actor_name, "kim")
                self.assertIsNotNone(entry.at)
                if target is not None:
                    self.assertEqual(entry.execution_id, target)

    def test_a_change_of_status_says_from_what_to_what(self) -> None:
        execution = run(self.workflow)
        durable.cancel(execution.id, "why", by=self.kim)
        entry = AuditEntry.objects.get()
        self.assertEqual(entry.before, "waiting")
        self.assertEqual(entry.after, {"status": "cancelled", "reason": "why"})

    def test_the_program_itself_is_named_by_nothing(self) -> None:
        durable.cancel(durable.start(self.workflow).id)
        entry = AuditEntry.objects.get()
        self.assertEqual((entry.actor, entry.actor_name), (None, ""))

    def test_it_survives_the_deletion_of_user_and_execution(self) -> None:
        execution = run(self.workflow)
        durable.provide_input(execution.id, "q", "x", by=self.kim, comment="fine")
        drain()
        self.kim.delete()
        execution.refresh_from_db()
        pk = execution.pk
        execution.delete()
        entry = AuditEntry.objects.get()
        self.assertEqual((entry.actor, entry.actor_name), (None, "kim"))
        self.assertEqual(entry.execution_id, pk)
        self.assertEqual(entry.after, {"answer": "x", "comment": "fine"})

    def test_the_answer_too_still_says_who_gave_it(self) -> None:
        execution = run(self.workflow)
        durable.provide_input(execution.id, "q", "x", by=self.kim)
        self.kim.delete()
        with self.assertRaises(durable.AlreadyAnswered) as caught:
            durable.provide_input(execution.id, "q", "y")
        self.assertEqual(caught.exception.by, "kim")

    def test_an_entry_can_be_neither_changed_nor_deleted(self) -> None:
        durable.cancel(durable.start(self.workflow).id, by=self.kim)
        entry = AuditEntry.objects.get()
        entry.actor_name = "lee"
        with self.assertRaises(TypeError):
            entry.save()
        with self.assertRaises(TypeError):
            entry.delete()
        with self.assertRaises(TypeError):
            AuditEntry.objects.all().update(actor_name="lee")
        with self.assertRaises(TypeError):
            AuditEntry.objects.all().delete()
        self.assertEqual(AuditEntry.objects.get().actor_name, "kim")

    def test_what_is_refused_is_not_in_it(self) -> None:
        execution = run(self.workflow)
        with self.assertRaises(durable.InvalidInput):
            durable.provide_input(execution.id, "q", "", by=self.kim)
        with self.assertRaises(durable.InvalidTransition):
            durable.resume(execution.id, by=self.kim)
        self.assertFalse(AuditEntry.objects.exists())
