"""A trial of fourteen days, most of them asleep."""

from __future__ import annotations

import durable
from durable import clock
from durable.conf import database
from example_project.demo.stories.story import Ending, Mail, Story
from example_project.shop.models import Subscription
from example_project.shop.workflows import TrialReminder

CUSTOMER = "cleo@example.com"


class TrialStory(Story):
    """``TrialReminder``: three mails in two weeks."""

    def start(self) -> None:
        """A customer who will not pay."""
        Subscription.objects.create(customer=CUSTOMER)
        trial = durable.start(
            TrialReminder,
            {"customer": CUSTOMER, "trial_started_at": clock.read(database())},
        )
        self.add("trial of cleo", trial, Ending("completed", "converted", False))

    def mails(self) -> list[Mail]:
        """At the start, after three days, after fourteen."""
        subjects = ("Welcome", "Three tips", "Your trial has ended")
        return [Mail(CUSTOMER, subject) for subject in subjects]
