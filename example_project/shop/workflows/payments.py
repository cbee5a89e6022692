"""A payment: an invoice, then one of two events from outside, or neither."""

from __future__ import annotations

from durable import Data, Workflow, WorkflowMeta, assign, branch, chain, step
from example_project.shop import services
from example_project.shop.workflows.days import day


class PaymentFlow(Workflow):
    """Send an invoice, then wait for what the payment provider's webhook says."""

    class Meta(WorkflowMeta):
        key = "order_id"  # of the input: so the webhook needs to know the order, not the execution

    @step
    def create_invoice(self, data: Data) -> Data:
        invoice = services.create_invoice(data["order_id"], data["amount"])
        return {"order_id": data["order_id"], "invoice_id": invoice.pk}

    @step
    def await_payment(self, data: Data) -> Data:
        event, _payload = self.wait_for_any(
            ["payment.success", "payment.failed"],
            timeout=7 * day(),
            timeout_value=("payment.expired", None),
        )
        return assign(data, result=event)

    @step
    def fulfill(self, data: Data) -> Data:
        services.set_order_status(data["order_id"], "fulfilled")
        return assign(data, status="fulfilled")

    @step
    def cancel(self, data: Data) -> Data:
        services.set_order_status(data["order_id"], "cancelled")
        return assign(data, status="cancelled")

    flow = chain(
        create_invoice,
        await_payment,
        branch(on="result", cases={"payment.success": fulfill}, default=cancel),
    )
