"""What users write, in every form of the API: it must pass ``mypy --strict`` without a cast.

Read by mypy only (``make typecheck``), never imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import assert_type

import durable
from durable import (
    Cron,
    Data,
    Decision,
    OnEvent,
    Retry,
    Workflow,
    WorkflowMeta,
    assign,
    branch,
    call_workflow,
    catch,
    chain,
    days,
    foreach,
    hours,
    increment,
    minutes,
    next_business_day,
    parallel,
    repeat,
    seconds,
    sleep,
    step,
    wait_for_approval,
    wait_for_event,
    when,
)


@dataclass
class Order:
    """A typed step's data."""

    id: str
    total: float


class ProcessOrder(Workflow):
    class Meta(WorkflowMeta):
        name = "process_order"
        timeout = hours(2)
        retry = Retry(max_attempts=3, backoff="exponential", base=seconds(2), jitter=0.1)
        schedules = [Cron("0 9 * * *", timezone="Europe/Berlin", input={}, name="each_morning")]
        triggers = [OnEvent("order.placed")]

    @step
    def validate(self, data: Data) -> Data:
        assert_type(self.attempt, int)
        assert_type(self.now(), datetime)
        self.log.info("order %s", data["id"])
        return assign(data, order_id=data["id"])

    @step(retry=5, timeout=minutes(5), atomic=False, queue="payments")
    def charge(self, data: Data) -> Data | None:
        if data.get("total", 0) <= 0:
            raise durable.Fail("nothing to pay", type="empty", details={"id": data["order_id"]})
        data["charge"] = self.idempotency_key
        return None

    @charge.compensate(retry=5)
    def refund(self, data: Data) -> None:
        self.heartbeat(progress={"refunded": data["charge"]})

    @step
    def typed(self, order: Order) -> Order:
        return Order(order.id, order.total * 2)

    @step(atomic=False)
    async def notify(self, data: Data) -> Data:
        await self.asleep(seconds(1))
        payload = await self.await_for_event("delivered", timeout=days(3), timeout_value=None)
        return {**data, "delivered": payload}


class ExpenseApproval(Workflow):
    @step
    def request_approval(self, data: Data) -> Data:
        decision = self.wait_for_approval(
            "manager",
            prompt=f"Approve {data['amount']}?",
            assignees=["group:finance"],
            timeout=days(3),
            timeout_value="auto_rejected",
        )
        return {**data, "decision": decision}

    @step
    def process(self, data: Data) -> Data:
        return increment(data, "processed")

    @step
    def notify_rejection(self, data: Data) -> None:
        self.sleep_until(next_business_day(hour=9))

    @step
    def each(self, data: Data, item: str, index: int) -> Data:
        return increment(data, item, index)

    def is_done(self, data: Data) -> bool:
        return bool(data.get("done"))

    flow = chain(
        request_approval,
        branch(
            on="decision",
            cases={"approved": process},
            default=notify_rejection,
        ),
        branch(on=lambda data: data["amount"], cases=[(when(lambda value: value > 9), process)]),
        parallel(process.named("left"), right=chain(notify_rejection.named("quiet"))),
        foreach("items", each, concurrency=5, on_error="continue"),
        repeat(process.named("again"), until=is_done, max_iterations=10),
        catch(process.named("risky"), {"declined": notify_rejection.named("told")}),
        sleep(days(1)),
        wait_for_event("paid", into="payment"),
        wait_for_approval("director", into="second"),
        call_workflow(ProcessOrder, input="order", into="child"),
        call_workflow(
            ProcessOrder,
            queue="fast",
            tags=lambda data: {"n": data["n"]},
            keys=["order:1"],
            name="b",
        ),
    )


def start_some(decision: Decision) -> None:
    """The client, as a view or a task calls it."""
    execution = durable.start(ProcessOrder, {"id": "1"}, idempotency_key="order-1", tags={"a": "b"})
    assert_type(execution.created, bool)
    durable.start("process_order", {"id": "2"}, delay=minutes(5), priority=5)
    durable.send_event(execution.id, "delivered", {"at": "noon"}, event_id="evt_1")
    durable.publish_event("order.placed", {"id": "3"}, key="order:3")
    durable.provide_input(execution.id, "manager", "approved", comment="ok")
    for row in durable.list_executions(workflow=ProcessOrder, status="running"):
        durable.cancel(row.id, "no longer wanted", compensate=True)
    assert_type(decision.comment, str)


async def start_another() -> None:
    """The async twins."""
    execution = await durable.astart(ProcessOrder, {"id": "1"})
    await durable.acancel(execution.id, "no")


def unit_test() -> None:
    """A step is a plain method; ``stub`` answers its waits."""
    assert_type(ProcessOrder().validate({"id": "1"}), Data)
    stub = ExpenseApproval.stub(input={"amount": 1}, answers={"manager": "approved"})
    assert_type(stub.request_approval({"amount": 1}), Data)
