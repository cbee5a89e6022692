"""What is done in the admin is on record once; what is refused leaves no trace, and has no button.

Who gets which page is in ``tests/attacks/url_table.py``.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User

from durable.models import AuditEntry
from durable.states import Status
from tests.cases import WorkflowTestCase
from tests.doors.admin.site import browser, page, person, world


class AuditTests(WorkflowTestCase):
    """What is done is on record once, with who did it and from where; what is refused is not."""

    def setUp(self) -> None:
        super().setUp()
        self.world = world()
        self.before = set(AuditEntry.objects.values_list("pk", flat=True))

    def new(self) -> list[AuditEntry]:
        return list(AuditEntry.objects.exclude(pk__in=self.before))

    def test_each_action_is_on_record_once(self) -> None:
        operator = person("operator")
        pk, failed, schedule = self.world.waiting.pk, self.world.failed.pk, self.world.schedule.pk
        deeds: list[tuple[str, str, dict[str, Any]]] = [
            ("pause", page("execution_act", pk, "pause"), {}),
            ("resume", page("execution_act", pk, "resume"), {}),
            ("cancel", page("execution_act", pk, "cancel"), {"confirmed": "1", "reason": "why"}),
            ("rerun", page("execution_act", pk, "rerun"), {"confirmed": "1"}),
            ("retry", page("execution_act", failed, "retry"), {"confirmed": "1"}),
            ("start", page("workflow", "ship"), {"input": '{"parcels": []}'}),
            ("disable_schedule", page("schedule_act", schedule, "disable"), {}),
            ("enable_schedule", page("schedule_act", schedule, "enable"), {}),
            ("trigger_schedule", page("schedule_act", schedule, "run"), {}),
            ("pause_queue", page("queue_act"), {"name": "umbrella-queue", "act": "pause"}),
            ("limit_queue", page("queue_act"), {"name": "umbrella-queue", "act": "limit"}),
        ]
        client = browser(operator)
        for action, address, data in deeds:
            with self.subTest(action=action):
                client.post(address, data, REMOTE_ADDR="10.0.0.7")
                (entry,) = self.new()
                self.assertEqual(
                    (entry.action, entry.actor, entry.origin), (action, operator, "admin 10.0.0.7")
                )
                self.before.add(entry.pk)

    def test_the_reason_of_each_action_is_on_record(self) -> None:
        client = browser(person("operator"))
        waiting, failed = self.world.waiting.pk, self.world.failed.pk
        for action, pk in (
            ("pause", waiting),
            ("resume", waiting),
            ("cancel", waiting),
            ("rerun", failed),
            ("retry", failed),
        ):
            with self.subTest(action=action):
                chosen = {"action": action, "_selected_action": [str(pk)]}
                asks = client.post(page("execution_changelist"), chosen)
                self.assertContains(asks, 'name="reason"')
                sure = {**chosen, "confirmed": "1", "reason": f"{action}, as agreed"}
                client.post(page("execution_changelist"), sure)
                (entry,) = self.new()
                self.assertEqual(entry.action, action)
                self.assertEqual(entry.after["reason"], f"{action}, as agreed")
                self.before.add(entry.pk)

    def test_what_is_refused_leaves_no_trace(self) -> None:
        for role in ("viewer", "approver"):
            client = browser(person(role))
            for action in ("cancel", "pause", "cancel_compensate"):
                address = page("execution_act", self.world.waiting.pk, action)
                self.assertEqual(client.post(address, {"confirmed": "1"}).status_code, 403)
        self.assertEqual(self.new(), [])
        self.world.waiting.refresh_from_db()
        self.assertEqual(self.world.waiting.status, Status.WAITING)

    def test_a_viewer_sees_no_button(self) -> None:
        address = page("execution_change", self.world.waiting.pk)
        offered = browser(person("operator")).get(address).content.decode()
        shown = browser(person("viewer")).get(address).content.decode()
        self.assertIn("/do/pause/", offered.split('id="dw-live"')[1])
        self.assertNotIn(f"{self.world.waiting.pk}/do/", shown.split('id="dw-live"')[1])
        listed = browser(User.objects.get(username="viewer")).get(page("execution_changelist"))
        self.assertNotIn('name="action"', listed.content.decode())
