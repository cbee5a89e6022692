"""A tree of everything for the random executions: blocks, a child, a catch, and a saga."""

from __future__ import annotations

from typing import Any

from durable import (
    Data,
    Fail,
    Retry,
    Workflow,
    WorkflowMeta,
    call_workflow,
    catch,
    chain,
    foreach,
    increment,
    minutes,
    parallel,
    repeat,
    seconds,
    step,
)
from tests.shop.models import Effect

#: deaths are the daily bread here; that they are bounded is tested elsewhere
MANY = 1000

ITEMS = 5


def effect(instance: Any, name: str) -> None:
    """An effect that is committed with the step, or not at all."""
    Effect.objects.create(key=f"{instance.branch_id}:{name}")


class Leg(Workflow):
    """A child of two steps, of which one is undone."""

    class Meta(WorkflowMeta):
        abstract = True

    @step
    def reserve(self, data: Data) -> Data:
        effect(self, "reserve")
        return {"n": data["n"], "reserved": True}

    @reserve.compensate
    def unreserve(self, data: Data) -> None:
        effect(self, "unreserve")

    @step
    def confirm(self, data: Data) -> Data:
        self.sleep(seconds(30))
        return {**data, "confirmed": True}


class Trip(Workflow):
    """Ends well if the last digit of its key is even, else it is rolled back."""

    class Meta(WorkflowMeta):
        abstract = True

    @step
    def prepare(self, data: Data) -> Data:
        effect(self, "prepare")
        return {**data, "n": 0}

    @prepare.compensate
    def unprepare(self, data: Data) -> None:
        effect(self, "unprepare")

    @step
    def left(self, data: Data) -> Data:
        effect(self, "left")
        return increment(data, "n", 10)

    @left.compensate(retry=Retry(max_attempts=3, base=minutes(1), jitter=0))
    def unleft(self, data: Data) -> None:
        effect(self, "unleft")
        if self.attempt < 2:
            raise ValueError("not yet")

    @step
    def ask(self, data: Data) -> Data:
        return {**data, "asked": self.wait_for_event("go", timeout=minutes(8), timeout_value=0)}

    @step(retry=Retry(max_attempts=3, base=minutes(1), jitter=0))
    def right(self, data: Data) -> Data:
        effect(self, "right")
        if self.attempt < 3:
            raise ValueError("not yet")
        return increment({**data, "right": True}, "n", 5)

    @right.compensate
    def unright(self, data: Data) -> None:
        self.sleep(seconds(30))
        effect(self, "unright")

    @step
    def send(self, data: Data, item: int, index: int) -> Data:
        effect(self, "send")
        if item == 2:
            self.sleep(seconds(30))
        return increment({**data, f"item{item}": index}, "sent")

    @send.compensate
    def unsend(self, data: Data, item: int, index: int) -> None:
        effect(self, "unsend")

    @step
    def count(self, data: Data, item: int, index: int) -> Data:
        return increment(data, "counted", item)

    @step
    def hold(self, data: Data) -> Data:
        effect(self, "hold")
        return {**data, "held": True}

    @hold.compensate
    def unhold(self, data: Data) -> None:
        effect(self, "unhold")

    @step
    def decline(self, data: Data) -> Data:
        raise Fail("no money", type="declined")

    @step
    def instead(self, data: Data) -> Data:
        effect(self, "instead")
        return {**data, "instead": data.pop("error")["type"]}

    @step
    def turn(self, data: Data) -> Data:
        effect(self, "turn")
        return increment(data, "turns")

    @turn.compensate
    def unturn(self, data: Data) -> None:
        effect(self, "unturn")

    @step
    def end(self, data: Data) -> Data:
        if int(data["key"][-1]) % 2:
            raise Fail("asked for", type="asked_for")
        return {**data, "end": True}


def define() -> type[Workflow]:
    """The classes, registered anew."""
    meta: Any = {"max_recoveries": MANY}
    leg = type("Leg", (Leg,), {"Meta": type("Meta", (WorkflowMeta,), {"name": "leg", **meta})})
    flow = chain(
        Trip.prepare,
        parallel(first=chain(Trip.left, Trip.ask), second=Trip.right),
        foreach(lambda data: range(ITEMS), Trip.send, concurrency=2),
        foreach(lambda data: range(ITEMS), Trip.count, concurrency=2, batch_size=2),
        call_workflow(leg, input=lambda data: {"n": data["n"]}, into="leg"),
        catch(chain(Trip.hold, Trip.decline), {"declined": Trip.instead}),
        repeat(Trip.turn, until=lambda data: data["turns"] == 2),
        Trip.end,
    )
    own = type("Meta", (WorkflowMeta,), {"name": "trip", **meta})
    return type("Trip", (Trip,), {"Meta": own, "flow": flow})


#: the steps that are undone, by name, and what undoes them
UNDONE = {
    "prepare": "unprepare",
    "left": "unleft",
    "right": "unright",
    "send": "unsend",
    "reserve": "unreserve",
    "hold": "unhold",
    "turn": "unturn",
}

#: the steps that leave an effect
EFFECTS = {*UNDONE, "instead"}
