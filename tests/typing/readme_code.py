# ruff: noqa: F811, I001
# fmt: off
"""The README's workflows, as ``python -m tests.typing.readme`` has found them."""

from durable import Data, Retry, Workflow, WorkflowMeta, hours, step
from example_project.shop import services
from durable import Data, Workflow, branch, chain, days, step
from example_project.shop.models import Expense
from durable import Data, Workflow, assign, days, step
from example_project.shop.models import Subscription
from durable import Data, Workflow, WorkflowMeta, branch, chain, days, step


# shop/workflows.py: found in every installed app, as admin.py is


class ProcessOrder(Workflow):
    class Meta(WorkflowMeta):
        timeout = hours(2)

    @step
    def validate(self, order: Data) -> Data:  # the first step gets the start input
        return {"order_id": order["id"], "items": order["items"], "customer": order["customer"]}

    @step
    def calculate_total(self, data: Data) -> Data:  # the others what the step before returned
        return {**data, "total": sum(item["price"] for item in data["items"])}

    @step(retry=Retry(max_attempts=3, backoff="exponential"), atomic=False)
    def charge_payment(self, data: Data) -> Data:
        charge = services.charge(
            data["order_id"], data["total"], idempotency_key=self.idempotency_key
        )
        return {**data, "charge_id": charge.pk}

    @step
    def send_confirmation(self, data: Data) -> None:  # None: the data goes on as it is
        services.send_mail(data["customer"], f"Your order {data['order_id']}")

# shop/workflows.py


class ExpenseApproval(Workflow):
    @step
    def request_approval(self, data: Data) -> Data:
        decision = self.wait_for_approval(
            "manager",
            prompt=f"Approve ${data['amount']} expense?",
            timeout=days(3),
            timeout_value="auto_rejected",
        )
        return {**data, "decision": decision}

    @step
    def process(self, data: Data) -> Data:
        Expense.objects.filter(pk=data["expense_id"]).update(status="reimbursed")
        return {**data, "status": "reimbursed"}

    @step
    def notify_rejection(self, data: Data) -> Data:
        services.send_mail(data["employee"], "Your expense was rejected")
        return {**data, "status": "rejected"}

    flow = chain(
        request_approval,
        branch(on="decision", cases={"approved": process}, default=notify_rejection),
    )

# shop/workflows.py


class TrialReminder(Workflow):
    @step
    def welcome(self, data: Data) -> None:
        services.send_mail(data["customer"], "Welcome")

    @step
    def wait_3_days(self, data: Data) -> None:
        self.sleep(days(3))

    @step
    def check_in(self, data: Data) -> None:
        services.send_mail(data["customer"], "Three tips")

    @step
    def wait_until_trial_ends(self, data: Data) -> None:
        self.schedule_at(data["trial_started_at"] + days(14))

    @step
    def convert_or_remind(self, data: Data) -> Data:
        if Subscription.objects.filter(customer=data["customer"], active=True).exists():
            return assign(data, converted=True)
        services.send_mail(data["customer"], "Your trial has ended")
        return assign(data, converted=False)

# shop/workflows.py


class PaymentFlow(Workflow):
    class Meta(WorkflowMeta):
        key = "order_id"  # of the input: a webhook then needs to know the order only

    @step
    def create_invoice(self, data: Data) -> Data:
        invoice = services.create_invoice(data["order_id"], data["amount"])
        return {"order_id": data["order_id"], "invoice_id": invoice.pk}

    @step
    def await_payment(self, data: Data) -> Data:
        event, _payload = self.wait_for_any(
            ["payment.success", "payment.failed"],
            timeout=days(7),
            timeout_value=("payment.expired", None),
        )
        return {**data, "result": event}

    @step
    def fulfill(self, data: Data) -> Data:
        services.set_order_status(data["order_id"], "fulfilled")
        return {**data, "status": "fulfilled"}

    @step
    def cancel(self, data: Data) -> Data:
        services.set_order_status(data["order_id"], "cancelled")
        return {**data, "status": "cancelled"}

    flow = chain(
        create_invoice,
        await_payment,
        branch(on="result", cases={"payment.success": fulfill}, default=cancel),
    )
