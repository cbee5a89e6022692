"""A trial: two weeks with a new customer, most of them asleep in the database."""

from __future__ import annotations

from durable import Data, Workflow, assign, step
from example_project.shop import services
from example_project.shop.models import Subscription
from example_project.shop.workflows.days import day


class TrialReminder(Workflow):
    """Three mails in two weeks; no thread and no connection is held in between."""

    @step
    def welcome(self, data: Data) -> None:
        services.send_mail(data["customer"], "Welcome")

    @step
    def wait_3_days(self, data: Data) -> None:
        self.sleep(3 * day())

    @step
    def check_in(self, data: Data) -> None:
        services.send_mail(data["customer"], "Three tips")

    @step
    def wait_until_trial_ends(self, data: Data) -> None:
        self.schedule_at(data["trial_started_at"] + 14 * day())

    @step
    def convert_or_remind(self, data: Data) -> Data:
        if Subscription.objects.filter(customer=data["customer"], active=True).exists():
            return assign(data, converted=True)
        services.send_mail(data["customer"], "Your trial has ended")
        return assign(data, converted=False)
