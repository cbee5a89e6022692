"""A campaign of sixty mails, whose worker is killed when some are sent and some are not."""

from __future__ import annotations

from collections import Counter

import durable
from durable.models import Execution
from example_project.demo.screen import State
from example_project.demo.stories.story import Ending, Evidence, Mail, Story
from example_project.shop.models import Campaign, OutboxMail, Subscriber
from example_project.shop.workflows import SendCampaign

NAME = "campaign"
RECIPIENTS = [f"reader{number:02}@example.com" for number in range(1, 61)]
SENT = 23  # before the kill
AT_ONCE = 10  # then as many are in the middle of their step, and the others have not begun


class CampaignStory(Story):
    """``SendCampaign``: one atomic step for each recipient, ten at a time."""

    kill: Evidence | None = None

    def start(self) -> None:
        """The writer of the mails does not answer for ten recipients in the middle."""
        self.outages.begin(*(f"writer {one}" for one in RECIPIENTS[SENT : SENT + AT_ONCE]))
        Subscriber.objects.bulk_create(Subscriber(email=email) for email in RECIPIENTS)
        campaign = Campaign.objects.create(subject="the new teas are here")
        execution = durable.start(SendCampaign, {"campaign_id": campaign.pk})
        self.add(NAME, execution, Ending("completed", "sent_count", len(RECIPIENTS)))

    def state(self, row: Execution) -> State:
        """How many mails are sent; shown live only, as it changes so often."""
        state = super().state(row)
        progress = row.block_progress
        if not progress or row.is_finished:
            return state
        return State(state.text, f"{progress.get('completed', 0)} of {progress['total']} sent")

    def is_in_the_middle(self) -> bool:
        """Whether some mails are sent, some are being written, and some have not begun."""
        progress = self.row(NAME).block_progress or {}
        return progress.get("completed") == SENT and progress.get("running") == AT_ONCE

    def note_kill(self) -> str:
        """Keep what is on record right after the kill; say what it has hit."""
        self.kill = Evidence.of(self.executions[NAME]) if self.is_in_the_middle() else None
        rest = len(RECIPIENTS) - SENT - AT_ONCE
        return (
            f"in the middle of a campaign: {SENT} mails are sent, {AT_ONCE} are being written, "
            f"{rest} have not begun"
        )

    def what_became_of_it(self) -> tuple[str, ...]:
        """For the table: where it was hit, what stayed done, what ran again."""
        again = len(self.kill.in_flight) if self.kill else 0
        sent = OutboxMail.objects.filter(to__in=RECIPIENTS)
        recipients = sent.values("to").distinct().count()
        return (
            "send_emails of the campaign",
            f"{SENT} mails",
            f"{again} mails; in the end {sent.count()} mails to {recipients} recipients",
        )

    def mails(self) -> list[Mail]:
        """One for each recipient."""
        return [
            Mail(to, f"{to.partition('@')[0].capitalize()}, our news: the new teas are here")
            for to in RECIPIENTS
        ]

    def promises(self) -> dict[str, bool]:
        """Each item counts once, and the finished ones were not touched again."""
        sent = Counter(OutboxMail.objects.values_list("to", flat=True))
        return {
            f"kill 2 hit the campaign with {SENT} mails sent and {AT_ONCE} in the making": (
                self.kill is not None and len(self.kill.in_flight) == AT_ONCE
            ),
            f"the {SENT} finished mails did not run again": (
                self.kill is not None
                and sum(path == "send_emails" for path in self._paths(self.kill)) == SENT
                and self.kill.stands(self.executions[NAME])
            ),
            f"sent_count is {len(RECIPIENTS)}, and each recipient has exactly one mail": (
                self.row(NAME).data.get("sent_count") == len(RECIPIENTS)
                and all(sent[to] == 1 for to in RECIPIENTS)
            ),
        }

    @staticmethod
    def _paths(kill: Evidence) -> list[str]:
        return [step[1].partition("/")[0] for step in kill.done]
