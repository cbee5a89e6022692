"""Two expenses: one that the manager approves, one that nobody looks at."""

from __future__ import annotations

from decimal import Decimal

from django.contrib.auth import get_user_model

import durable
from durable.models import Wait
from example_project.demo.stories.story import Ending, Mail, Story
from example_project.shop.models import Expense
from example_project.shop.workflows import ExpenseApproval

EMPLOYEE = "ben@example.com"


class ExpenseStory(Story):
    """``ExpenseApproval``: ask, then one of two branches."""

    def start(self) -> None:
        """Both ask the manager; there are three days to answer."""
        self.manager = get_user_model().objects.create_user("mona")
        for amount, status in ((120, "reimbursed"), (900, "rejected")):
            expense = Expense.objects.create(employee=EMPLOYEE, amount=Decimal(amount))
            claim = {"expense_id": expense.pk, "employee": EMPLOYEE, "amount": expense.amount}
            execution = durable.start(ExpenseApproval, claim)
            self.add(f"expense of {amount}", execution, Ending("completed", "status", status))

    def asks(self) -> bool:
        """Whether both questions are open."""
        return Wait.objects.open().filter(name="manager").count() == 2

    def approve(self) -> None:
        """The manager answers one of them; the other runs into its timeout."""
        durable.provide_input(
            self.executions["expense of 120"], "manager", "approved", by=self.manager, comment="ok"
        )

    def mails(self) -> list[Mail]:
        """Who is rejected is told."""
        return [Mail(EMPLOYEE, "Expense of $900: auto_rejected")]

    def promises(self) -> dict[str, bool]:
        """The answer is on record, with who gave it."""
        answers = self.row("expense of 120").waits.values_list("status", "by_name", "comment")
        return {
            "the approval given while no worker was up counts; on record is who gave it": (
                list(answers) == [("answered", "mona", "ok")]
            ),
        }
