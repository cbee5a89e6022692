"""An approver at work: sees what waits, approves, rejects, fills in a form, decides on twenty."""

from __future__ import annotations

from django.contrib.auth.models import User

from durable.models import AuditEntry, Wait
from durable.testing import drain
from tests.browser.cases import BrowserTestCase
from tests.browser.stage import Workflows
from tests.doors.people import APPROVER, person

INPUTS = "/admin/durable/input/"


class DecidingTests(BrowserTestCase):
    """Every answer goes through the pages, as a person gives it."""

    kim: User

    def setUp(self) -> None:
        super().setUp()
        self.workflows = Workflows()
        self.kim = person("kim", *APPROVER)

    def answer_of(self, wait: Wait) -> tuple[str, object, str, str]:
        """What became of it: its status, the answer, by whom, with what comment."""
        wait.refresh_from_db()
        wait.execution.refresh_from_db()
        self.assertEqual(wait.execution.status, "completed")
        return wait.status, wait.answer, wait.by_name, wait.comment

    def test_an_approver_logs_in_sees_what_waits_and_approves_it(self) -> None:
        wait = self.workflows.ask(prompt="Buy a new lathe?")
        self.log_in(self.kim)
        self.press("Durable workflows")
        self.press("Waiting for people")
        self.sees("Waiting for me", "Buy a new lathe?")
        self.press("Approve")
        self.sees("Approve 1 input", "Buy a new lathe?")
        self.assertEqual(Wait.objects.get(pk=wait.pk).status, "open")
        self.press("Approve")
        self.sees("approved by kim", "Nothing waits for you")
        drain()
        self.assertEqual(self.answer_of(wait), ("answered", "approved", "kim", ""))
        entry = AuditEntry.objects.get(wait_id=wait.pk)
        self.assertEqual((entry.actor_name, entry.origin), ("kim", "admin 127.0.0.1"))

    def test_a_rejection_carries_its_comment(self) -> None:
        wait = self.workflows.ask(prompt="Send it twice?", assignees=["user:kim"])
        self.log_in_as(self.kim)
        self.open(INPUTS)
        self.press("Send it twice?")
        self.fill("_comment", "Once is enough.\nReally.")
        self.press("Reject")
        self.sees("rejected by kim")
        drain()
        comment = "Once is enough.\nReally."
        self.assertEqual(self.answer_of(wait), ("answered", "rejected", "kim", comment))
        self.open(f"{INPUTS}{wait.pk}/change/")
        self.sees("Rejected", "Once is enough.")
        self.assertEqual(self.posting(), [])

    def test_a_form_is_refused_at_its_fields_and_then_taken(self) -> None:
        fields = [
            {"name": "company", "label": "Company"},
            {"name": "seats", "label": "Seats", "type": "integer"},
        ]
        wait = self.workflows.ask("form", prompt="Whose contract?", fields=fields)
        self.log_in_as(self.kim)
        self.open(f"{INPUTS}{wait.pk}/change/")
        self.fill("company", "Analytical Engines")
        self.fill("seats", "1.5")
        self.fill("_comment", "as they wrote it")
        self.press("Send answer")
        self.sees("Not recorded", "Enter a whole number")
        wrong = self.find("[name='seats']")
        self.assertEqual(wrong.get_attribute("aria-invalid"), "true")
        said = self.find(f"#{str(wrong.get_attribute('aria-describedby')).split()[0]}")
        self.assertIn("whole number", said.text)
        self.assertEqual(self.find("[name='company']").get_attribute("value"), "Analytical Engines")
        self.fill("seats", "12")
        self.press("Send answer")
        self.sees("answered by kim")
        drain()
        answer = {"company": "Analytical Engines", "seats": 12}
        self.assertEqual(self.answer_of(wait), ("answered", answer, "kim", "as they wrote it"))

    def test_twenty_are_approved_at_once_with_one_comment(self) -> None:
        waits = self.workflows.ask_all(*(f"Expense {n}?" for n in range(20)))
        left = self.workflows.ask("text", prompt="Why so many?")
        self.log_in_as(self.kim)
        self.open(INPUTS)
        for wait in waits:
            self.tick(f"input[name='_selected_action'][value='{wait.pk}']")
        self.run_action("approve")
        self.sees("Approve 20 inputs", "Expense 0?", "Expense 19?")
        self.fill("_comment", "the whole trip")
        self.press("Approve")
        self.sees("20 of 20 recorded")
        drain()
        for wait in waits:
            expected = ("answered", "approved", "kim", "the whole trip")
            self.assertEqual(self.answer_of(wait), expected)
        self.press("Back to the list")
        self.sees("Why so many?")
        self.assertNotIn("Expense", self.text)
        left.refresh_from_db()
        self.assertEqual(left.status, "open")
