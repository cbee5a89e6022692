"""Names, values and flows that are larger than their page stay within it, and can be read."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse

import durable
from durable import Data, Workflow, chain, parallel, step
from durable.testing import run
from tests.browser.cases import PHONE, BrowserTestCase

WORD = "m" * 95  # a name may have a hundred characters


def page(name: str, *args: Any) -> str:
    """The address of a page of the dashboard."""
    return reverse(f"admin:durable_{name}", args=args)


class LongNameTests(BrowserTestCase):
    """Seen by somebody who may do everything."""

    def setUp(self) -> None:
        super().setUp()
        self.log_in_as(User.objects.create_superuser("ada", "ada@example.com"))

    def shows_all_of_it(self, selector: str) -> None:
        """The first that fits, and all that it is in, reach no further than they are seen."""
        hidden = """
            const one = document.querySelector(arguments[0]).getBoundingClientRect();
            const box = document.querySelector(arguments[1]).getBoundingClientRect();
            return one.width === 0 || one.left < box.left - 1 || one.right > box.right + 1;
        """
        found = self.driver.execute_script(hidden, selector, selector.partition(" ")[0])
        self.assertFalse(found, f"{selector} is out of sight")

    def test_long_names_stay_within_every_page(self) -> None:
        class Long(Workflow):
            class Meta:
                name = WORD

            @step(name=WORD)
            def ask(self, data: Data) -> None:
                self.wait_for_approval(WORD, prompt=f"{WORD} " * 50, metadata={WORD: WORD})

        tags = {"customer": "x" * 150, WORD: 1}
        row = run(Long, {}, tags=tags, keys=[WORD * 2], idempotency_key=WORD * 2)
        made = durable.schedule(Long, "0 9 * * *", name=WORD, timezone="America/New_York")
        durable.publish_event(WORD, {}, key=WORD)
        wait = row.waits.get()
        for address in (
            page("overview"),
            page("execution_changelist"),
            page("execution_change", row.pk),
            page("execution_act", row.pk, "cancel"),
            page("schedule_changelist"),
            page("schedule_change", made.pk),
            page("workflows"),
            page("workflow", WORD),
            page("input_changelist"),
            page("input_change", wait.pk),
            page("event_changelist"),
            page("auditentry_changelist"),
        ):
            for size in (PHONE, (1280, 900)):
                self.look(size=size)
                self.open(address)
                with self.subTest(page=address, size=size):
                    self.assertEqual(self.too_wide(), [])
        self.open(page("execution_changelist"))
        self.shows_all_of_it(".results td.field-created")
        self.open(page("schedule_changelist"))
        self.shows_all_of_it(".results td.field-next_run")
        self.open(page("execution_change", row.pk))
        self.shows_all_of_it(".dw-scroll .dw-table td:last-child")

    def test_a_wide_flow_begins_where_it_can_be_read(self) -> None:
        class Wide(Workflow):
            @step
            def begin(self, data: Data) -> None: ...

            @step
            def one(self, data: Data) -> None: ...

            @step
            def asks(self, data: Data) -> None:
                self.wait_for_event("go")

            flow = chain(
                begin,
                parallel(asks, *(part.named(f"part_{n}") for n, part in enumerate([one] * 9))),
                one.named("last"),
            )

        self.open(page("workflow", "wide"))
        self.shows_all_of_it(".dw-scroll .dg-start")
        row = run(Wide)
        self.open(page("execution_change", row.pk))
        self.shows_all_of_it(".dw-scroll .dg-node.dg-is-running")

    def test_a_schedule_is_made_and_removed(self) -> None:
        class Nightly(Workflow):
            @step
            def only(self, data: Data) -> None: ...

        self.open(page("schedule_changelist"))
        self.press("Add schedule")
        self.is_presentable("schedule-add")
        self.choose("workflow", "nightly")
        self.fill("name", "at one")
        self.fill("cron", "every night")
        self.press("Save")
        self.sees("has 2 fields instead of five")
        self.is_presentable("schedule-add-refused")
        self.fill("cron", "0 1 * * *")
        self.press("Save")
        self.sees("at one", "Next runs")
        self.find("#dw-remove summary").click()
        self.press("Remove")
        self.sees("at one is removed")
