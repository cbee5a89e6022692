"""Two orders: one whose worker is killed in the payment, one whose payment is refused at first."""

from __future__ import annotations

from decimal import Decimal

from durable.models import Execution
from example_project.demo.stories.story import Ending, Evidence, Mail, Story
from example_project.shop import services
from example_project.shop.models import Charge

ITEMS = [{"sku": "tea", "price": Decimal("12.50")}, {"sku": "cup", "price": Decimal("7.00")}]
TOTAL = Decimal("19.50")
CUSTOMER = "ann@example.com"
PAID = Ending("completed", "total", TOTAL)


class OrderStory(Story):
    """``ProcessOrder``: validate, calculate, charge, confirm."""

    kill: Evidence | None = None

    def start(self) -> None:
        """Order A-1; the payment provider takes the money, but its answer does not come."""
        self.outages.begin("payments A-1")
        self.add("order A-1", services.place_order("A-1", CUSTOMER, ITEMS), PAID)

    def start_another(self) -> None:
        """Order A-2; the payment provider is busy and refuses the first request."""
        order = services.place_order("A-2", CUSTOMER, ITEMS, card="tok_busy")
        self.add("order A-2", order, PAID)

    def is_charging(self) -> bool:
        """Whether A-1's card is charged while the step still waits for the answer."""
        row = self.row("order A-1")
        recorded = row.steps.filter(path="charge_payment").exists()
        return row.path == "charge_payment" and not recorded and self._charges("A-1") == [1]

    def is_charged_again(self) -> bool:
        """Whether the step has asked the provider once more."""
        return self._charges("A-1") == [2]

    def note_kill(self) -> str:
        """Keep what is on record right after the kill; say what it has hit."""
        self.kill = Evidence.of(self.executions["order A-1"]) if self.is_charging() else None
        return "in the middle of a payment: A-1's card is charged, the answer has not come"

    def what_became_of_it(self) -> tuple[str, ...]:
        """For the table: where it was hit, what stayed done, what ran again."""
        asked = self._charges("A-1")
        return (
            "charge_payment of order A-1",
            "validate, calculate_total",
            f"charge_payment: {sum(asked)} requests, one key, {len(asked)} charge",
        )

    def mails(self) -> list[Mail]:
        """A confirmation for each."""
        return [Mail(CUSTOMER, f"Your order {reference}") for reference in ("A-1", "A-2")]

    def promises(self) -> dict[str, bool]:
        """Each card was charged once, whatever happened on the way."""
        return {
            "kill 1 hit the payment of A-1, which ran again; the steps before it did not": (
                self.kill is not None
                and self.kill.in_flight == {self.executions["order A-1"]}
                and len(self.kill.done) == 2
                and self.kill.stands(self.executions["order A-1"])
            ),
            "A-1: two requests with one idempotency key, charged exactly once": (
                self._charges("A-1") == [2]
            ),
            "A-2: charged once, at the second attempt (the provider was busy)": (
                self._charges("A-2") == [2] and self._attempts(self.row("order A-2")) == 2
            ),
        }

    def _charges(self, reference: str) -> list[int]:
        """For each idempotency key of an order, how often the provider was asked."""
        charges = Charge.objects.filter(order_reference=reference)
        return list(charges.values_list("requests", flat=True))

    @staticmethod
    def _attempts(order: Execution) -> int:
        return order.steps.filter(path="charge_payment").count()
