"""What the child processes of the suite run."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from typing import Any, ClassVar

from django.db import connection

import durable
from durable import (
    Data,
    Fail,
    Retry,
    Workflow,
    WorkflowMeta,
    call_workflow,
    chain,
    foreach,
    increment,
    parallel,
    seconds,
    step,
)
from tests.processes import note, noted
from tests.shop.models import Effect


def ran(workflow: Any, name: str) -> None:
    """Note a body's run, outside of any transaction."""
    note(f"{workflow.id} {name}")


class CrashOrder(Workflow):
    """Every kind of step once: atomic, not atomic, with a wait, with a retry, and the last."""

    class Meta(WorkflowMeta):
        name = "crash_order"

    @step
    def reserve(self, data: Data) -> Data:
        """Write in the step's own transaction."""
        ran(self, "reserve")
        Effect.objects.create(key=f"reserve:{self.id}")
        return {**data, "reserved": True}

    @step(atomic=False)
    def charge(self, data: Data) -> Data:
        """Have an effect that no rollback takes back."""
        ran(self, "charge")
        Effect.objects.create(key=f"charge:{self.id}")
        return {**data, "charge": self.idempotency_key}

    @step
    def confirm(self, data: Data) -> Data:
        """Write, then wait: the write of the run that parks is rolled back."""
        ran(self, "confirm")
        Effect.objects.create(key=f"confirm:{self.id}")
        return {**data, "paid": self.wait_for_event("paid")}

    @step(retry=Retry(max_attempts=2, base=seconds(0.02), jitter=0))
    def flaky(self, data: Data) -> Data:
        """Fail once."""
        ran(self, "flaky")
        Effect.objects.create(key=f"flaky:{self.id}")
        if self.attempt == 1:
            raise ValueError("the first attempt fails")
        return {**data, "flaky": self.attempt}

    @step
    def finish(self, data: Data) -> Data:
        """End."""
        ran(self, "finish")
        Effect.objects.create(key=f"finish:{self.id}")
        return {**data, "finished": True}


class CrashStarter(Workflow):
    """A client of the engine that may be killed while it starts an execution."""

    class Meta(WorkflowMeta):
        name = "crash_starter"

    @step(atomic=False)
    def begin(self, data: Data) -> Data:
        """Start another one, under a key."""
        ran(self, "begin")
        started = durable.start("crash_child", {"n": 1}, idempotency_key=self.idempotency_key)
        return {**data, "started": str(started.id)}


class CrashChild(Workflow):
    """What the starter starts."""

    class Meta(WorkflowMeta):
        name = "crash_child"

    @step
    def work(self, data: Data) -> Data:
        """Leave one row."""
        ran(self, "work")
        Effect.objects.create(key=f"work:{self.id}")
        return {**data, "worked": True}


class Slow(Workflow):
    """Two steps, the first of which takes a while."""

    class Meta(WorkflowMeta):
        name = "crash_slow"

    @step(atomic=False)
    def first(self, data: Data) -> Data:
        """Take ``data["seconds"]``."""
        ran(self, "first")
        time.sleep(data["seconds"])
        return {**data, "first": os.getpid()}

    @step
    def second(self, data: Data) -> Data:
        """Say which process went on."""
        ran(self, "second")
        Effect.objects.create(key=f"second:{self.id}")
        return {**data, "second": os.getpid()}


class Quick(Workflow):
    """One step."""

    class Meta(WorkflowMeta):
        name = "crash_quick"

    @step
    def only(self, data: Data) -> Data:
        """Say which process it was."""
        ran(self, "only")
        Effect.objects.create(key=f"only:{self.id}")
        logging.getLogger("shop").info("worked")
        return {**data, "pid": os.getpid()}


class Poison(Workflow):
    """Its step kills the worker, each time."""

    class Meta(WorkflowMeta):
        name = "crash_poison"
        max_recoveries = 1

    @step(atomic=False)
    def kill(self, data: Data) -> Data:
        """Pull the plug."""
        ran(self, "kill")
        os.kill(os.getpid(), signal.SIGKILL)
        return data


class Stuck(Workflow):
    """Its step hangs, and leaves a thread that Python would wait for at exit."""

    class Meta(WorkflowMeta):
        name = "crash_stuck"

    @step(atomic=False)
    def hang(self, data: Data) -> Data:
        """Hang."""
        threading.Thread(target=time.sleep, args=(600,), daemon=False).start()
        ran(self, "hang")
        time.sleep(600)
        return data


class HangsOnce(Workflow):
    """Its first run hangs, the next one does not."""

    class Meta(WorkflowMeta):
        name = "crash_hangs_once"

    @step(atomic=False)
    def only(self, data: Data) -> Data:
        """Hang if there was no run before this one."""
        before = noted()
        ran(self, "only")
        if not before:
            time.sleep(600)
        return {**data, "pid": os.getpid()}


class Later(Workflow):
    """Its step begins and ends late: for a worker that is stopped in the middle of it."""

    class Meta(WorkflowMeta):
        name = "crash_later"

    @step
    def write(self, data: Data) -> Data:
        """Write, then take a while with the transaction open (not on SQLite: one writer)."""
        if connection.vendor == "postgresql":
            Effect.objects.create(key=f"write:{self.id}")
        ran(self, "write")
        time.sleep(data["seconds"])
        if connection.vendor != "postgresql":
            Effect.objects.create(key=f"write:{self.id}")
        return {**data, "pid": os.getpid()}


class Awaiting(Workflow):
    """An ``async def`` step that takes a while."""

    class Meta(WorkflowMeta):
        name = "crash_awaiting"

    @step
    async def nap(self, data: Data) -> Data:
        """Take a while."""
        ran(self, "nap")
        await asyncio.sleep(data["seconds"])
        return {**data, "pid": os.getpid()}


def did(workflow: Any, name: str) -> None:
    """Note that a body runs, take a while, and leave a row in its transaction."""
    note(f"{workflow.branch_id} {name}")
    threading.Event().wait(workflow.takes)
    Effect.objects.create(key=f"{name}:{workflow.branch_id}")


class CrashLeg(Workflow):
    """A child of two steps, the first of which can be undone."""

    class Meta(WorkflowMeta):
        name = "crash_leg"

    takes: ClassVar[float] = 0.03

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

    takes: ClassVar[float] = 0.03

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


class CrashTree(CrashTrip):
    """Every kind of block once, items in batches too; nothing runs but what it says."""

    class Meta(WorkflowMeta):
        name = "crash_tree"

    takes: ClassVar[float] = 0

    @step
    def ping(self, data: Data, item: int, index: int) -> Data:
        """One item; it says nothing to the database, so that a batch writes many at once."""
        note(f"{self.branch_id} ping")
        return increment(data, "pinged")

    flow = chain(
        parallel(first=chain(CrashTrip.left, CrashTrip.more), second=CrashTrip.right),
        foreach("items", ping, concurrency=2, batch_size=2),
        foreach("items", CrashTrip.send, concurrency=2),
        call_workflow(CrashLeg, input=lambda data: {"n": data["n"]}, into="leg"),
        CrashTrip.end,
    )
