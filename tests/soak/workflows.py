"""What the workers of a run have: orders with everything in them, signals, and composed flows."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from durable import (
    Data,
    Fail,
    OnEvent,
    Retry,
    Workflow,
    WorkflowMeta,
    append,
    catch,
    chain,
    foreach,
    increment,
    parallel,
    repeat,
    seconds,
    step,
)
from tests.model.trees import MANY, effect
from tests.soak import flows, place
from tests.soak.flows import at_work


def acts(instance: Any, name: str) -> None:
    """Take a moment, and leave a row in the step's transaction."""
    effect(instance, name)
    at_work(name)


def outside(instance: Any, name: str) -> None:
    """Have an effect that no rollback takes back."""
    place.note("outside", f"{name} {instance.branch_id} {instance.idempotency_key}")
    at_work(name)


def drawn(key: str) -> str:
    """A number that ``run`` must remember; what was drawn is noted."""
    number = secrets.token_hex(8)
    place.note("outside", f"drawn {number} {key}")
    return number


class SoakLeg(Workflow):
    """A child that its parent awaits."""

    class Meta(WorkflowMeta):
        name = "soak_leg"
        max_recoveries = MANY

    @step
    def book(self, data: Data) -> Data:
        acts(self, "book")
        return {"leg": data["leg"], "booked": True}

    @book.compensate
    def unbook(self, data: Data) -> None:
        acts(self, "unbook")

    @step
    def board(self, data: Data) -> Data:
        self.sleep(seconds(0.5))
        acts(self, "board")
        return {**data, "boarded": True}


class SoakParcel(Workflow):
    """A child that goes its own way."""

    class Meta(WorkflowMeta):
        name = "soak_parcel"
        max_recoveries = MANY

    @step
    def send(self, data: Data) -> Data:
        acts(self, "send")
        return {**data, "sent": True}


class SoakSignal(Workflow):
    """Started by an event, once for each."""

    class Meta(WorkflowMeta):
        name = "soak_signal"
        max_recoveries = MANY
        triggers = [OnEvent("soak.signal")]

    @step
    def hear(self, data: Data) -> Data:
        acts(self, "hear")
        return {**data, "heard": True}


class SoakOrder(Workflow):
    """Does what its input, a ``Plan``, says."""

    class Meta(WorkflowMeta):
        name = "soak_order"
        key = "order"
        max_recoveries = MANY

    @step
    def reserve(self, data: Data) -> Data:
        acts(self, "reserve")
        return {**data, "reserved": True}

    @reserve.compensate
    def unreserve(self, data: Data) -> None:
        acts(self, "unreserve")

    @step(atomic=False, retry=Retry(max_attempts=3, base=seconds(0.3), jitter=0))
    def charge(self, data: Data) -> Data:
        drew = self.run(drawn, self.idempotency_key)
        outside(self, "charge")
        if data["flaky"] and self.attempt < 2:
            raise ValueError("not yet")
        self.sleep(seconds(data["nap"]))
        return {**data, "charge": self.idempotency_key, "drawn": drew, "attempt": self.attempt}

    @charge.compensate(retry=Retry(max_attempts=3, base=seconds(0.3), jitter=0), atomic=False)
    def uncharge(self, data: Data) -> None:
        outside(self, "uncharge")
        if self.attempt < 2:
            raise ValueError("not yet")

    @step
    def pay(self, data: Data) -> Data:
        acts(self, "pay")
        return {**data, "paid": [self.wait_for_event("paid") for _ in range(data["pays"])]}

    @pay.compensate
    def unpay(self, data: Data) -> None:
        self.sleep(seconds(0.3))
        acts(self, "unpay")

    @step
    def ship(self, data: Data) -> Data:
        got = [self.wait_for_event("ship", key=data["order"]) for _ in range(data["ships"])]
        acts(self, "ship")
        return {**data, "shipped": got}

    @ship.compensate
    def unship(self, data: Data) -> None:
        acts(self, "unship")

    @step
    def ask(self, data: Data) -> Data:
        if data["ask"] == "approval":
            answer = str(self.wait_for_approval("ok"))
        else:
            answer = self.wait_for_text("ok")
        if data["fail"] == "branch":
            raise Fail("asked for", type="asked_for")
        acts(self, "ask")
        return {**data, "answer": answer}

    @step
    def wait_in_vain(self, data: Data) -> Data:
        late = self.wait_for_event("never", timeout=seconds(1), timeout_value="late")
        acts(self, "wait_in_vain")
        return {**data, "never": late}

    @step
    def pack(self, data: Data, item: int, index: int) -> Data:
        acts(self, "pack")
        return increment(data, "packed", item)

    @pack.compensate
    def unpack(self, data: Data, item: int, index: int) -> None:
        acts(self, "unpack")

    @step
    def stack(self, data: Data, item: int, index: int) -> Data:
        acts(self, "stack")
        return append(data, "stacked", item)

    @stack.compensate
    def unstack(self, data: Data, item: int, index: int) -> None:
        acts(self, "unstack")

    @step
    def look(self, data: Data, item: int, index: int) -> int:
        acts(self, "look")
        if item % 3 == 0:
            raise Fail("odd", type="odd")
        return item * 10

    @step
    def travel(self, data: Data) -> Data:
        legs = [
            self.call_workflow("soak_leg", {"leg": number})["leg"] for number in range(data["legs"])
        ]
        acts(self, "travel")
        return {**data, "travelled": legs}

    @step
    def post(self, data: Data) -> Data:
        acts(self, "post")
        for number in range(data["parcels"]):
            self.start_workflow("soak_parcel", {"parcel": number})
        self.sleep(seconds(0.2))
        return {**data, "posted": data["parcels"]}

    @step
    def hold(self, data: Data) -> Data:
        acts(self, "hold")
        return data

    @hold.compensate
    def unhold(self, data: Data) -> None:
        acts(self, "unhold")

    @step
    def decline(self, data: Data) -> Data:
        raise Fail("no money", type="declined")

    @step
    def instead(self, data: Data) -> Data:
        acts(self, "instead")
        kind = data.pop("error")["type"]
        return {**data, "instead": kind}

    @step
    def turn(self, data: Data) -> Data:
        acts(self, "turn")
        return increment(data, "turns")

    @turn.compensate
    def unturn(self, data: Data) -> None:
        acts(self, "unturn")

    @step
    async def call(self, data: Data) -> Data:
        place.note("outside", f"call {self.branch_id} {self.idempotency_key}")
        await asyncio.sleep(0.02)
        await self.asleep(seconds(0.2))
        return {**data, "called": True}

    @step
    def end(self, data: Data) -> Data:
        acts(self, "end")
        if data["fail"] == "end":
            raise Fail("asked for", type="asked_for")
        return {**data, "end": True}

    flow = chain(
        reserve,
        charge,
        parallel(
            money=chain(pay, turn.named("first_turn")),
            goods=ship,
            people=ask,
            vain=wait_in_vain,
        ),
        foreach("items", pack, concurrency=3),
        foreach("items", stack, concurrency=1, batch_size=2),
        foreach("items", look, concurrency=2, on_error="continue", collect_as="seen"),
        travel,
        post,
        catch(chain(hold, decline), {"declined": instead}),
        repeat(turn, until=lambda data: data["turns"] >= 3),
        call,
        end,
    )


class SoakShort(SoakOrder):
    """An order in short."""

    class Meta(WorkflowMeta):
        name = "soak_short"

    flow = chain(SoakOrder.reserve, SoakOrder.charge, SoakOrder.pay, SoakOrder.end)


#: the steps of orders and children that leave a row, and those whose compensation leaves one
UNDONE_BY_ROW = frozenset(
    {"book", "reserve", "pay", "ship", "pack", "stack", "hold", "turn", "first_turn"}
)
ROWS = UNDONE_BY_ROW | {
    *("board", "send", "hear", "ask", "wait_in_vain", "look", "travel", "post", "instead", "end")
}
UNDONE = UNDONE_BY_ROW | {"charge"}

flows.define()
