"""A campaign: one mail for each of many recipients, ten at a time."""

from __future__ import annotations

from durable import Data, Workflow, chain, foreach, increment, step
from example_project.shop import services


class SendCampaign(Workflow):
    """Each item is checkpointed by itself: after a crash, finished items do not run again.

    The step is atomic: its mail is in the outbox if, and only if, the item is finished. So each
    recipient gets exactly one.
    """

    @step
    def load(self, request: Data) -> Data:
        return {
            "campaign_id": request["campaign_id"],
            "recipients": services.active_subscribers(),
        }

    @step
    def send(self, data: Data, recipient: str, index: int) -> Data:
        services.send_campaign(recipient, data["campaign_id"])
        return increment(data, "sent_count")

    flow = chain(
        load,
        foreach("recipients", send, name="send_emails", concurrency=10, on_error="continue"),
    )
