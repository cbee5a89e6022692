"""The work whose cost is counted: workflows, and a worker of one thread without the kit."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from durable import (
    Data,
    RetryAfter,
    Workflow,
    WorkflowMeta,
    chain,
    foreach,
    hours,
    increment,
    step,
)
from durable.authoring.parse import registry
from durable.engine.duties import workers
from durable.engine.duties.duty import duties_of
from durable.engine.duties.inline import InlineSession
from durable.engine.duties.pulse import pulse
from durable.engine.duties.rota import Rota
from durable.engine.run import runner
from durable.engine.run.claim import claim_due

SLOTS = 32
TEN = tuple(f"one{number}" for number in range(10))
LEASE = timedelta(days=999)  # the clock is moved for hours


class OneThread:
    """A worker that does all in the calling thread: duties, a claim for 32 slots, the claimed.

    Duties that are due by the clock are left out: they'd count the machine's slowness.
    """

    def __init__(self) -> None:
        self.id: UUID = workers.sign_on("w", ["default"], registry.kinds(), LEASE, listening=False)
        self._rota = Rota([replace(duty, every=None) for duty in duties_of()])

    def work(self) -> int:
        """Until nothing is due; the number of claims."""
        done = 0
        kinds = registry.kinds()
        while True:
            seen = pulse(["default"], kinds)
            progress = sum([self._rota.perform(duty) for duty in self._rota.due(seen)])
            claims = self.claim() if seen.ready or progress else []
            for claim in claims:
                runner.run(claim, InlineSession())
            if not claims and not progress:
                return done
            done += len(claims)

    def claim(self, limit: int = SLOTS) -> list[Any]:
        """What one look takes."""
        return claim_due(self.id, "default", registry.kinds(), limit)


def define() -> Any:
    """The workflows, registered for the length of a test."""

    class Steps(Workflow):
        @step
        def one(self, data: Data) -> Data:
            return {**data, "n": data.get("n", 0) + 1}

        flow = chain(*map(one.named, TEN))

    class Single(Workflow):
        @step
        def one(self, data: Data) -> Data:
            return {**data, "n": 1}

    class Keyed(Single):
        class Meta(WorkflowMeta):
            key = "key"

    class Sleep(Workflow):
        @step(atomic=False)
        def rest(self, data: Data) -> Data:
            self.sleep(hours(data.get("hours", 1)))
            return data

    class Event(Workflow):
        @step(atomic=False)
        def hear(self, data: Data) -> Data:
            return {"heard": self.wait_for_event("go")}

    class KeyedEvent(Event):
        class Meta(WorkflowMeta):
            key = "key"

    class Answer(Workflow):
        @step(atomic=False)
        def ask(self, data: Data) -> Data:
            return {"said": self.wait_for_text("q")}

    class Child(Workflow):
        @step(atomic=False)
        def call(self, data: Data) -> Data:
            return {"child": self.call_workflow(Single, {})}

    class Again(Workflow):
        @step(retry=2)
        def one(self, data: Data) -> Data:
            raise RetryAfter(hours(1))

    class Undone(Workflow):
        @step
        def one(self, data: Data) -> Data:
            return data

        @one.compensate
        def undo(self, data: Data) -> None: ...

        @step
        def fail(self, data: Data) -> Data:
            raise ValueError

        flow = chain(one, fail)

    def items(batch: int) -> type[Workflow]:
        class Items(Workflow):
            class Meta(WorkflowMeta):
                name = f"items{batch}"

            @step
            def each(self, data: Data, item: int, index: int) -> Data:
                return increment(data, "n")

            flow = foreach("items", each, concurrency=10, batch_size=batch)

        return Items

    return SimpleNamespace(
        steps=Steps,
        single=Single,
        keyed=Keyed,
        sleep=Sleep,
        event=Event,
        keyed_event=KeyedEvent,
        answer=Answer,
        child=Child,
        again=Again,
        undone=Undone,
        items=items(1),
        batches=items(10),
    )
