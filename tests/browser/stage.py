"""What the pages are about: a shop's workflows, and their executions at every point of a life."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import durable
from durable import (
    Cron,
    Data,
    Retry,
    Workflow,
    assign,
    branch,
    chain,
    foreach,
    minutes,
    parallel,
    step,
)
from durable.models import Execution, Wait
from durable.states import Status
from durable.testing import drain, run
from tests.life.cases import a_worker, claim_as

logger = logging.getLogger("shop.payments")

NOON = datetime(2030, 5, 6, 12, tzinfo=UTC)

#: where only something broken brings an execution: set, for the sight of it
SEEN_ONLY = (Status.BLOCKED, Status.COMPENSATING, Status.COMPENSATION_FAILED)


class Workflows:
    """The classes, and how often their steps have run."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.declined = True  # what the bank says for now
        ran, stage = self.ran, self

        class Order(Workflow):
            """Reserve, charge, send; what can't be charged is not sent."""

            class Meta:
                verbose_name = "order"
                on_failure = "hold"

            @step
            def reserve(self, data: Data) -> Data:
                ran.append("reserve")
                logger.info("reserved %s for order %s", data.get("goods", "a lamp"), self.id)
                return assign(data, reserved=True)

            @reserve.compensate
            def give_back(self, data: Data) -> None:
                ran.append("give_back")

            @step(retry=Retry(max_attempts=2, base=minutes(0), jitter=0))
            def charge(self, data: Data) -> Data:
                ran.append("charge")
                logger.warning("the bank is slow to answer (attempt %s)", self.attempt)
                if stage.declined:
                    raise ConnectionError("the bank hung up after 30 s: no answer to charge 4711")
                return assign(data, charged=True)

            @step
            def pack(self, data: Data) -> Data:
                return assign(data, packed=True)

            @step
            def label(self, data: Data) -> Data:
                return assign(data, label="LX-4711")

            @step
            def deliver(self, data: Data) -> Data:
                ran.append("deliver")
                return assign(data, receipt=self.wait_for_event("delivered"))

            @step
            def insured(self, data: Data) -> Data:
                return data

            flow = chain(
                reserve,
                charge,
                parallel(pack, label),
                branch("kind", {"fragile": insured}, default=deliver),
            )

        class Asking(Workflow):
            """Asks people whatever its input says."""

            @step
            def ask(self, data: Data) -> Data:
                options = {**data["options"]}
                if "due" in options:
                    options["due"] = timedelta(hours=options["due"])
                call = getattr(self, f"wait_for_{data['kind']}")
                return assign(data, answer=call("manager", **options))

        class Mailing(Workflow):
            """One mail for each, and a child that counts them."""

            @step
            def load(self, data: Data) -> Data:
                return assign(data, people=[f"{n}@example.com" for n in range(8)])

            @step
            def send(self, data: Data, person: str, index: int) -> Data:
                if index == 5:
                    raise ValueError(f"no such mailbox: {person}")
                return data

            @step
            def count(self, data: Data) -> Data:
                return assign(data, counted=self.call_workflow("counting", {"n": 8}))

            flow = chain(load, foreach("people", send, on_error="continue"), count)

        class Counting(Workflow):
            """Counts."""

            class Meta:
                schedules = (Cron("0 9 * * 1-5", timezone="Europe/Paris"),)

            @step
            def count(self, data: Data) -> Data:
                ran.append("count")
                return assign(data, done=True)

        self.order, self.asking, self.mailing, self.counting = Order, Asking, Mailing, Counting

    def ask(self, kind: str = "approval", **options: Any) -> Wait:
        """A question, open."""
        wait: Wait = run(self.asking, {"kind": kind, "options": options}).waits.get()
        return wait

    def ask_all(self, *prompts: str) -> list[Wait]:
        """Approvals, in this order."""
        durable.start_many(
            self.asking, [{"kind": "approval", "options": {"prompt": one}} for one in prompts]
        )
        drain()
        return sorted(Wait.objects.open(), key=lambda wait: prompts.index(wait.question["prompt"]))

    def failed(self, **options: Any) -> Execution:
        """An order whose charge failed for good, with a traceback and logs."""
        self.declined = True
        return run(self.order, {"goods": "3 lamps", "card_number": "4111-1111"}, **options)

    def delivering(self, **options: Any) -> Execution:
        """An order that waits for the parcel to arrive."""
        self.declined = False
        return run(self.order, {"goods": "2 chairs", "customer": "ada"}, **options)

    def all_statuses(self) -> dict[str, Execution]:
        """An execution in each status."""
        self.declined = False
        found = {
            "pending": durable.start(self.order, {}, delay=timedelta(days=1)),
            "waiting": self.delivering(tags={"shop": "Berlin", "vip": True}),
            "completed": run(self.counting, {}),
            "cancelled": self.delivering(),
            "paused": self.delivering(),
            "failed": self.failed(tags={"shop": "Oslo"}),
            "compensated": self.failed(),
        }
        durable.cancel(found["cancelled"].pk, "the customer called")
        durable.pause(found["paused"].pk)
        durable.compensate(found["compensated"].pk)
        drain()
        found["blocked"], found["compensating"] = self.delivering(), self.delivering()
        found["compensation_failed"] = self.failed()
        for status in SEEN_ONLY:
            Execution.objects.filter(pk=found[status].pk).update(status=status)
        found["running"] = durable.start(self.order, {"goods": "a lamp"})
        claim_as(a_worker("web-1:4242"))
        assert set(found) == set(Status), set(Status) ^ set(found)
        return found

    def worker(self) -> None:
        """One that is alive."""
        a_worker("web-2:4343")
