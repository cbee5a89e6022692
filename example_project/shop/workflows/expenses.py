"""An expense: a question to a manager, a timeout, and a branch on the answer."""

from __future__ import annotations

from durable import Data, Workflow, assign, branch, chain, step
from example_project.shop import services
from example_project.shop.models import Expense
from example_project.shop.workflows.days import day


class ExpenseApproval(Workflow):
    """Ask a manager; after three days without an answer the expense is rejected."""

    @step
    def request_approval(self, data: Data) -> Data:
        decision = self.wait_for_approval(
            "manager",
            prompt=f"Approve ${data['amount']} expense?",
            timeout=3 * day(),
            timeout_value="auto_rejected",
        )
        return assign(data, decision=decision)

    @step
    def process(self, data: Data) -> Data:
        Expense.objects.filter(pk=data["expense_id"]).update(status="reimbursed")
        return assign(data, status="reimbursed")

    @step
    def notify_rejection(self, data: Data) -> Data:
        Expense.objects.filter(pk=data["expense_id"]).update(status="rejected")
        services.send_mail(data["employee"], f"Expense of ${data['amount']}: {data['decision']}")
        return assign(data, status="rejected")

    flow = chain(
        request_approval,
        branch(on="decision", cases={"approved": process}, default=notify_rejection),
    )
