"""What happens in the demo: which executions there are, and what must be true in the end."""

from __future__ import annotations

from decimal import Decimal

from django.contrib.auth.models import User

import durable
from durable import clock
from durable.conf import database
from durable.models import Execution, StepRun, Wait, Worker
from example_project.shop import services
from example_project.shop.models import Charge, Expense, Invoice, Order, OutboxMail, Subscription
from example_project.shop.workflows import ExpenseApproval, PaymentFlow, TrialReminder

CHARGE = "charge_payment"
ITEMS = [{"sku": "tea", "price": Decimal("12.50")}, {"sku": "cup", "price": Decimal("7.00")}]

#: how each execution must end: a key of its final data, and the value there
ENDINGS: dict[str, tuple[str, object]] = {
    "order A-1": ("total", Decimal("19.50")),
    "expense of 120": ("status", "reimbursed"),
    "expense of 900": ("status", "rejected"),
    "trial of cleo": ("converted", False),
    "payment of A-3": ("status", "fulfilled"),
    "payment of A-4": ("status", "cancelled"),
    "order A-2": ("total", Decimal("19.50")),
}


class Scenario:
    """The executions of the demo, by the names that they have on the screen."""

    def __init__(self) -> None:
        self.executions: dict[str, Execution] = {}
        self.recoveries: dict[str, int] = {}
        self.hit = False
        self.manager = User.objects.create_user("mona")

    # -- what is done ---------------------------------------------------------------------------

    def start(self) -> None:
        """Start all but the second order."""
        self.executions = {
            "order A-1": services.place_order("A-1", "ann@example.com", ITEMS),
            "expense of 120": self._expense("ben@example.com", Decimal(120)),
            "expense of 900": self._expense("ben@example.com", Decimal(900)),
            "trial of cleo": self._trial("cleo@example.com"),
            "payment of A-3": self._payment("A-3"),
            "payment of A-4": self._payment("A-4"),
        }

    def start_another(self) -> None:
        """An order whose payment the provider refuses at first."""
        order = services.place_order("A-2", "ann@example.com", ITEMS, card="tok_busy")
        self.executions["order A-2"] = order

    def approve(self) -> None:
        """A manager answers one of the two questions; the other runs into its timeout."""
        expense = self.executions["expense of 120"]
        durable.provide_input(expense.pk, "manager", "approved", by=self.manager, comment="ok")

    def pay(self) -> None:
        """What the webhook of the payment provider does; it knows the order, not the execution."""
        payload = {"transaction_id": "txn_123"}
        durable.publish_event("payment.success", payload, key="A-3", event_id="evt_1")

    def note_kill(self) -> None:
        """See whether the kill has hit: the step was begun, its charge made, nothing recorded."""
        order = Execution.objects.get(pk=self.executions["order A-1"].pk)
        recorded = order.steps.filter(path=CHARGE).exists()
        self.hit = order.status == "running" and order.path == CHARGE and not recorded

    def _expense(self, employee: str, amount: Decimal) -> Execution:
        expense = Expense.objects.create(employee=employee, amount=amount)
        return durable.start(
            ExpenseApproval, {"expense_id": expense.pk, "employee": employee, "amount": amount}
        )

    def _trial(self, customer: str) -> Execution:
        Subscription.objects.create(customer=customer)
        return durable.start(
            TrialReminder,
            {"customer": customer, "trial_started_at": clock.read(database())},
        )

    def _payment(self, reference: str) -> Execution:
        Order.objects.create(reference=reference, customer="dan@example.com", total=80)
        return durable.start(PaymentFlow, {"order_id": reference, "amount": Decimal(80)})

    # -- what can be seen -----------------------------------------------------------------------

    def workers(self) -> int:
        """How many workers have ever come up."""
        return Worker.objects.count()

    def asks_for_approval(self) -> bool:
        """Whether both expenses wait for the manager."""
        return Wait.objects.open().filter(name="manager").count() == 2

    def is_charging(self) -> bool:
        """Whether the provider has charged A-1 while the step still waits for its answer."""
        order = Execution.objects.get(pk=self.executions["order A-1"].pk)
        return order.path == CHARGE and self._requests("A-1") == [1]

    def charged_again(self) -> bool:
        """Whether the step has asked the provider once more."""
        return self._requests("A-1") == [2]

    def finished(self) -> bool:
        """Whether no execution can still go on."""
        return not Execution.objects.unfinished().exists()

    def states(self) -> dict[str, str]:
        """Each execution in a few words; on the way it is noted how often a worker died on it."""
        rows = {row.pk: row for row in Execution.objects.all()}
        waits = {wait.execution_id: wait for wait in Wait.objects.open()}
        states = {}
        for name, started in self.executions.items():
            row = rows[started.pk]
            self.recoveries[name] = max(self.recoveries.get(name, 0), row.recoveries)
            state = f"{row.status:<10} {row.path}"
            if wait := waits.get(row.pk):
                state += f" ({wait.kind}: {wait.name})"
            elif row.status == "pending" and row.attempt > 1:
                state += f" (attempt {row.attempt} follows)"
            if row.recoveries:
                state += " (its worker died)"
            states[name] = state.rstrip()
        return states

    def _requests(self, reference: str) -> list[int]:
        """For each idempotency key of an order, how often the provider was asked."""
        charges = Charge.objects.filter(order_reference=reference, taken=True)
        return list(charges.values_list("requests", flat=True))

    # -- what came of it ------------------------------------------------------------------------

    def table_of_executions(self) -> list[tuple[str, ...]]:
        """One row for each execution."""
        rows: list[tuple[str, ...]] = [
            ("execution", "workflow", "status", "recoveries", "duration", "result")
        ]
        for name, started in self.executions.items():
            row = Execution.objects.get(pk=started.pk)
            key, _ = ENDINGS[name]
            took = (row.finished_at - row.created_at).total_seconds() if row.finished_at else 0.0
            result = f"{key}={(row.result or {}).get(key)}"
            recovered = str(self.recoveries.get(name, 0))
            rows.append((name, row.workflow, row.status, recovered, f"{took:.1f} s", result))
        return rows

    def table_of_steps(self) -> list[tuple[str, ...]]:
        """One row for each step; a wait counts as time of its step."""
        rows: list[tuple[str, ...]] = [("execution", "step", "status", "attempts", "duration")]
        for name, started in self.executions.items():
            last: dict[str, list[StepRun]] = {}
            for run in StepRun.objects.filter(execution=started.pk):
                last.setdefault(run.path, []).append(run)
            for path, runs in last.items():
                end = runs[-1].ended_at or runs[-1].started_at
                took = (end - runs[0].started_at).total_seconds()
                rows.append((name, path, runs[-1].status, str(len(runs)), f"{took:.2f} s"))
                name = ""
        return rows

    def claims(self) -> dict[str, bool]:
        """What had to be true, and whether it is."""
        return {
            "every execution completed with the result it should have": self._all_ended(),
            "the kill hit charge_payment of A-1, which ran again": (
                self.hit and self.recoveries.get("order A-1") == 1 and self._asked("A-1") == [2]
            ),
            "its two requests had one idempotency key: charged exactly once": (
                self._requests("A-1") == [2]
            ),
            "A-2 was charged once, at the second attempt (the provider was busy)": (
                self._requests("A-2") == [2] and self._attempts("order A-2") == 2
            ),
            "each mail was sent exactly once, each invoice made once": (
                OutboxMail.objects.count() == 6 and Invoice.objects.count() == 2
            ),
        }

    def _asked(self, reference: str) -> list[int]:
        charges = Charge.objects.filter(order_reference=reference)
        return list(charges.values_list("requests", flat=True))

    def _attempts(self, name: str) -> int:
        return StepRun.objects.filter(execution=self.executions[name].pk, path=CHARGE).count()

    def _all_ended(self) -> bool:
        rows = {row.pk: row for row in Execution.objects.all()}
        return all(
            (row := rows[started.pk]).status == "completed"
            and row.result is not None
            and row.result.get(ENDINGS[name][0]) == ENDINGS[name][1]
            for name, started in self.executions.items()
        )
