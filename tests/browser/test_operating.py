"""An operator at work: cancels with a reason, retries, runs a schedule, watches a run go on."""

from __future__ import annotations

import durable
from durable.models import AuditEntry, Execution, Schedule
from durable.testing import drain
from tests.browser.cases import BrowserTestCase
from tests.browser.stage import Workflows
from tests.doors.people import OPERATOR, person

EXECUTIONS = "/admin/durable/execution/"


def page_of(execution: Execution) -> str:
    """The page of an execution."""
    return f"{EXECUTIONS}{execution.pk}/change/"


class OperatingTests(BrowserTestCase):
    """What is pressed happens, and the pages tell of it."""

    def setUp(self) -> None:
        super().setUp()
        self.workflows = Workflows()
        self.log_in_as(person("ops", *OPERATOR))

    def test_cancelling_asks_for_the_reason_first(self) -> None:
        execution = self.workflows.delivering()
        self.open(page_of(execution))
        self.sees("waits for event delivered")
        self.press("Cancel")
        self.sees("what its steps have done stays done")
        execution.refresh_from_db()
        self.assertEqual(execution.status, "waiting")
        self.fill("reason", "the customer called")
        self.press("Cancel")
        self.sees("Cancelled", "the customer called")
        execution.refresh_from_db()
        self.assertEqual(execution.status, "cancelled")
        self.assertEqual(execution.cancel_reason, "the customer called")
        entry = AuditEntry.objects.get(execution_id=execution.pk, action="cancel")
        self.assertEqual((entry.actor_name, entry.origin), ("ops", "admin 127.0.0.1"))

    def test_a_failed_one_is_retried_from_its_step(self) -> None:
        execution = self.workflows.failed()
        self.assertEqual(self.workflows.ran, ["reserve", "charge", "charge"])
        self.open(page_of(execution))
        self.sees("ConnectionError", "the bank hung up", "in step charge")
        self.workflows.declined = False
        self.press("Retry")
        self.press("Retry")
        self.sees("Retry: done.", "Pending")
        drain()
        self.open(page_of(execution))
        self.sees("waits for event delivered")
        after = self.workflows.ran[3:]
        self.assertEqual(after, ["charge", "deliver"])  # what was done is not done again

    def test_a_finished_one_is_run_again_from_a_chosen_step(self) -> None:
        execution = self.workflows.failed()
        self.workflows.declined = False
        self.open(page_of(execution))
        self.press("Run again")
        self.choose("from_step", "charge")
        self.press("Run again")
        self.sees("Run again: done.", "Run again from")
        again = Execution.objects.get(rerun_of=execution)
        self.assertIn(str(again.pk), self.driver.current_url)
        drain()
        self.assertEqual(self.workflows.ran[3:], ["charge", "deliver"])

    def test_a_schedule_is_run_now(self) -> None:
        drain()  # declares it
        schedule = Schedule.objects.get()
        self.open("/admin/durable/schedule/")
        self.press(schedule.name)
        self.sees("0 9 * * 1-5", "Europe/Paris", "Next runs", "It has not run yet.")
        self.press("Run now")
        self.sees("Started.", "Pending")
        execution = Execution.objects.get(workflow=schedule.workflow)
        self.assertIn(str(execution.pk), self.driver.current_url)
        drain()
        self.assertEqual(self.workflows.ran, ["count"])

    def test_several_are_cancelled_at_once_with_one_reason(self) -> None:
        chosen = [self.workflows.delivering() for _ in range(3)]
        other = self.workflows.delivering()
        self.open(EXECUTIONS)
        for execution in chosen:
            self.tick(f"input[name='_selected_action'][value='{execution.pk}']")
        self.run_action("cancel")
        self.sees("This is about 3 executions.")
        self.fill("reason", "the shop is closed")
        self.press("Cancel")
        self.sees("3 executions: cancelled.")
        found = Execution.objects.filter(cancel_reason="the shop is closed", status="cancelled")
        self.assertEqual(found.filter(pk__in=[one.pk for one in chosen]).count(), 3)
        other.refresh_from_db()
        self.assertEqual(other.status, "waiting")

    # -- the page of an unfinished execution keeps itself up to date ------------------------------

    def test_the_page_follows_the_execution_until_it_is_done(self) -> None:
        self.workflows.declined = False
        self.hurry()
        execution = durable.start(self.workflows.order, {"goods": "a lamp"})
        self.open(page_of(execution))
        self.sees("Pending")
        here = self.find("h1")
        drain()
        self.sees("Waiting", "waits for event delivered")
        self.tick("#dw-d-input summary")
        durable.send_event(execution.pk, "delivered", {"signed": "ada"})
        drain()
        self.find(".dw-standing .dw-is-completed")
        self.assertTrue(here.is_displayed())  # it is the same page, never loaded again
        self.assertEqual(len(self.all("#dw-d-input[open]")), 1)  # what was opened stays so
        self.assertEqual(self.find("#dw-live").get_attribute("data-final"), "1")
        self.assertNotIn("Cancel", [link.text for link in self.all("#content .dw-button")])
        self.assertEqual(self.complaints(), [])

    def test_a_lost_connection_is_told_and_got_over(self) -> None:
        execution = self.workflows.delivering()
        self.hurry()
        self.open(page_of(execution))
        self.offline()
        self.sees("could not be refreshed; it tries again")
        durable.send_event(execution.pk, "delivered")
        drain()
        self.online()
        self.find(".dw-standing .dw-is-completed")
        self.assertNotIn("could not be refreshed", self.text)

    def test_a_text_that_is_chosen_is_not_taken_away(self) -> None:
        execution = self.workflows.delivering()
        self.hurry()
        self.open(page_of(execution))
        chosen = "getSelection().selectAllChildren(document.querySelector('.dw-facts'))"
        self.driver.execute_script(chosen)
        durable.send_event(execution.pk, "delivered")
        drain()
        rung = self.rung()
        self.until(lambda: self.rung() > rung + 2)
        self.assertEqual(len(self.all(".dw-standing .dw-is-waiting")), 1)
        self.driver.execute_script("getSelection().removeAllRanges()")
        self.find(".dw-standing .dw-is-completed")
