"""Executions that stand everywhere one can stand, to be moved to another database and finished."""

from __future__ import annotations

from typing import Any

import durable
from durable import (
    Cron,
    Data,
    Fail,
    Workflow,
    call_workflow,
    chain,
    days,
    foreach,
    increment,
    parallel,
    repeat,
    step,
)


def define() -> type[Workflow]:
    """The workflow that is moved; whoever calls this has workflows of their own."""

    class Child(Workflow):
        """A child that sleeps."""

        class Meta:
            name = "moving_child"

        @step
        def nap(self, data: Data) -> Data:
            self.sleep(days(2))
            return {**data, "slept": "a child"}

    class Everything(Workflow):
        """Waits of every kind below one root, with increments, items, a loop, an undoing."""

        class Meta:
            name = "moving_everything"
            key = "order"
            schedules = (Cron("0 7 * * *", name="moving"),)

        @step
        def begin(self, data: Data) -> Data:
            self.set_tags(tier="gold")
            return {**data, "n": 1, "text": "5", "when": self.now(), "log": []}

        @begin.compensate
        def undo(self, data: Data) -> None:
            self.set_tags(undone=data["text"])

        @step
        def counts(self, data: Data) -> Data:
            return increment(data, "n", 2)

        @step
        def asks(self, data: Data) -> Data:
            decision = self.wait_for_approval("ok", prompt="Ship it?", assignees="group:moving")
            return increment({**data, "approved": bool(decision), "by": decision.by}, "n", 3)

        @step
        def hears(self, data: Data) -> Data:
            payload = self.wait_for_event("paid")
            return increment({**data, "paid": payload}, "n", 4)

        @step
        def each(self, data: Data, item: Any, index: int) -> Data:
            self.sleep(days(1))
            return increment({**data, f"item{index}": item}, "n")

        @step
        def again(self, data: Data) -> Data:
            return {**data, "log": [*data["log"], len(data["log"])]}

        @step
        def ends(self, data: Data) -> Data:
            if data.get("fails"):
                raise Fail("as asked", type="Asked", details={"text": "5"})
            return {**data, "done": True}

        flow = chain(
            begin,
            parallel(people=chain(counts, asks), events=hears, child=call_workflow(Child)),
            foreach("items", each, concurrency=2),
            repeat(again, until=lambda data: len(data["log"]) == 2),
            ends,
        )

    return Everything


def begin(everything: type[Workflow]) -> dict[str, str]:
    """Start one for each state, let them come as far as they can; their ids by name."""
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Group

    from durable.testing import drain

    person = get_user_model().objects.create_user("mover", is_superuser=True)
    person.groups.add(Group.objects.create(name="moving"))
    data = {"items": ["5", {"a": 1.5}, None], "order": "A-1"}
    started = {
        "untouched": durable.start(everything, data),
        "answered": durable.start(everything, data, tags={"a": {"b": [1, "5"]}}),
        "fails": durable.start(everything, {**data, "fails": True}),
        "paused": durable.start(everything, data),
    }
    drain()
    durable.provide_input(started["answered"].id, "ok", "approved", by=person, comment="5")
    durable.send_event(started["answered"].id, "paid", {"amount": "5"})
    durable.pause(started["paused"].id)
    return {name: str(execution.id) for name, execution in started.items()}
