"""The shop's workflows, one a file; read them in this order.

* ``orders``: a pipeline whose payment step is retried
* ``expenses``: ask a person, with a timeout, then branch on the answer
* ``dashboards``: fetch side by side, then put together
* ``campaigns``: one mail for each of many recipients, ten at a time
* ``trips``: book several things, and undo them if the last does not work out
* ``reports``: every morning at nine, in New York
* ``trials``: sleep for days, wake at a moment
* ``payments``: wait for what a webhook says

A package in place of ``workflows.py`` is found just the same, if it imports its modules.
"""

from example_project.shop.workflows.campaigns import SendCampaign
from example_project.shop.workflows.dashboards import BuildDashboard
from example_project.shop.workflows.expenses import ExpenseApproval
from example_project.shop.workflows.orders import ProcessOrder
from example_project.shop.workflows.payments import PaymentFlow
from example_project.shop.workflows.reports import DailySalesReport
from example_project.shop.workflows.trials import TrialReminder
from example_project.shop.workflows.trips import BookTrip

__all__ = [
    "BookTrip",
    "BuildDashboard",
    "DailySalesReport",
    "ExpenseApproval",
    "PaymentFlow",
    "ProcessOrder",
    "SendCampaign",
    "TrialReminder",
]
