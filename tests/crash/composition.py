"""Trees for the child processes of the suite: everything of composition once."""

from __future__ import annotations

import threading
from typing import Any

from durable import (
    Data,
    Fail,
    Workflow,
    WorkflowMeta,
    call_workflow,
    chain,
    foreach,
    increment,
    parallel,
    step,
)
from tests.processes import note
from tests.shop.models import Effect

PAUSE = 0.03


def did(workflow: Any, name: str, *, pause: float = PAUSE) -> None:
    """Note that a body runs, take a while, and leave a row in its transaction."""
    note(f"{workflow.branch_id} {name}")
    threading.Event().wait(pause)
    Effect.objects.create(key=f"{name}:{workflow.branch_id}")


class CrashLeg(Workflow):
    """A child of two steps, the first of which can be undone."""

    class Meta(WorkflowMeta):
        name = "crash_leg"

    @step
    def reserve(self, data: Data) -> Data:
        """Reserve."""
        did(self, "reserve")
        return {"reserved": data["n"]}

    @reserve.compensate
    def unreserve(self, data: Data) -> None:
        """Undo it."""
        did(self, "unreserve")

    @step
    def confirm(self, data: Data) -> Data:
        """Confirm."""
        did(self, "confirm")
        return {**data, "confirmed": True}


class CrashTrip(Workflow):
    """Branches, items, a child, and a failure at the end if it is asked for."""

    class Meta(WorkflowMeta):
        name = "crash_trip"
        max_recoveries = 100

    @step
    def left(self, data: Data) -> Data:
        """One branch."""
        did(self, "left")
        return {**data, "left": True}

    @left.compensate
    def unleft(self, data: Data) -> None:
        """Undo it."""
        did(self, "unleft")

    @step
    def more(self, data: Data) -> Data:
        """The branch goes on."""
        did(self, "more")
        return increment(data, "n", 10)

    @step
    def right(self, data: Data) -> Data:
        """The other branch."""
        did(self, "right")
        return increment({**data, "right": True}, "n", 5)

    @right.compensate
    def unright(self, data: Data) -> None:
        """Undo it."""
        did(self, "unright")

    @step
    def send(self, data: Data, item: int, index: int) -> Data:
        """One item."""
        did(self, "send")
        return increment({**data, f"item{item}": index}, "sent")

    @send.compensate
    def unsend(self, data: Data, item: int, index: int) -> None:
        """Undo it."""
        did(self, "unsend")

    @step
    def end(self, data: Data) -> Data:
        """End well, or not."""
        did(self, "end")
        if data["fail"]:
            raise Fail("asked for", type="asked_for")
        return {**data, "end": True}

    flow = chain(
        parallel(first=chain(left, more), second=right),
        foreach("items", send, concurrency=4),
        call_workflow(CrashLeg, input=lambda data: {"n": data["n"]}, into="leg"),
        end,
    )


class CrashTree(Workflow):
    """Every kind of block once, items in batches too; nothing runs but what it says."""

    class Meta(WorkflowMeta):
        name = "crash_tree"

    @step
    def left(self, data: Data) -> Data:
        """One branch."""
        did(self, "left", pause=0)
        return {**data, "left": True}

    @left.compensate
    def unleft(self, data: Data) -> None:
        """Undo it."""
        did(self, "unleft", pause=0)

    @step
    def more(self, data: Data) -> Data:
        """The branch goes on."""
        did(self, "more", pause=0)
        return increment(data, "n", 10)

    @step
    def right(self, data: Data) -> Data:
        """The other branch."""
        did(self, "right", pause=0)
        return increment(data, "n", 5)

    @right.compensate
    def unright(self, data: Data) -> None:
        """Undo it."""
        did(self, "unright", pause=0)

    @step
    def ping(self, data: Data, item: int, index: int) -> Data:
        """One item; it says nothing to the database, so that a batch writes many at once."""
        note(f"{self.branch_id} ping")
        return increment(data, "pinged")

    @step
    def send(self, data: Data, item: int, index: int) -> Data:
        """One item of the next block."""
        did(self, "send", pause=0)
        return increment(data, "sent")

    @send.compensate
    def unsend(self, data: Data, item: int, index: int) -> None:
        """Undo it."""
        did(self, "unsend", pause=0)

    @step
    def end(self, data: Data) -> Data:
        """End well, or not."""
        did(self, "end", pause=0)
        if data["fail"]:
            raise Fail("asked for", type="asked_for")
        return {**data, "end": True}

    flow = chain(
        parallel(first=chain(left, more), second=right),
        foreach("items", ping, concurrency=2, batch_size=2),
        foreach("items", send, concurrency=2),
        call_workflow(CrashLeg, input=lambda data: {"n": data["n"]}, into="leg"),
        end,
    )
