"""A world in one thread: workers, senders, people and operators at the real engine, in any order.

Whoever is at work reaches the engine's failpoints. At each, the dice say whether the process dies
there, and (where no transaction is open) whether others do something of theirs first. So the
transactions of several workers interleave as they would on several machines; every commit is real.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import durable
from durable import clock, testing
from durable.engine.deliver import deliver_due, wake_answered
from durable.engine.duties import workers
from durable.engine.row.held import Claim
from durable.engine.run.claim import promote
from durable.errors import AlreadyAnswered, AmbiguousWait, InvalidTransition, WaitNotFound
from durable.models import AuditEntry, Event, Execution, Record, StepRun, Wait
from durable.models import Worker as WorkerRow
from durable.states import Status
from durable.storage import failpoints
from tests.shop.models import Effect
from tests.stage import LEASE, NOON, Hand, Killed, bury_the_dead, in_the_open

FLEET = 3
DEEP = 3  # how many people may interrupt each other
REFUSALS = (InvalidTransition, AlreadyAnswered, WaitNotFound, AmbiguousWait)
SPANS = (1, 20, 70, 150, 400)  # seconds


def clear() -> None:
    """Begin anew: nothing was ever done, and it is noon."""
    AuditEntry.objects.all()._raw_delete("default")
    for model in (Effect, Event, Wait, Record, StepRun, Execution, WorkerRow):
        model._default_manager.all().delete()
    clock.set_frozen(NOON)


@dataclass
class Worker:
    """A process: its session, and the claims that it has not worked on yet."""

    hand: Hand
    held: list[Claim] = field(default_factory=list)


@dataclass
class Sent:
    """What was accepted for one execution, to be found again at the end."""

    workflow: str
    key: str | None
    events: Counter[str] = field(default_factory=Counter)


class Lost(logging.Handler):
    """Counts the claims that the engine says it lost."""

    def __init__(self, happened: Counter[str]) -> None:
        super().__init__(logging.INFO)
        self.happened = happened

    def emit(self, record: logging.LogRecord) -> None:
        self.happened["fenced"] += record.msg.startswith("claim lost")


class World:
    """Everything that happens, decided by one seed."""

    #: what may happen, and how often
    acts: Mapping[str, float] = {
        "start": 3,
        "claim": 24,
        "work": 12,
        "crash": 4,
        "tick": 10,
        "pass_time": 9,
        "send": 9,
        "answer": 4,
        "pause": 1,
        "resume": 2,
        "cancel": 0.8,
    }

    def __init__(self, seed: int, workflows: list[Any], *, kill: float, interrupt: float) -> None:
        self.dice = Random(seed)
        self.workflows, self.kill, self.interrupt = workflows, kill, interrupt
        self.happened: Counter[str] = Counter()
        self.diary: list[str] = []
        self.started: dict[UUID, Sent] = {}
        self.audited = 0
        self.retried: set[UUID] = set()
        self.frames: list[bool] = []  # of those who are at work: whether they are dead
        self.fleet = [Worker(Hand(f"worker {n}")) for n in range(FLEET)]
        self.ghosts: list[Worker] = []  # declared dead, and still at it
        self.watchers: list[Callable[[], None]] = []

    # -- the dice -----------------------------------------------------------------------------

    @contextmanager
    def alive(self) -> Iterator[None]:
        """The dice roll at every failpoint."""
        lost, logger = Lost(self.happened), logging.getLogger("durable.engine")
        level = logger.level
        logger.addHandler(lost)
        logger.setLevel(logging.INFO)
        failpoints.armed = self.reached
        try:
            yield
        finally:
            failpoints.armed = None
            logger.setLevel(level)
            logger.removeHandler(lost)

    def reached(self, point: str) -> None:
        """Die here, let others go first, or go on."""
        if not self.frames:
            return
        if self.frames[-1]:
            raise Killed(point)  # a dead process does nothing more
        roll = self.dice.random()
        if roll < self.kill:
            self.frames[-1] = True
            self.happened["killed"] += 1
            self.happened["killed in a body"] += point.startswith("body.")
            self.diary.append(f"{'  ' * len(self.frames)}killed at {point}")
            raise Killed(point)
        if roll < self.kill + self.interrupt and len(self.frames) < DEEP and in_the_open():
            self.happened["interrupted"] += 1
            for _ in range(self.dice.randint(1, 3)):
                self.act()

    def act(self) -> None:
        """Somebody does one thing; a process that dies of it leaves what it has committed."""
        names, weights = zip(*self.acts.items(), strict=True)
        name = self.dice.choices(names, weights)[0]
        self.diary.append(f"{'  ' * len(self.frames)}{name}")
        self.frames.append(False)
        try:
            getattr(self, name)()
        except Killed:
            self.happened["deaths"] += 1
        except REFUSALS as refusal:
            self.happened[f"refused: {type(refusal).__name__}"] += 1
        finally:
            self.frames.pop()
        if not self.frames:
            for watch in self.watchers:
                watch()

    # -- workers --------------------------------------------------------------------------------

    def start(self) -> None:
        workflow = self.dice.choice(self.workflows)
        name = workflow.definition.name
        keys = [s.key for s in self.started.values() if s.workflow == name and s.key]
        if keys and self.dice.random() < 0.3:
            again = durable.start(workflow, self.input(keys[0]), idempotency_key=keys[0])
            assert again.pk in self.started, "14: started twice"
            self.happened["duplicate start"] += 1
            return
        key = f"{name} {self.dice.getrandbits(40)}"
        execution = durable.start(workflow, self.input(key), idempotency_key=key)
        self.started[execution.pk] = Sent(name, key)

    @staticmethod
    def input(key: str) -> dict[str, Any]:
        """The start input; ``key`` is the correlation key of those that have one."""
        return {"key": key}

    def claim(self) -> None:
        """A worker takes something, and works on it now or later."""
        worker = self.dice.choice(self.fleet)
        claim = worker.hand.claim()
        if claim is None:
            return
        if self.dice.random() < 0.45:
            worker.held.append(claim)
        else:
            worker.hand.run(claim)

    def work(self) -> None:
        """Somebody works on what it claimed a while ago; it may not be its own any more."""
        holding = [w for w in self.fleet + self.ghosts if w.held]
        if holding:
            worker = self.dice.choice(holding)
            worker.hand.run(worker.held.pop(0))

    def crash(self) -> None:
        """A process is gone, with all its claims; another comes up."""
        at = self.dice.randrange(FLEET)
        self.happened["claims of the dead"] += len(self.fleet[at].held)
        self.fleet[at] = Worker(Hand("worker anew"))

    def tick(self) -> None:
        """A worker's due work, in any order."""
        chores = [
            deliver_due,
            wake_answered,
            promote,
            bury_the_dead,
            lambda: workers.block_orphans([]),
        ]
        self.dice.shuffle(chores)
        for chore in chores:
            chore()

    def pass_time(self) -> None:
        """Time goes by; not every worker gets to renew its lease."""
        now = (clock.frozen_at() or NOON) + timedelta(seconds=self.dice.choice(SPANS))
        clock.set_frozen(now)
        for at, worker in enumerate(self.fleet):
            if self.dice.random() < 0.75 and not workers.renew(
                worker.hand.worker, LEASE, 0, listening=False
            ):
                self.ghosts.append(worker)  # it learns that it was declared dead
                self.fleet[at] = Worker(Hand("worker anew"))
        self.happened["buried"] += bury_the_dead() if self.dice.random() < 0.7 else 0

    # -- messages -------------------------------------------------------------------------------

    def some(self) -> UUID | None:
        """One of the last executions that were started."""
        return self.dice.choice(list(self.started)[-6:]) if self.started else None

    def send(self) -> None:
        name = self.dice.choice(["go", "go", "x", "y"])
        waits = Wait.objects.open().filter(kind__in=("event", "any", "all")).visible()
        wanted = [(wait.root_id, each) for wait in waits for each in wait.names]
        pk = self.some()
        if wanted and self.dice.random() < 0.5:
            pk, name = self.dice.choice(wanted)
        if pk is not None:
            self.send_to(pk, name, again=self.dice.random() < 0.3)

    def send_to(self, pk: UUID, name: str, again: bool) -> None:
        """The next event of this name, or the last one once more."""
        sent = self.started[pk].events
        if name in ("x", "y") and sent[name]:
            again = True
        number = sent[name] + (0 if again and sent[name] else 1)
        event = durable.send_event(pk, name, number, event_id=f"{name} {number}")
        assert event.created == (number > sent[name]), "an event was taken twice, or was lost"
        self.happened["duplicate event"] += not event.created
        sent[name] = number

    def answer(self) -> None:
        asked = Wait.objects.open().filter(kind="input").values_list("root_id", flat=True).first()
        pk = asked if self.dice.random() < 0.7 else self.some()
        if pk is not None:
            durable.provide_input(pk, "ok", "approved")
            self.audited += 1
            self.happened["answers"] += 1

    # -- operators ------------------------------------------------------------------------------

    def operate(self, call: Callable[[UUID], Any]) -> None:
        if (pk := self.some()) is not None:
            call(pk)
            self.audited += 1
            self.happened[call.__name__] += 1

    def pause(self) -> None:
        self.operate(durable.pause)

    def resume(self) -> None:
        paused = Execution.objects.filter(status=Status.PAUSED).values_list("pk", flat=True)
        for pk in list(paused)[:1]:
            durable.resume(pk)
            self.audited += 1

    def cancel(self) -> None:
        self.operate(durable.cancel)

    # -- the end ----------------------------------------------------------------------------------

    def heal(self, rounds: int = 15) -> None:
        """Faults stop: whoever is at work is dead, everything is sent, and time goes by.

        Until all is finished: one nap, or one wait for another attempt, takes a round.
        """
        clock.set_frozen((clock.frozen_at() or NOON) + 3 * LEASE)
        for _ in range(rounds):
            bury_the_dead()
            testing.drain()
            unfinished = list(Execution.objects.unfinished())
            if not unfinished:
                return
            for execution in unfinished:
                self.help(execution)
            testing.advance(minutes=6, work=False)

    def help(self, execution: Execution) -> None:
        """Give one execution what it may be waiting for."""
        if execution.status == Status.PAUSED:
            durable.resume(execution.pk)
            self.audited += 1
            return  # deadlines that passed meanwhile take effect first
        for wait in Wait.objects.open().filter(root_id=execution.pk):
            for name in wait.names:
                if name not in (wait.received or {}):
                    self.send_to(execution.pk, name, again=False)
            if wait.kind == "input":
                durable.provide_input(execution.pk, wait.name, "approved")
                self.audited += 1
