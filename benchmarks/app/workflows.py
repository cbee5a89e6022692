"""The work of the benchmarks for our engine; each peer's file says the same in its terms."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import Any

from benchmarks.engines import STEPS
from durable import (
    Workflow,
    WorkflowMeta,
    chain,
    foreach,
    increment,
    repeat,
    step,
)


def _ten(one: Any) -> Any:
    """A chain of the same step ten times."""
    return chain(*(one.named(f"{one.name}{number}") for number in range(STEPS)))


class Pipeline(Workflow):
    """Ten trivial steps."""

    @step
    def add(self, data: Any) -> Any:
        """Count one."""
        return {**data, "n": data["n"] + 1}

    flow = _ten(add)


class Rows(Workflow):
    """Ten steps that each write one row in the transaction of their checkpoint."""

    @step
    def write(self, data: Any) -> Any:
        """Insert a row by the ORM."""
        from benchmarks.app.models import Row

        Row._default_manager.create(text=f"{self.id}/{data['n']}")
        return {**data, "n": data["n"] + 1}

    flow = _ten(write)


class One(Workflow):
    """A single trivial step."""

    @step
    def add(self, data: Any) -> Any:
        """Count one."""
        return {**data, "n": data["n"] + 1}


class Sleep(Workflow):
    """Sleeps until the moment that it is told."""

    @step(atomic=False)
    def rest(self, data: Any) -> Any:
        """Sleep, then count one."""
        self.sleep_until(datetime.fromtimestamp(data["until"], tz=UTC))
        return {**data, "n": data["n"] + 1}


class Event(Workflow):
    """Waits for one event."""

    @step(atomic=False)
    def listen(self, data: Any) -> Any:
        """Wait, then count what was sent."""
        return {**data, "n": data["n"] + self.wait_for_event("go")["n"]}


class Answer(Workflow):
    """Waits for one answer of a person."""

    @step(atomic=False)
    def ask(self, data: Any) -> Any:
        """Ask, then count one."""
        self.wait_for_approval("manager")
        return {**data, "n": data["n"] + 1}


class KeyedOne(One):
    """``One`` with a correlation key."""

    class Meta(WorkflowMeta):
        key = "key"


class KeyedPipeline(Pipeline):
    """``Pipeline`` with a correlation key."""

    class Meta(WorkflowMeta):
        key = "key"


class KeyedEvent(Event):
    """``Event`` with a correlation key."""

    class Meta(WorkflowMeta):
        key = "key"


class Doomed(Workflow):
    """A step that never ends in the worker that is told to hang, and is trivial in any other."""

    @step(atomic=False)
    def hang(self, data: Any) -> Any:
        """Hang where ``BENCHMARK_HANG`` is set; the worker is killed meanwhile."""
        if os.environ.get("BENCHMARK_HANG"):
            time.sleep(600)  # a body that hangs
        return {**data, "n": data["n"] + 1}


def _foreach(batch: int) -> Any:
    class Campaign(Workflow):
        """A foreach of trivial items; each adds one to a counter."""

        class Meta(WorkflowMeta):
            name = f"foreach{batch}"

        @step
        def send(self, data: Any, item: int, index: int) -> Any:
            """Count one."""
            return increment(data, "n")

        flow = foreach(lambda data: range(data["items"]), send, concurrency=32, batch_size=batch)

    return Campaign


Foreach1, Foreach100 = _foreach(1), _foreach(100)


class Children(Workflow):
    """A foreach that calls a child workflow for each item, and collects what they return."""

    @step(atomic=False)
    def call(self, data: Any, item: int, index: int) -> Any:
        """Call a child, and return what it returns."""
        return self.call_workflow(One, {"n": 0})

    flow = foreach(lambda data: range(data["items"]), call, concurrency=32, collect_as="ended")


class Crowd(Workflow):
    """A foreach whose items all wait at once, each in a child."""

    @step(atomic=False)
    def call(self, data: Any, item: int, index: int) -> Any:
        """Call a child that waits."""
        return self.call_workflow(Event, {"n": 0})

    flow = foreach(lambda data: range(data["items"]), call, concurrency=10_000)


class Inbox(Workflow):
    """Takes its events one by one."""

    @step(atomic=False)
    def take(self, data: Any) -> Any:
        """Take the next event."""
        return {**data, "n": data["n"] + self.wait_for_event("go")["n"]}

    flow = repeat(take, until=lambda data: data["n"] >= data["items"], max_iterations=None)


class Rounds(Workflow):
    """One step, again and again."""

    @step
    def add(self, data: Any) -> Any:
        """Count one."""
        return {**data, "n": data["n"] + 1}

    flow = repeat(add, until=lambda data: data["n"] >= data["items"], max_iterations=None)


class Waits(Workflow):
    """Many waits in one step: its body runs again for each."""

    @step(atomic=False)
    def wait(self, data: Any) -> Any:
        """Take all events, one wait each."""
        for _ in range(data["items"]):
            data["n"] += self.wait_for_event("go")["n"]
        return data


class Tree(Workflow):
    """Calls itself until ``depth`` is 0; the deepest fails if it is told to."""

    @step
    def enter(self, data: Any) -> Any:
        """Count one; its compensation counts it back."""
        return {**data, "n": data["n"] + 1}

    @enter.compensate
    def leave(self, data: Any) -> None:
        """Nothing to undo outside the record."""

    @step(atomic=False)
    def descend(self, data: Any) -> Any:
        """Call the next level."""
        if not data["depth"]:
            if data["fail"]:
                raise ValueError("the deepest level fails")
            self.wait_for_event("never")
        return self.call_workflow("tree", {**data, "depth": data["depth"] - 1})


WORK = {
    "pipeline": Pipeline,
    "rows": Rows,
    "one": One,
    "sleep": Sleep,
    "event": Event,
    "answer": Answer,
    "keyed-one": KeyedOne,
    "keyed-pipeline": KeyedPipeline,
    "keyed-event": KeyedEvent,
    "doomed": Doomed,
    "foreach1": Foreach1,
    "foreach100": Foreach100,
    "children": Children,
    "inbox": Inbox,
    "rounds": Rounds,
    "waits": Waits,
    "tree": Tree,
}
