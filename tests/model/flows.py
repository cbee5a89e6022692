"""The workflows of the random executions: their results don't depend on who runs them when."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from durable import Data, Retry, Workflow, append, branch, chain, minutes, seconds, step
from tests.shop.models import Effect

BACKOFF = minutes(2)
NAP = minutes(5)
SOON = minutes(3)

#: deaths are the daily bread here; that they are bounded is tested elsewhere
MANY = 1000


class Visit(NamedTuple):
    """One time that a body was entered."""

    execution: str
    step: str
    attempt: int
    key: str


@dataclass
class Outside:
    """The world outside of the database: what was done there can't be rolled back."""

    visits: list[Visit] = field(default_factory=list)
    remembered: Counter[str] = field(default_factory=Counter)

    def enter(self, instance: Any, name: str) -> None:
        """Note that a body was entered."""
        key = instance.idempotency_key
        self.visits.append(Visit(str(instance.id), name, instance.attempt, key))

    def call(self, key: str) -> str:
        """A call that ``self.run`` remembers."""
        self.remembered[key] += 1
        return f"called {key[:4]}"[:6]


def effect(instance: Any, name: str) -> None:
    """An effect that is committed with the step, or not at all."""
    Effect.objects.create(key=f"{instance.id}:{name}")


def define(outside: Outside) -> list[type[Workflow]]:
    """The classes, registered anew; bodies tell ``outside`` that they were there."""

    class Pipeline(Workflow):
        """Atomic steps, one of which fails at first."""

        class Meta:
            max_recoveries = MANY

        @step
        def one(self, data: Data) -> Data:
            effect(self, "one")
            return append(data, "trail", "one")

        @step(retry=Retry(max_attempts=3, base=BACKOFF, jitter=0))
        def two(self, data: Data) -> Data:
            outside.enter(self, "two")
            effect(self, "two")
            self.sleep(seconds(10))
            if self.attempt < 3:
                raise ValueError("not yet")
            return append(data, "trail", "two")

        @step
        def three(self, data: Data) -> Data:
            effect(self, "three")
            return append(data, "trail", "three")

    class Calls(Workflow):
        """Steps that talk to the outside, and remember what was said."""

        class Meta:
            max_recoveries = MANY
            atomic = False

        @step
        def ask(self, data: Data) -> Data:
            outside.enter(self, "ask")
            first = self.run(outside.call, self.idempotency_key, name="first")
            self.sleep(NAP)
            second = self.run(outside.call, self.idempotency_key, name="second")
            return {**data, "said": [first, second]}

        @step
        def tell(self, data: Data) -> Data:
            outside.enter(self, "tell")
            return append(data, "trail", "tell")

    class Waits(Workflow):
        """Events, a nap, a person, a branch."""

        class Meta:
            max_recoveries = MANY
            key = "key"

        @step
        def events(self, data: Data) -> Data:
            effect(self, "events")
            got = [self.wait_for_event("go"), self.wait_for_event("go")]
            return {**data, "got": got, **self.wait_for_all(["x", "y"])}

        @step(atomic=False)
        def person(self, data: Data) -> Data:
            self.sleep(seconds(10))
            return {**data, "decision": self.wait_for_approval("ok")}

        @step
        def yes(self, data: Data) -> Data:
            effect(self, "yes")
            return append(data, "trail", "yes")

        @step
        def no(self, data: Data) -> Data:
            return append(data, "trail", "no")

        @step(atomic=False)
        def end(self, data: Data) -> None: ...

        flow = chain(
            person, events, branch(on="decision", cases={"approved": yes}, default=no), end
        )

    class Races(Workflow):
        """Messages against time: either may win, and the record says which."""

        class Meta:
            max_recoveries = MANY

        @step
        def first(self, data: Data) -> Data:
            got = self.wait_for_event("go", timeout=SOON, timeout_value="late")
            return {**data, "first": got}

        @step(atomic=False)
        def second(self, data: Data) -> Data:
            got = self.wait_for_any(["go", "x"], timeout=SOON, timeout_value=("late", 0))
            return {**data, "second": got}

        @step
        def third(self, data: Data) -> Data:
            choice = self.wait_for_choice(
                "ok", choices=["approved", "b"], timeout=SOON, timeout_value="late"
            )
            return {**data, "third": choice}

    return [Pipeline, Calls, Waits, Races]


#: The steps of each workflow in the order in which they must complete.
ORDER = {
    "pipeline": ["one", "two", "three"],
    "calls": ["ask", "tell"],
    "waits": ["person", "events", "yes", "end"],
    "races": ["first", "second", "third"],
}
ATTEMPTS = {"two": 3}
ATOMIC_EFFECTS = ("one", "two", "three", "events", "yes")
