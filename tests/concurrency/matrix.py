"""The matrix of interleavings: executions in many situations, calls, and acts that come between."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import F

import durable
from durable import (
    Data,
    DurableError,
    Fail,
    WaitTimeout,
    Workflow,
    chain,
    foreach,
    hours,
    parallel,
    step,
)
from durable.engine import deliver
from durable.engine.duties import inline
from durable.engine.operators.prune import prune
from durable.engine.operators.remove import remove_all
from durable.engine.parts import report
from durable.models import CorrelationKey, Event, Execution, Mailbox, Queue, Schedule, Wait
from durable.states import UNFINISHED, Status, WaitKind
from durable.testing import drain
from tests.concurrency.interleave import Opponent, Outcome, Refused, interleaved

ROUNDS = 12  # in which all that is left ends, or never will


@dataclass
class World:
    """One execution in a situation, and all that belongs to it."""

    root: UUID
    child: UUID | None = None
    broken: bool = True  # the step of ``Fragile`` fails
    facts: dict[str, Any] = field(default_factory=dict)


NOW: list[World] = [World(UUID(int=0))]  # the situation that the bodies below belong to


def define() -> None:
    """The workflows of all situations."""

    class Ask(Workflow):
        @step
        def first(self, data: Data) -> Data:
            return {**data, "first": self.wait_for_text("ask")}

        @step
        def second(self, data: Data) -> Data:
            return {**data, "second": self.wait_for_text("ask")}

    class Limited(Workflow):
        @step
        def ask(self, data: Data) -> Data:
            try:
                answer = self.wait_for_text("ask", timeout=hours(1), assignees=["group:x"])
            except WaitTimeout:
                answer = "late"
            return {**data, "first": answer}

    class Hear(Workflow):
        @step
        def hear(self, data: Data) -> Data:
            return {**data, "heard": self.wait_for_event("go")}

    class Keyed(Workflow):
        class Meta:
            key = "order"

        @step
        def hear(self, data: Data) -> Data:
            return {**data, "heard": self.wait_for_event("go", key=data["order"])}

    class Fragile(Workflow):
        @step
        def prepare(self, data: Data) -> Data:
            return data

        @prepare.compensate
        def unprepare(self, data: Data) -> None:
            return None

        @step
        def fail(self, data: Data) -> Data:
            if NOW[0].broken:
                raise Fail("broken")
            return data

    class Both(Workflow):
        @step
        def left(self, data: Data) -> Data:
            return {**data, "left": True}

        @step
        def right(self, data: Data) -> Data:
            if NOW[0].broken:
                raise Fail("broken")
            return {**data, "right": True}

        flow = chain(parallel(left, right, on_error="complete_all"))

    class Each(Workflow):
        @step
        def one(self, data: Data, item: int, index: int) -> int:
            if NOW[0].broken and item == 1:
                raise Fail("broken")
            return item

        flow = chain(foreach("items", one, concurrency=2, collect_as="results"))

    class Parent(Workflow):
        @step
        def call(self, data: Data) -> Data:
            return {**data, "child": self.call_workflow("ask", {})}

    class Starter(Workflow):
        @step
        def begin(self, data: Data) -> Data:
            return {"child": str(self.start_workflow("fragile", {}))}


def _started(name: str, data: Data | None = None, *, worked: bool = True) -> World:
    NOW[0] = world = World(UUID(int=0))
    world.root = durable.start(name, data or {}, keys=["k"]).pk
    if worked:
        drain()
    return world


def _mended(world: World) -> World:
    world.broken = False
    return world


def _retried(name: str, data: Data | None = None) -> World:
    """Failed, mended, and to go on where it stood."""
    world = _mended(_started(name, data))
    durable.retry(world.root)
    return world


def _paused(name: str) -> World:
    world = _started(name)
    durable.pause(world.root)
    return world


def _child_of(name: str) -> World:
    world = _started(name)
    world.child = Execution.objects.filter(parent=world.root).values_list("pk", flat=True).get()
    return world


def _answered() -> World:
    world = _started("ask")
    durable.provide_input(world.root, "ask", "1")
    return world


def _sent() -> World:
    world = _started("hear", worked=False)
    durable.send_event(world.root, "go", 1)
    return world


def _published() -> World:
    world = _started("keyed", {"order": "o"}, worked=False)
    durable.publish_event("go", 1, key="o")
    return world


SITUATIONS: Mapping[str, Callable[[], World]] = {
    "new": lambda: _started("ask", worked=False),
    "asking": lambda: _started("ask"),
    "answered": _answered,
    "limited": lambda: _started("limited"),
    "hearing": lambda: _started("hear"),
    "sent": _sent,
    "published": _published,
    "failed": lambda: _mended(_started("fragile")),
    "branches retried": lambda: _retried("both"),
    "items retried": lambda: _retried("each", {"items": [0, 1, 2, 3]}),
    "branches failed": lambda: _mended(_started("both")),
    "parent of a child": lambda: _child_of("parent"),
    "starter of a child": lambda: _mended(_child_of("starter")),
    "paused": lambda: _paused("ask"),
}


def _late(world: World) -> None:
    """Time passes: what has a deadline is past it."""
    open_waits = Wait.objects.open().filter(deadline_at__isnull=False)
    open_waits.update(deadline_at=F("opened_at") - timedelta(seconds=1))
    asleep = Execution.objects.filter(wake_at__isnull=False)
    asleep.update(wake_at=F("created_at"))
    drain()


def _away(world: World) -> None:
    prune(timedelta(0))


CALLS: Mapping[str, Callable[[World], Any]] = {
    "provide_input": lambda world: durable.provide_input(world.root, "ask", "a"),
    "reassign": lambda world: durable.reassign(world.root, "ask", to="group:x"),
    "cancel": lambda world: durable.cancel(world.root, "why"),
    "undo": lambda world: durable.cancel(world.root, "why", compensate=True),
    "pause": lambda world: durable.pause(world.root),
    "resume": lambda world: durable.resume(world.root),
    "retry": lambda world: durable.retry(world.root),
    "retry child": lambda world: durable.retry(world.child or world.root),
    "rerun": lambda world: durable.rerun(world.root),
    "rerun child": lambda world: durable.rerun(world.child or world.root),
    "send_event": lambda world: durable.send_event(world.root, "go", 2),
    "publish_event": lambda world: durable.publish_event("go", 2, key="o"),
    "start": lambda world: durable.start("fragile", {}, idempotency_key=str(world.root)),
    "deliver": lambda world: deliver.deliver_due() + deliver.wake_answered(),
    "report": lambda world: report.report_due(),
    "work": lambda world: inline.work(1),
    "drain": lambda world: drain(),
    "prune": _away,
}

#: the calls that are due work, and no call of a program
DUTIES = frozenset({"deliver", "report", "work", "drain", "prune"})

ACTS: Mapping[str, Callable[[World], Any]] = {
    **CALLS,
    "late": _late,
    "answer and go on": lambda world: (CALLS["provide_input"](world), drain()),
    "pause and resume": lambda world: (durable.pause(world.root), durable.resume(world.root)),
    "retry and go on": lambda world: (durable.retry(world.root), drain()),
    "retry the child and go on": lambda world: (durable.retry(world.child or world.root), drain()),
    "cancel and prune": lambda world: (durable.cancel(world.root), drain(), _away(world)),
}


class Cell:
    """One situation, one call, one act, at each statement of the call in turn."""

    situations: ClassVar = SITUATIONS
    calls: ClassVar = CALLS
    acts: ClassVar = ACTS
    pace = 1  # of a walk through the statements

    def __init__(self, other: Opponent, situation: str, call: str, act: str) -> None:
        self.other, self.situation, self.call, self.act = other, situation, call, act
        self.tried = self.went_otherwise = 0  # how often the call was made; and did not succeed

    def __str__(self) -> str:
        return f"{self.situation}: {self.act} in {self.call}"

    def faults(self, stride: int = 1, offset: int = 0) -> Iterator[str]:
        """All that went wrong, with the number of the statement; ``stride`` leaves some out."""
        at: int = 1 + offset
        while True:
            outcome, wrong = self._once(at)
            for fault in wrong:
                yield f"{self} at statement {at}: {fault}"
            if outcome.statements < at:
                return
            at += stride

    def _once(self, at: int) -> tuple[Outcome, list[str]]:
        clean()
        world = self.situations[self.situation]()
        call, act = self.calls[self.call], self.acts[self.act]
        outcome, acted = interleaved(self.other, lambda: call(world), lambda: act(world), at)
        self.tried += 1
        self.went_otherwise += outcome.error is not None
        wrong = [*_undocumented(outcome.error, "call"), *_undocumented(acted, "act")]
        wrong += _lies(outcome.error)
        wrong += stuck()
        if self.call in ("cancel", "undo") and outcome.error is None:
            row = Execution.objects.filter(pk=world.root).first()
            if row is not None and row.status == Status.COMPLETED and "retry" not in self.act:
                wrong.append("cancelled, and yet completed")
        return outcome, wrong


def clean() -> None:
    """Remove everything."""
    remove_all(Event.objects.all())
    Execution.objects.update(parent=None, rerun_of=None, role="root")
    remove_all(Execution.objects.all())
    for model in (Mailbox, Schedule, Queue):
        model.objects.all().delete()


def _undocumented(error: BaseException | None, whose: str) -> list[str]:
    if error is None or isinstance(error, DurableError):
        return []
    if isinstance(error, Refused):
        return [f"the act was refused after the call: {error}"]
    last = traceback.extract_tb(error.__traceback__)
    ours = [f"{frame.name}:{frame.lineno}" for frame in last if "/durable/" in frame.filename]
    return [f"the {whose} raised {type(error).__name__}: {error} ({' > '.join(ours[-4:])})"]


def _lies(error: BaseException | None) -> list[str]:
    text = str(error or "")
    if isinstance(error, durable.WaitNotFound) and "'ask'" in text.partition("(open")[2]:
        return [f"a lie: {text}"]
    if isinstance(error, durable.AlreadyAnswered) and "time was over" in text:
        late = Wait.objects.filter(deadline_at__lte=F("opened_at")).exists()
        return [] if late else [f"a lie: {text}"]
    return []


def stuck() -> list[str]:
    """What does not come to its end, whatever is done for it."""
    Queue.objects.all().delete()
    for _ in range(ROUNDS):
        drain()
        alive = list(Execution.objects.unfinished())
        if not alive:
            break
        for row in alive:
            if row.status == Status.PAUSED and row.role in ("root", "child"):
                _try(lambda pk=row.pk: durable.resume(pk))
        for wait in Wait.objects.open().filter(execution__status__in=UNFINISHED):
            if wait.kind == WaitKind.INPUT:
                Wait.objects.filter(pk=wait.pk).update(deadline_at=None)
                _try(
                    lambda wait=wait: durable.provide_input(
                        wait.root_id, wait.name, "end", branch=wait.execution_id
                    )
                )
            elif wait.kind == WaitKind.EVENT:
                _try(lambda wait=wait: durable.send_event(wait.root_id, "go", "end"))
    found = [
        f"{row.workflow} {row.role} is {row.status} at {row.path!r} for ever"
        for row in Execution.objects.unfinished()
    ]
    if Execution.objects.unreported().exists():
        found.append("an end is not reported")
    if Wait.objects.untold().exists():
        found.append("an answer is not told")
    if CorrelationKey.objects.fresh().exists() or Event.objects.pending().exists():
        found.append("an event is not delivered")
    if Wait.objects.open().exists():
        found.append("a wait of a finished execution is open")
    return found


def _try(call: Callable[[], Any]) -> None:
    with suppress(DurableError):
        call()
