"""An order: a pipeline, and a payment that is tried three times."""

from __future__ import annotations

from durable import Data, Retry, Workflow, WorkflowMeta, assign, hours, step
from example_project.shop import services
from example_project.shop.models import Order


class ProcessOrder(Workflow):
    """Each step gets what the one before passed on; the first gets the start input."""

    class Meta(WorkflowMeta):
        name = "process_order"
        timeout = hours(2)

    @step
    def validate(self, order: Data) -> Data:
        return {
            "order_id": order["id"],
            "items": order["items"],
            "customer": order["customer"],
            "card": order["card"],
        }

    @step
    def calculate_total(self, data: Data) -> Data:
        total = sum(item["price"] for item in data["items"])
        Order.objects.filter(reference=data["order_id"]).update(total=total)
        return assign(data, total=total)

    # Not atomic: it talks to another company, and no transaction should be open meanwhile. Should
    # the worker die in it, it runs again with the same idempotency key.
    @step(
        retry=Retry(max_attempts=3, backoff="exponential", give_up_on=(services.CardDeclined,)),
        atomic=False,
    )
    def charge_payment(self, data: Data) -> Data:
        charge = services.charge(
            data["order_id"],
            data["total"],
            card=data["card"],
            idempotency_key=self.idempotency_key,
        )
        return assign(data, charge_id=charge.pk)

    @step
    def send_confirmation(self, data: Data) -> None:
        services.set_order_status(data["order_id"], "paid")
        services.send_mail(data["customer"], f"Your order {data['order_id']}")
